use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::input_error::{InputError, JsonError};

/// An AWS IoT policy document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PolicyDocument {
    text: String,
    value: Value,
}

impl PolicyDocument {
    /// Longest document that AWS takes, in characters without white space ("AWS IoT Core endpoints and quotas", policy
    /// size).
    pub const MAX_CHARACTERS: usize = 2048;

    /// A document of the user's own, taken as it is.
    ///
    /// # Errors
    /// Not JSON, not an object with a `Statement`, or longer than AWS takes.
    pub fn from_json(text: &str) -> Result<Self, InputError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| InputError::PolicyNotJson(JsonError(error)))?;
        if value.get("Statement").is_none() {
            return Err(InputError::PolicyWithoutStatement);
        }
        let document = Self { text: text.to_owned(), value };
        match document.characters() {
            ..=Self::MAX_CHARACTERS => Ok(document),
            characters => Err(InputError::PolicyTooLong { characters, max: Self::MAX_CHARACTERS }),
        }
    }

    /// A document that is made here.
    pub(crate) fn of(value: Value) -> Self {
        Self { text: format!("{value:#}"), value }
    }

    /// The document as it is sent to AWS.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its size as AWS counts it: without white space.
    pub fn characters(&self) -> usize {
        self.text.chars().filter(|c| !c.is_whitespace()).count()
    }

    /// The SHA-256 of the document, so that two can be told apart in a line.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.text.as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether both say the same; white space and the order of an object's members do not count.
    pub fn is_same_as(&self, other: &str) -> bool {
        serde_json::from_str::<Value>(other).is_ok_and(|other| other == self.value)
    }

    /// Whether a statement allows every AWS IoT action on every resource without a condition: a device that has such
    /// a policy may act as any other.
    pub fn allows_everything(&self) -> bool {
        self.allows(|statement| {
            names(statement, "Action", &["*", "iot:*"]) && names(statement, "Resource", &["*"])
        })
    }

    /// Whether a statement allows anything on every resource without a condition.
    pub fn allows_any_resource(&self) -> bool {
        self.allows(|statement| names(statement, "Resource", &["*"]))
    }

    fn allows(&self, what: impl Fn(&Value) -> bool) -> bool {
        one_or_many(self.value.get("Statement")).iter().any(|statement| {
            statement.get("Effect").and_then(Value::as_str) == Some("Allow")
                && statement.get("Condition").is_none()
                && what(statement)
        })
    }
}

fn names(statement: &Value, member: &str, wildcards: &[&str]) -> bool {
    one_or_many(statement.get(member))
        .iter()
        .filter_map(|value| value.as_str())
        .any(|text| wildcards.iter().any(|wildcard| text.eq_ignore_ascii_case(wildcard)))
}

impl TryFrom<String> for PolicyDocument {
    type Error = InputError;

    fn try_from(text: String) -> Result<Self, InputError> {
        Self::from_json(&text)
    }
}

impl From<PolicyDocument> for String {
    fn from(document: PolicyDocument) -> Self {
        document.text
    }
}

/// Whether both say the same.
pub(crate) fn same_document(one: &str, other: &str) -> bool {
    let value = |text| serde_json::from_str::<Value>(text).ok();
    one == other || value(one).is_some_and(|value_of_one| value(other) == Some(value_of_one))
}

/// In a policy, wherever a list may stand, a single value may stand too.
fn one_or_many(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(many)) => many,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_document_in_another_dress() {
        let document = PolicyDocument::from_json(r#"{"Version":"2012-10-17","Statement":[]}"#).unwrap();
        assert!(document.is_same_as("{ \"Statement\" : [ ],\n \"Version\": \"2012-10-17\" }"));
        assert!(!document.is_same_as(r#"{"Version":"2008-10-17","Statement":[]}"#));
        assert!(!document.is_same_as("not json"));
    }

    #[test]
    fn size_is_counted_without_white_space() {
        let of = |inside: usize, spaces: usize| {
            format!(r#"{{"Statement":[],"x":"{}"}}{}"#, "x".repeat(inside), " ".repeat(spaces))
        };
        let around = of(0, 0).len();
        assert!(PolicyDocument::from_json(&of(2048 - around, 5000)).is_ok());
        let text = PolicyDocument::from_json(&of(2049 - around, 0)).unwrap_err().to_string();
        assert!(text.contains("2049") && text.contains("2048"), "{text}");
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for (name, text, says) in [
            ("not JSON", "not json", "JSON"),
            ("empty", "", "JSON"),
            ("no object", "[]", "Statement"),
            ("no statement", "{}", "Statement"),
        ] {
            let error = PolicyDocument::from_json(text).unwrap_err().to_string();
            assert!(error.contains(says), "{name}: {error}");
        }
    }

    #[test]
    fn a_policy_that_allows_everything_is_seen() {
        for (name, statement, everything) in [
            ("the how-to's", r#"[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]"#, true),
            ("single statement", r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#, true),
            ("lists", r#"[{"Effect":"Allow","Action":["iot:Connect","IoT:*"],"Resource":["a","*"]}]"#, true),
            (
                "second statement",
                r#"[{"Effect":"Deny","Action":"iot:*","Resource":"*"},{"Effect":"Allow","Action":"iot:*","Resource":"*"}]"#,
                true,
            ),
            ("deny", r#"[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]"#, false),
            (
                "with a condition",
                r#"[{"Effect":"Allow","Action":"iot:*","Resource":"*","Condition":{}}]"#,
                false,
            ),
            ("one action", r#"[{"Effect":"Allow","Action":"iot:Publish","Resource":"*"}]"#, false),
            ("odd types", r#"[1,{"Effect":"Allow","Action":1,"Resource":{}}]"#, false),
        ] {
            let document = PolicyDocument::from_json(&format!(r#"{{"Statement":{statement}}}"#)).unwrap();
            assert_eq!(document.allows_everything(), everything, "{name}");
        }
    }
}
