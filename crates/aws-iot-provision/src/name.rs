use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::input_error::InputError;

/// Longest name of a thing and of a policy, in characters (AWS IoT API reference: CreateThing, CreatePolicy).
const MAX_NAME_CHARACTERS: usize = 128;

/// The name of a thing: 1 to 128 of `a-z A-Z 0-9 : _ -` (AWS IoT API reference, CreateThing).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ThingName(String);

/// The name of a policy: 1 to 128 of `a-z A-Z 0-9 _ + = , . @ -` (AWS IoT API reference, CreatePolicy).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PolicyName(String);

impl ThingName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PolicyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ThingName {
    type Error = InputError;

    fn try_from(text: String) -> Result<Self, InputError> {
        text.parse()
    }
}

impl From<ThingName> for String {
    fn from(name: ThingName) -> Self {
        name.0
    }
}

impl FromStr for ThingName {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        check("thing", text, ":_-").map(Self)
    }
}

impl TryFrom<String> for PolicyName {
    type Error = InputError;

    fn try_from(text: String) -> Result<Self, InputError> {
        text.parse()
    }
}

impl From<PolicyName> for String {
    fn from(name: PolicyName) -> Self {
        name.0
    }
}

impl FromStr for PolicyName {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        check("policy", text, "_+=,.@-").map(Self)
    }
}

impl fmt::Display for ThingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(of: &'static str, text: &str, punctuation: &'static str) -> Result<String, InputError> {
    let fits = (1..=MAX_NAME_CHARACTERS).contains(&text.chars().count());
    if fits && text.chars().all(|c| c.is_ascii_alphanumeric() || punctuation.contains(c)) {
        Ok(text.to_owned())
    } else {
        Err(InputError::Name { of, name: text.to_owned(), punctuation, max: MAX_NAME_CHARACTERS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_things() {
        let longest = "x".repeat(128);
        let too_long = "x".repeat(129);
        for (name, fits) in [
            ("dev1", true),
            ("gw:line_3-a", true),
            (longest.as_str(), true),
            ("", false),
            (too_long.as_str(), false),
            ("bad name", false),
            ("dev/1", false),
            ("dev.1", false),
            ("デバイス", false),
            ("dev1\n", false),
        ] {
            assert_eq!(name.parse::<ThingName>().is_ok(), fits, "{name:?}");
        }
    }

    #[test]
    fn names_of_policies() {
        for (name, fits) in
            [("iot_policy", true), ("a+b=c,d.e@f-g", true), ("a:b", false), ("a b", false), ("", false)]
        {
            assert_eq!(name.parse::<PolicyName>().is_ok(), fits, "{name:?}");
        }
    }

    #[test]
    fn a_refused_name_is_shown_with_what_is_allowed() {
        let text = "bad name!".parse::<ThingName>().unwrap_err().to_string();
        assert!(text.contains("\"bad name!\"") && text.contains(":_-"), "{text}");
    }
}
