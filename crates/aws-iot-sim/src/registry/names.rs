//! Names that cannot be wrong once they are parsed (patterns: AWS IoT API reference).

use std::fmt;

use super::ApiError;

/// The longest name of a thing or a policy, in characters.
const NAME_CHARACTERS: usize = 128;

/// The name of a thing, a thing group or a thing type: `[a-zA-Z0-9:_-]{1,128}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ThingName(String);

/// The name of a thing group.
pub(crate) type ThingGroupName = ThingName;

/// The name of a thing type.
pub(crate) type ThingTypeName = ThingName;

/// The name of a policy: `[\w+=,.@-]{1,128}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PolicyName(String);

impl ThingName {
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        if is_name(text, ":_-") {
            return Ok(Self(text.to_owned()));
        }
        Err(ApiError::invalid(format!("name {text:?} must be 1 to 128 characters of [a-zA-Z0-9:_-]")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl PolicyName {
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        if is_name(text, "_+=,.@-") {
            return Ok(Self(text.to_owned()));
        }
        Err(ApiError::invalid(format!(
            "policyName {text:?} must be 1 to 128 characters of [a-zA-Z0-9_+=,.@-]"
        )))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
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

fn is_name(text: &str, punctuation: &str) -> bool {
    (1..=NAME_CHARACTERS).contains(&text.len())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || punctuation.contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_api_reference() {
        let longest = "x".repeat(128);
        let too_long = "x".repeat(129);
        let cases: &[(&str, bool, bool)] = &[
            ("device-1_a", true, true),
            ("a:b", true, false),
            ("a+b=c,d.e@f", false, true),
            ("", false, false),
            ("with space", false, false),
            ("naïve", false, false),
            ("a/b", false, false),
            (&longest, true, true),
            (&too_long, false, false),
        ];
        for (text, thing, policy) in cases {
            assert_eq!(ThingName::parse(text).is_ok(), *thing, "thing {text:?}");
            assert_eq!(PolicyName::parse(text).is_ok(), *policy, "policy {text:?}");
        }
    }
}
