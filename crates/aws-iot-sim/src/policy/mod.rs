//! The policy engine: reads a policy document, and decides whether policies allow an action on a resource.

mod caller;
mod condition;
mod document;
mod evaluate;
mod pattern;

pub(crate) use caller::{Caller, CallerThing, ConnectAttribute};
pub(crate) use document::Policy;
pub(crate) use evaluate::{Action, Decision, decide};

#[cfg(test)]
mod tests;
