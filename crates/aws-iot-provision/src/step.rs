use std::fmt;

use crate::certificate::CertificateId;
use crate::name::{PolicyName, ThingName};

/// A step of the registration that is done, as a listener gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What the step was about.
    pub subject: Subject,
    /// What it came to.
    pub outcome: Outcome,
}

/// What a step is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// The thing.
    Thing(ThingName),
    /// The policy.
    Policy(PolicyName),
    /// The certificate, by the id that AWS gave it.
    Certificate(CertificateId),
    /// The policy's attachment to the certificate.
    PolicyAttachment(PolicyName),
    /// The certificate's attachment to the thing.
    ThingAttachment(ThingName),
    /// The address where devices connect.
    Endpoint(String),
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was not there, and was made.
    Created,
    /// It was there already, and was left as it is.
    AlreadyThere,
    /// AWS made sure that it is there; for this call, AWS does not tell whether it was there before.
    InPlace,
    /// It was looked up.
    Found,
}

impl Subject {
    /// A short name of the kind of subject, for machine-readable output.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Thing(_) => "thing",
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
            Self::Policy(policy) | Self::PolicyAttachment(policy) => policy.as_str(),
            Self::Certificate(id) => id.as_str(),
            Self::Endpoint(address) => address,
        }
    }
}

impl Outcome {
    /// A short name of the outcome, for machine-readable output.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::AlreadyThere => "alreadyThere",
            Self::InPlace => "inPlace",
            Self::Found => "found",
        }
    }
}

/// One line in plain words.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Thing(thing) => write!(f, "thing {thing}: ")?,
            Subject::Policy(policy) => write!(f, "policy {policy}: ")?,
            Subject::Certificate(id) => write!(f, "certificate {id}: ")?,
            Subject::PolicyAttachment(policy) => write!(f, "policy {policy} on the certificate: ")?,
            Subject::ThingAttachment(thing) => write!(f, "certificate on the thing {thing}: ")?,
            Subject::Endpoint(address) => write!(f, "endpoint {address}: ")?,
        }
        f.write_str(match (&self.subject, self.outcome) {
            (Subject::Certificate(_), Outcome::Created) => "registered, active",
            (Subject::Certificate(_), Outcome::AlreadyThere) => "already registered, active",
            (_, Outcome::Created) => "created",
            (_, Outcome::AlreadyThere) => "already there, left as it is",
            (_, Outcome::InPlace) => "in place",
            (_, Outcome::Found) => "found",
        })
    }
}
