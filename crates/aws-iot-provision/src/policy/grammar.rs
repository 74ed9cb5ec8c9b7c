//! The grammar of a policy, as far as AWS refuses what breaks it ("Grammar of the IAM JSON policy language" in AWS's IAM user
//! guide, without the parts that policies on a certificate do not have).

use serde_json::{Map, Value};

const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];
const ELEMENTS: [&str; 3] = ["Version", "Id", "Statement"];
const STATEMENT_ELEMENTS: [&str; 7] =
    ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// What is wrong with the document, if anything is.
pub(super) fn check(document: &Value) -> Result<(), String> {
    let Value::Object(elements) = document else { return Err("it is not an object".to_owned()) };
    known(elements, &ELEMENTS)?;
    let statements = super::one_or_many(elements.get("Statement"));
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
    for action in texts(elements, "Action", "NotAction")? {
        if action != "*" && !action.contains(':') {
            return Err(format!("the action {action:?} is not SERVICE:ACTION, such as iot:Connect"));
        }
    }
    for resource in texts(elements, "Resource", "NotResource")? {
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
fn texts<'a>(elements: &'a Map<String, Value>, name: &str, negation: &str) -> Result<Vec<&'a str>, String> {
    let value = match (elements.get(name), elements.get(negation)) {
        (Some(value), None) | (None, Some(value)) => value,
        (None, None) => return Err(format!("there is no {name} in it")),
        (Some(_), Some(_)) => return Err(format!("it has both {name} and {negation}")),
    };
    let texts: Option<Vec<&str>> = super::one_or_many(Some(value)).iter().map(Value::as_str).collect();
    let texts = texts.filter(|texts| !texts.is_empty());
    texts.ok_or_else(|| format!("{name} is neither a text nor a list of texts"))
}
