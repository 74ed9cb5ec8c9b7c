//! The policy engine: reads a policy document, and decides whether policies allow an action on a resource. Without a simulator
//! behind it, too.

mod caller;
mod condition;
mod document;
mod evaluate;
mod pattern;

pub use caller::{Caller, CallerThing, ConnectAttribute};
pub use document::{Malformed, Policy};
pub use evaluate::{Action, Decision, decide};

#[cfg(test)]
mod tests;
