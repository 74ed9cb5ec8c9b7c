//! The `Condition` of a statement: the operators that are evaluated, and what happens with the others.

use serde_json::Value;

use super::document::{Malformed, texts};
use super::pattern::Pattern;
use super::{Caller, document::Effect};

/// One comparison of a `Condition` block: operator, key, values (of which one has to fit).
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    quantifier: Quantifier,
    operator: Operator,
    key: String,
    values: Vec<String>,
}

/// How many of the request's values have to fit, where a key may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    /// `ForAllValues:`; also met when there is no value.
    All,
    /// `ForAnyValue:`; also what a plain operator means for a key with one value.
    Any,
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
            let (quantifier, operator, set) = match name.split_once(':') {
                Some(("ForAllValues", operator)) => (Quantifier::All, operator, true),
                Some(("ForAnyValue", operator)) => (Quantifier::Any, operator, true),
                _ => (Quantifier::Any, name.as_str(), false),
            };
            for (key, values) in keys {
                // An empty set is a way to say that no attribute is allowed.
                let is_empty_set = set && values.as_array().is_some_and(Vec::is_empty);
                let malformed = Malformed("a condition value must be a string or a list of strings");
                conditions.push(Self {
                    quantifier,
                    operator: Operator::named(operator),
                    key: key.clone(),
                    values: if is_empty_set { Vec::new() } else { texts(values, malformed)? },
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
        let negated = matches!(self.operator, Operator::StringNotEquals | Operator::StringNotLike);
        let is_met =
            |actual: &String| self.values.iter().any(|value| self.fits(value, actual, caller)) != negated;
        let actual = caller.values(&self.key);
        match self.quantifier {
            Quantifier::All => actual.iter().all(is_met),
            // A key that is absent fails the comparison, and a negated comparison holds (IAM user guide).
            Quantifier::Any if actual.is_empty() => negated,
            Quantifier::Any => actual.iter().any(is_met),
        }
    }

    fn fits(&self, value: &str, actual: &str, caller: &Caller) -> bool {
        match self.operator {
            Operator::Bool => value.eq_ignore_ascii_case(actual),
            Operator::StringLike | Operator::StringNotLike => Pattern::parse(value).matches(actual, caller),
            _ => Pattern::literal(value).matches(actual, caller),
        }
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
