//! A policy document, read strictly: what the simulator does not understand it refuses, so that no statement is
//! silently taken for more than it says.

use serde_json::Value;

use super::condition::Condition;
use super::pattern::Pattern;

/// The only version of the policy language that AWS IoT documents.
const VERSION: &str = "2012-10-17";

/// A policy document that has been read.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) statements: Vec<Statement>,
}

/// One statement of a policy.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    /// Patterns in lower case: action names are compared without regard to case.
    pub(crate) actions: Vec<Pattern>,
    pub(crate) resources: Vec<Pattern>,
    pub(crate) conditions: Vec<Condition>,
}

/// What a matching statement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// Why a text is not a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the policy document is malformed: {0}")]
pub struct Malformed(pub(crate) &'static str);

impl Policy {
    /// Reads a policy document.
    ///
    /// # Errors
    /// It is none, or says what the simulator does not understand.
    pub fn parse(document: &str) -> Result<Self, Malformed> {
        let document: Value = serde_json::from_str(document).map_err(|_| Malformed("it is not JSON"))?;
        let document = document.as_object().ok_or(Malformed("it is not a JSON object"))?;
        if document.keys().any(|key| !matches!(key.as_str(), "Version" | "Id" | "Statement")) {
            return Err(Malformed("it may hold Version, Id and Statement, and nothing else"));
        }
        if document.get("Version").and_then(Value::as_str) != Some(VERSION) {
            return Err(Malformed("Version must be \"2012-10-17\""));
        }
        let statements = match document.get("Statement") {
            Some(Value::Array(list)) if !list.is_empty() => list.iter().map(Statement::parse).collect(),
            Some(one @ Value::Object(_)) => Statement::parse(one).map(|statement| vec![statement]),
            _ => Err(Malformed("Statement must be a statement or a list of statements")),
        };
        Ok(Self { statements: statements? })
    }
}

impl Statement {
    fn parse(statement: &Value) -> Result<Self, Malformed> {
        let statement = statement.as_object().ok_or(Malformed("a statement must be an object"))?;
        for key in statement.keys() {
            match key.as_str() {
                "Sid" | "Effect" | "Action" | "Resource" | "Condition" => {}
                "NotAction" | "NotResource" => {
                    return Err(Malformed("NotAction and NotResource are not part of AWS IoT's policies"));
                }
                _ => {
                    return Err(Malformed(
                        "a statement may hold Sid, Effect, Action, Resource and Condition",
                    ));
                }
            }
        }
        let effect = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err(Malformed("Effect must be \"Allow\" or \"Deny\"")),
        };
        const ACTION: Malformed = Malformed("Action must name actions as SERVICE:ACTION, or be \"*\"");
        let actions = texts(statement.get("Action").unwrap_or(&Value::Null), ACTION)?;
        if actions.iter().any(|action| action != "*" && !action.contains(':')) {
            return Err(ACTION);
        }
        const RESOURCE: Malformed = Malformed("Resource must be an ARN or \"*\", or a list of them");
        let resources = texts(statement.get("Resource").unwrap_or(&Value::Null), RESOURCE)?;
        if resources.iter().any(|resource| !resource.starts_with('*') && !resource.starts_with("arn:")) {
            return Err(RESOURCE);
        }
        Ok(Self {
            effect,
            actions: actions.iter().map(|action| Pattern::parse(&action.to_ascii_lowercase())).collect(),
            resources: resources.iter().map(|resource| Pattern::parse(resource)).collect(),
            conditions: statement.get("Condition").map_or_else(|| Ok(Vec::new()), Condition::parse_block)?,
        })
    }
}

/// A string (or, in conditions, a boolean), or a list of them that is not empty.
pub(crate) fn texts(value: &Value, otherwise: Malformed) -> Result<Vec<String>, Malformed> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(otherwise),
    };
    match value {
        Value::Array(list) if !list.is_empty() => list.iter().map(one).collect(),
        Value::Array(_) => Err(otherwise),
        single => one(single).map(|text| vec![text]),
    }
}
