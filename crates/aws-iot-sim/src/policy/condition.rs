//! The `Condition` of a statement: the operators that are evaluated, and what happens with the others.

use serde_json::Value;

use super::document::{Malformed, texts};
use super::pattern::Pattern;
use super::{Caller, document::Effect};

/// One comparison of a `Condition` block: operator, key, values (of which one has to fit).
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    operator: Operator,
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Bool,
    StringEquals,
    StringNotEquals,
    StringLike,
    StringNotLike,
    NotEvaluated,
}

impl Condition {
    /// Reads a `Condition` block. Operators that the simulator does not evaluate are kept, and fail closed.
    pub(crate) fn parse_block(block: &Value) -> Result<Vec<Self>, Malformed> {
        let operators = block.as_object().ok_or(Malformed("Condition must be an object"))?;
        let mut conditions = Vec::new();
        for (name, keys) in operators {
            let keys = keys.as_object().ok_or(Malformed("a condition operator must hold an object"))?;
            for (key, values) in keys {
                conditions.push(Self {
                    operator: Operator::named(name),
                    key: key.clone(),
                    values: texts(
                        values,
                        Malformed("a condition value must be a string or a list of strings"),
                    )?,
                });
            }
        }
        Ok(conditions)
    }

    /// Whether the condition is met. One that cannot be evaluated must never widen what is allowed: it is met for
    /// a Deny, and not met for an Allow.
    pub(crate) fn is_met(&self, caller: &Caller, effect: Effect) -> bool {
        if self.operator == Operator::NotEvaluated {
            return effect == Effect::Deny;
        }
        let Some(actual) = caller.value(&self.key) else {
            // A key that is absent fails the comparison, and a negated comparison holds (IAM user guide).
            return matches!(self.operator, Operator::StringNotEquals | Operator::StringNotLike);
        };
        let fits = |value: &String| match self.operator {
            Operator::Bool => value.eq_ignore_ascii_case(&actual),
            Operator::StringLike | Operator::StringNotLike => Pattern::parse(value).matches(&actual, caller),
            _ => Pattern::literal(value).matches(&actual, caller),
        };
        let any = self.values.iter().any(fits);
        any != matches!(self.operator, Operator::StringNotEquals | Operator::StringNotLike)
    }
}

impl Operator {
    fn named(name: &str) -> Self {
        match name {
            "Bool" => Self::Bool,
            "StringEquals" => Self::StringEquals,
            "StringNotEquals" => Self::StringNotEquals,
            "StringLike" => Self::StringLike,
            "StringNotLike" => Self::StringNotLike,
            _ => Self::NotEvaluated,
        }
    }
}
