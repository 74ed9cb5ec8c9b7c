//! The decision: an explicit Deny wins over any Allow, and what no statement allows is denied.

use super::document::{Effect, Statement};
use super::{Caller, Policy};

/// An action that a device asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `iot:Connect`
    Connect,
    /// `iot:Publish`
    Publish,
    /// `iot:RetainPublish`
    RetainPublish,
    /// `iot:Receive`
    Receive,
    /// `iot:Subscribe`
    Subscribe,
    /// `iot:AssumeRoleWithCertificate`
    AssumeRoleWithCertificate,
}

/// What the policies say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// At least one statement allows it, and none denies it.
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

impl Action {
    /// The name in a policy, in lower case.
    fn lower_name(self) -> &'static str {
        match self {
            Self::Connect => "iot:connect",
            Self::Publish => "iot:publish",
            Self::RetainPublish => "iot:retainpublish",
            Self::Receive => "iot:receive",
            Self::Subscribe => "iot:subscribe",
            Self::AssumeRoleWithCertificate => "iot:assumerolewithcertificate",
        }
    }

    /// The type of the resource that the action is granted on (AWS IoT developer guide, "Policy actions").
    pub fn resource(self, name: &str) -> String {
        let kind = match self {
            Self::Connect => "client",
            Self::Publish | Self::RetainPublish | Self::Receive => "topic",
            Self::Subscribe => "topicfilter",
            Self::AssumeRoleWithCertificate => "rolealias",
        };
        format!("{kind}/{name}")
    }
}

/// Evaluates all policies of a principal for one action on one resource.
pub fn decide<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    action: Action,
    resource_arn: &str,
    caller: &Caller,
) -> Decision {
    let mut decision = Decision::NotAllowed;
    for statement in policies.into_iter().flat_map(|policy| &policy.statements) {
        if !statement.applies(action, resource_arn, caller) {
            continue;
        }
        match statement.effect {
            Effect::Deny => return Decision::Denied,
            Effect::Allow => decision = Decision::Allowed,
        }
    }
    decision
}

impl Statement {
    fn applies(&self, action: Action, resource_arn: &str, caller: &Caller) -> bool {
        self.actions.iter().any(|pattern| pattern.matches(action.lower_name(), caller))
            && self.resources.iter().any(|pattern| pattern.matches(resource_arn, caller))
            && self.conditions.iter().all(|condition| condition.is_met(caller, self.effect))
    }
}
