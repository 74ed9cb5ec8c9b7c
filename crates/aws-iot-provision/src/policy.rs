use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::InputError;
use crate::findings;

/// The grammar of a policy, as far as AWS refuses what breaks it ("Grammar of the IAM JSON policy language" in AWS's IAM user
/// guide, without the parts that policies on a certificate do not have).
const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];
const ELEMENTS: [&str; 3] = ["Version", "Id", "Statement"];
const STATEMENT_ELEMENTS: [&str; 7] =
    ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];

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
    /// What AWS would refuse (MalformedPolicyException): not JSON, an element that is missing, unknown or of the wrong type, or
    /// longer than AWS takes.
    pub fn from_json(text: &str) -> Result<Self, InputError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let value: Value =
            serde_json::from_str(text).map_err(|error| InputError::PolicyNotJson(error.into()))?;
        check_grammar(&value).map_err(|reason| InputError::Policy { reason })?;
        Self { text: text.to_owned(), value }.not_too_long()
    }

    /// What AWS takes although it does not do what it seems to do, or does too much: a line each.
    pub fn findings(&self) -> Vec<String> {
        findings::of(&self.value)
    }

    /// A document that is made here.
    pub(crate) fn of(value: Value) -> Result<Self, InputError> {
        Self { text: format!("{value:#}"), value }.not_too_long()
    }

    fn not_too_long(self) -> Result<Self, InputError> {
        match self.characters() {
            ..=Self::MAX_CHARACTERS => Ok(self),
            characters => Err(InputError::PolicyTooLong { characters, max: Self::MAX_CHARACTERS }),
        }
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

fn names(statement: &Value, element: &str, wildcards: &[&str]) -> bool {
    let is_wildcard = |text: &&str| wildcards.iter().any(|wildcard| text.eq_ignore_ascii_case(wildcard));
    texts(statement, element).iter().any(is_wildcard)
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

/// The texts of a statement's element.
pub(crate) fn texts<'a>(statement: &'a Value, element: &str) -> Vec<&'a str> {
    one_or_many(statement.get(element)).iter().filter_map(Value::as_str).collect()
}

/// In a policy, wherever a list may stand, a single value may stand too.
pub(crate) fn one_or_many(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(many)) => many,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

/// What is wrong with the document, if anything is.
fn check_grammar(document: &Value) -> Result<(), String> {
    let Value::Object(elements) = document else { return Err("it is not an object".to_owned()) };
    known(elements, &ELEMENTS)?;
    let statements = one_or_many(elements.get("Statement"));
    if statements.is_empty() {
        return Err("there is no Statement in it".to_owned());
    }
    match elements.get("Version").map(|version| (version, version.as_str())) {
        Some((_, Some(version))) if VERSIONS.contains(&version) => {}
        Some((version, _)) => return Err(format!("its Version is {version} instead of \"2012-10-17\"")),
        None => return Err("it has no Version; write \"Version\": \"2012-10-17\" into it".to_owned()),
    }
    for (statement, number) in statements.iter().zip(1..) {
        let Value::Object(elements) = statement else {
            return Err(format!("statement {number} is not an object"));
        };
        check_statement(elements).map_err(|reason| format!("statement {number}: {reason}"))?;
    }
    Ok(())
}

fn check_statement(elements: &Map<String, Value>) -> Result<(), String> {
    known(elements, &STATEMENT_ELEMENTS)?;
    if !matches!(elements.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
        return Err("Effect has to be \"Allow\" or \"Deny\"".to_owned());
    }
    for action in one_of(elements, "Action", "NotAction")? {
        if action != "*" && !action.contains(':') {
            return Err(format!("the action {action:?} is not SERVICE:ACTION, such as iot:Connect"));
        }
    }
    for resource in one_of(elements, "Resource", "NotResource")? {
        if resource != "*" && !resource.starts_with("arn:") {
            return Err(format!("the resource {resource:?} is neither an ARN nor *"));
        }
    }
    Ok(())
}

fn known(elements: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match elements.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(format!("the element {unknown:?} is not known in a device's policy")),
        None => Ok(()),
    }
}

/// The texts of one of two elements, exactly one of which has to be there.
fn one_of<'a>(elements: &'a Map<String, Value>, name: &str, negation: &str) -> Result<Vec<&'a str>, String> {
    let value = match (elements.get(name), elements.get(negation)) {
        (Some(value), None) | (None, Some(value)) => value,
        (None, None) => return Err(format!("there is no {name} in it")),
        (Some(_), Some(_)) => return Err(format!("it has both {name} and {negation}")),
    };
    let texts: Option<Vec<&str>> = one_or_many(Some(value)).iter().map(Value::as_str).collect();
    let texts = texts.filter(|texts| !texts.is_empty());
    texts.ok_or_else(|| format!("{name} is neither a text nor a list of texts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(statement: &str) -> Result<PolicyDocument, InputError> {
        PolicyDocument::from_json(&format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#))
    }

    #[test]
    fn same_document_in_another_dress() {
        let document = with(r#"[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]"#).unwrap();
        let same = "{ \"Statement\" : [{\"Action\": \"iot:Connect\", \"Resource\": \"*\", \"Effect\": \"Allow\"}],\n \
                    \"Version\": \"2012-10-17\" }";
        assert!(document.is_same_as(same));
        assert!(!document.is_same_as(&same.replace("2012", "2008")));
        assert!(!document.is_same_as("not json"));
    }

    #[test]
    fn size_is_counted_without_white_space() {
        let of = |inside: usize, spaces: usize| {
            let resource = format!("arn:{}", "x".repeat(inside));
            let spaces = " ".repeat(spaces);
            with(&format!(r#"[{{"Effect":"Allow","Action":"iot:Connect","Resource":"{resource}"}}]{spaces}"#))
        };
        let around = of(0, 0).unwrap().characters();
        assert!(of(2048 - around, 5000).is_ok());
        let text = of(2049 - around, 0).unwrap_err().to_string();
        assert!(text.contains("2049") && text.contains("2048"), "{text}");
    }

    #[test]
    fn what_aws_refuses_is_refused_here() {
        let statement = r#"{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}"#;
        let version = r#""Version":"2012-10-17""#;
        for (name, text, says) in [
            ("not JSON", "not json".to_owned(), "JSON"),
            ("empty", String::new(), "JSON"),
            ("no object", "[]".to_owned(), "an object"),
            ("no statement", format!("{{{version}}}"), "no Statement"),
            ("empty statement", format!(r#"{{{version},"Statement":[]}}"#), "no Statement"),
            ("no version", format!(r#"{{"Statement":[{statement}]}}"#), "\"Version\": \"2012-10-17\""),
            (
                "other version",
                format!(r#"{{"Version":"2012-10-18","Statement":[{statement}]}}"#),
                "2012-10-18",
            ),
            ("mistyped", format!(r#"{{{version},"Statements":[{statement}]}}"#), "Statements"),
            ("odd statement", format!(r#"{{{version},"Statement":[1]}}"#), "statement 1"),
        ] {
            let error = PolicyDocument::from_json(&text).unwrap_err().to_string();
            assert!(error.contains(says), "{name}: {error}");
        }
        for (name, statement, says) in [
            ("no effect", r#"[{"Action":"iot:Connect","Resource":"*"}]"#, "Effect"),
            ("effect", r#"[{"Effect":"allow","Action":"iot:Connect","Resource":"*"}]"#, "Effect"),
            ("no action", r#"[{"Effect":"Allow","Resource":"*"}]"#, "Action"),
            (
                "two actions",
                r#"[{"Effect":"Allow","Action":"a:b","NotAction":"a:b","Resource":"*"}]"#,
                "Action",
            ),
            ("no resource", r#"[{"Effect":"Allow","Action":"iot:Connect"}]"#, "Resource"),
            ("odd action", r#"[{"Effect":"Allow","Action":1,"Resource":"*"}]"#, "Action"),
            ("action of no service", r#"[{"Effect":"Allow","Action":"Connect","Resource":"*"}]"#, "Connect"),
            ("no ARN", r#"[{"Effect":"Allow","Action":"iot:Connect","Resource":"client/a"}]"#, "client/a"),
            (
                "principal",
                r#"[{"Effect":"Allow","Principal":"*","Action":"iot:Connect","Resource":"*"}]"#,
                "Principal",
            ),
            (
                "the second statement",
                r#"[{"Effect":"Deny","Action":"iot:Connect","Resource":"*"},{"Effect":"Allow"}]"#,
                "statement 2",
            ),
        ] {
            let error = with(statement).unwrap_err().to_string();
            assert!(error.contains(says), "{name}: {error}");
        }
    }

    #[test]
    fn a_policy_that_allows_everything_is_seen() {
        for (name, statement, everything) in [
            ("the how-to's", r#"[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]"#, true),
            ("single statement", r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#, true),
            (
                "lists",
                r#"[{"Effect":"Allow","Action":["iot:Connect","IoT:*"],"Resource":["arn:a","*"]}]"#,
                true,
            ),
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
        ] {
            assert_eq!(with(statement).unwrap().allows_everything(), everything, "{name}");
        }
    }

    #[test]
    fn what_does_not_do_what_it_seems_to_is_found() {
        const ARN: &str = "arn:aws:iot:eu-west-1:123456789012:";
        let of = |action: &str, resource: &str| {
            let connect =
                format!(r#"{{"Effect":"Allow","Action":"iot:Connect","Resource":"{ARN}client/a"}}"#);
            let other = format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}"#);
            with(&format!("[{connect},{other}]")).unwrap().findings()
        };
        for (name, action, resource, says) in [
            ("everything", "iot:*", "*".to_owned(), "every action"),
            ("every topic", "iot:Publish", "*".to_owned(), "every resource"),
            ("every topic by its ARN", "iot:Publish", format!("{ARN}topic/*"), "topic/*"),
            ("topic for Subscribe", "iot:Subscribe", format!("{ARN}topic/a"), "topicfilter/"),
            ("client for Publish", "iot:Publish", format!("{ARN}client/a"), "topic/"),
            ("MQTT's wildcard", "iot:Publish", format!("{ARN}topic/a/#"), "* and ?"),
            ("any client id", "iot:Connect", format!("{ARN}client/*"), "client/*"),
            ("unknown action", "iot:Pubish", format!("{ARN}topic/a"), "iot:Pubish"),
            (
                "unknown variable",
                "iot:Publish",
                format!("{ARN}topic/${{iot:ThingName}}/t"),
                "${iot:ThingName}",
            ),
        ] {
            let found = of(action, &resource);
            assert!(found.iter().any(|finding| finding.contains(says)), "{name}: {found:?}");
        }
        assert_eq!(of("iot:Publish", &format!("{ARN}topic/${{iot:Connection.Thing.ThingName}}/*")), [""; 0]);
        assert_eq!(of("iot:Subscribe", &format!("{ARN}topicfilter/a/#")), [""; 0]);
        let without_connect =
            with(&format!(r#"[{{"Effect":"Allow","Action":"iot:Publish","Resource":"{ARN}topic/a"}}]"#));
        assert!(without_connect.unwrap().findings()[0].contains("iot:Connect"));
        let old = PolicyDocument::from_json(&format!(
            r#"{{"Version":"2008-10-17","Statement":{{"Effect":"Allow","Action":"iot:Connect","Resource":"{ARN}client/${{iot:ClientId}}"}}}}"#
        ));
        assert!(old.unwrap().findings()[0].contains("2008-10-17"));
    }
}
