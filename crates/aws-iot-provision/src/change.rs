use std::fmt;

use crate::certificate::CertificateId;
use crate::name::{PolicyName, ThingName};

/// One line of a plan, and of what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub subject: Subject,
    /// What is to be done with it, or was done.
    pub action: Action,
}

/// What a change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// The thing.
    Thing(ThingName),
    /// The thing's place in a group.
    Group(String),
    /// The policy.
    Policy(PolicyName),
    /// The certificate, by the id that AWS gave it, or will give.
    Certificate(CertificateId),
    /// The policy's attachment to the certificate.
    PolicyAttachment(String),
    /// The certificate's attachment to the thing.
    ThingAttachment(ThingName),
    /// The address where devices connect.
    Endpoint(String),
}

/// What is to be done with the subject, or was done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// It is not there, and is made.
    Create,
    /// It is there, and is changed; in words, how.
    Update(String),
    /// It is there as it should be, and is left as it is; in words, what there is to say.
    Keep(String),
    /// It is there, and is taken away.
    Delete,
}

impl Change {
    pub(crate) fn new(subject: Subject, action: Action) -> Self {
        Self { subject, action }
    }

    pub(crate) fn keep(subject: Subject) -> Self {
        Self { subject, action: Action::Keep(String::new()) }
    }

    /// Whether anything is changed.
    pub fn is_change(&self) -> bool {
        !matches!(self.action, Action::Keep(_))
    }
}

impl Subject {
    /// A short name of the kind of subject, for machine-readable output.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Thing(_) => "thing",
            Self::Group(_) => "thingGroup",
            Self::Policy(_) => "policy",
            Self::Certificate(_) => "certificate",
            Self::PolicyAttachment(_) => "policyAttachment",
            Self::ThingAttachment(_) => "thingAttachment",
            Self::Endpoint(_) => "endpoint",
        }
    }

    /// Its name, id or address.
    pub fn name(&self) -> &str {
        match self {
            Self::Thing(thing) | Self::ThingAttachment(thing) => thing.as_str(),
            Self::Policy(policy) => policy.as_str(),
            Self::Certificate(id) => id.as_str(),
            Self::Group(name) | Self::PolicyAttachment(name) | Self::Endpoint(name) => name,
        }
    }
}

impl Action {
    /// A short name, for machine-readable output.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Update(_) => "updated",
            Self::Keep(_) => "unchanged",
            Self::Delete => "deleted",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thing(thing) => write!(f, "thing {thing}"),
            Self::Group(group) => write!(f, "thing in the group {group}"),
            Self::Policy(policy) => write!(f, "policy {policy}"),
            Self::Certificate(id) => write!(f, "certificate {id}"),
            Self::PolicyAttachment(policy) => write!(f, "policy {policy} on the certificate"),
            Self::ThingAttachment(thing) => write!(f, "certificate on the thing {thing}"),
            Self::Endpoint(address) => write!(f, "endpoint {address}"),
        }
    }
}

/// A line of a diff: what is made with `+`, what is changed with `~`, what goes with `-`, what stays with a space.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.subject;
        match &self.action {
            Action::Create => write!(f, "+ {subject}"),
            Action::Update(how) => write!(f, "~ {subject}: {how}"),
            // It is asked for, and never changed.
            Action::Keep(_) if matches!(subject, Subject::Endpoint(_)) => write!(f, "  {subject}"),
            Action::Keep(note) if note.is_empty() => write!(f, "  {subject}: unchanged"),
            Action::Keep(note) => write!(f, "  {subject}: unchanged, {note}"),
            Action::Delete => write!(f, "- {subject}"),
        }
    }
}
