//! One change in an AWS account, or one thing that is as it should be: a line of a plan. It describes itself here, and
//! runs itself in `run.rs`; there is no third place that knows it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::device::{Attachment, Status};
use crate::name::{CertificateId, PolicyName, ThingName};

/// One line of a plan, named after the call of AWS IoT's API that does it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call")]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are the call's parameters")]
pub enum Step {
    /// Makes the thing.
    CreateThing { thing: ThingName, thing_type: Option<String>, attributes: BTreeMap<String, String> },
    /// Sets these attributes of the thing, and leaves the others as they are.
    UpdateThing { thing: ThingName, attributes: BTreeMap<String, String> },
    /// Adds the thing to the group.
    AddThingToThingGroup { thing: ThingName, group: String },
    /// Makes the policy.
    CreatePolicy { policy: PolicyName, document: String },
    /// Registers the certificate, INACTIVE.
    RegisterCertificateWithoutCA { certificate: CertificateId, pem: String },
    /// Activates or deactivates the certificate.
    UpdateCertificate { certificate: CertificateId, status: Status },
    /// Puts the policy on the certificate.
    AttachPolicy { policy: String, certificate: CertificateId },
    /// Takes the policy off the certificate.
    DetachPolicy { policy: String, certificate: CertificateId },
    /// Puts the certificate on the thing; `again` where it is there in the other way.
    AttachThingPrincipal { thing: ThingName, certificate: CertificateId, attachment: Attachment, again: bool },
    /// Takes the certificate off the thing.
    DetachThingPrincipal { thing: ThingName, certificate: CertificateId },
    /// Deletes the certificate.
    DeleteCertificate { certificate: CertificateId },
    /// Deletes the thing.
    DeleteThing { thing: ThingName },
    /// Makes a new version of the policy, in force at once.
    CreatePolicyVersion { policy: PolicyName, document: String, targets: usize },
    /// Deletes a version of the policy that is not in force.
    DeletePolicyVersion { policy: PolicyName, version: String },
    /// Deletes the policy, unless something has it by then.
    DeletePolicy { policy: PolicyName },
    /// Nothing is to be done.
    Keep { kind: Kind, name: String, note: String },
}

/// What a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Kind {
    /// The thing.
    Thing,
    /// The thing's place in a group.
    ThingGroup,
    /// The policy.
    Policy,
    /// The certificate.
    Certificate,
    /// The policy on the certificate.
    PolicyAttachment,
    /// A policy on a group that the thing is in.
    GroupPolicy,
    /// The certificate on the thing.
    ThingAttachment,
    /// The host name where devices connect.
    Endpoint,
}

/// What a step says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description<'a> {
    /// What it is about.
    pub kind: Kind,
    /// The name or id of that.
    pub name: &'a str,
    /// What comes of it: `created`, `updated`, `deleted` or `unchanged`.
    pub outcome: &'static str,
    /// What else there is to say; may be empty.
    pub note: Cow<'a, str>,
}

const CREATED: &str = "created";
const UPDATED: &str = "updated";
const DELETED: &str = "deleted";
const UNCHANGED: &str = "unchanged";

impl Step {
    pub(crate) fn keep(kind: Kind, name: impl ToString, note: impl Into<String>) -> Self {
        Self::Keep { kind, name: name.to_string(), note: note.into() }
    }

    /// Whether it changes anything.
    pub fn is_change(&self) -> bool {
        !matches!(self, Self::Keep { .. })
    }

    /// What it does, in words.
    pub fn describe(&self) -> Description<'_> {
        let (kind, name, outcome, note): (_, _, _, Cow<'_, str>) = match self {
            Self::CreateThing { thing, attributes, .. } => {
                (Kind::Thing, thing.as_str(), CREATED, listed("attributes", attributes))
            }
            Self::UpdateThing { thing, attributes } => {
                (Kind::Thing, thing.as_str(), UPDATED, listed("attributes", attributes))
            }
            Self::AddThingToThingGroup { group, .. } => (Kind::ThingGroup, group, CREATED, "".into()),
            Self::CreatePolicy { policy, .. } => (Kind::Policy, policy.as_str(), CREATED, "".into()),
            Self::RegisterCertificateWithoutCA { certificate, .. } => {
                (Kind::Certificate, certificate.as_str(), CREATED, "INACTIVE".into())
            }
            Self::UpdateCertificate { certificate, status } => {
                (Kind::Certificate, certificate.as_str(), UPDATED, status.as_str().into())
            }
            Self::AttachPolicy { policy, .. } => (Kind::PolicyAttachment, policy, CREATED, "".into()),
            Self::DetachPolicy { policy, .. } => (Kind::PolicyAttachment, policy, DELETED, "".into()),
            Self::AttachThingPrincipal { thing, again: false, .. } => {
                (Kind::ThingAttachment, thing.as_str(), CREATED, "".into())
            }
            Self::AttachThingPrincipal { thing, attachment, .. } => {
                let how = match attachment {
                    Attachment::Exclusive => "exclusive instead of shared",
                    Attachment::Shared => "shared instead of exclusive",
                };
                (Kind::ThingAttachment, thing.as_str(), UPDATED, how.into())
            }
            Self::DetachThingPrincipal { thing, certificate } => {
                (Kind::ThingAttachment, thing.as_str(), DELETED, format!("certificate {certificate}").into())
            }
            Self::DeleteCertificate { certificate } => {
                (Kind::Certificate, certificate.as_str(), DELETED, "".into())
            }
            Self::DeleteThing { thing } => (Kind::Thing, thing.as_str(), DELETED, "".into()),
            Self::CreatePolicyVersion { policy, targets, .. } => {
                let note = format!("a new version, in force at once for {} that have it", counted(*targets));
                (Kind::Policy, policy.as_str(), UPDATED, note.into())
            }
            Self::DeletePolicyVersion { policy, version } => {
                let note = format!("version {version} is deleted, and cannot be gone back to");
                (Kind::Policy, policy.as_str(), UPDATED, note.into())
            }
            Self::DeletePolicy { policy } => (Kind::Policy, policy.as_str(), DELETED, "".into()),
            Self::Keep { kind, name, note } => (*kind, name, UNCHANGED, note.into()),
        };
        Description { kind, name, outcome, note }
    }
}

fn listed<'a>(what: &str, attributes: &BTreeMap<String, String>) -> Cow<'a, str> {
    if attributes.is_empty() {
        return "".into();
    }
    let pairs: Vec<String> = attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{what} {}", pairs.join(", ")).into()
}

/// Certificates and thing groups.
pub(crate) fn counted(targets: usize) -> String {
    match targets {
        1 => "1 certificate or thing group".to_owned(),
        several => format!("{several} certificates and thing groups"),
    }
}

/// A line of a diff: what is made with `+`, what is changed with `~`, what goes with `-`, what stays with a space.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Description { kind, name, outcome, note } = self.describe();
        let sign = match outcome {
            CREATED => '+',
            UPDATED => '~',
            DELETED => '-',
            _ => ' ',
        };
        write!(f, "{sign} ")?;
        match kind {
            Kind::Thing => write!(f, "thing {name}"),
            Kind::ThingGroup => write!(f, "thing in the group {name}"),
            Kind::Policy | Kind::GroupPolicy => write!(f, "policy {name}"),
            Kind::Certificate => write!(f, "certificate {name}"),
            Kind::PolicyAttachment => write!(f, "policy {name} on the certificate"),
            Kind::ThingAttachment => write!(f, "certificate on the thing {name}"),
            // It is asked for, and never changed.
            Kind::Endpoint => return write!(f, "endpoint {name}"),
        }?;
        match (outcome == UNCHANGED, note.is_empty()) {
            (true, true) => f.write_str(": unchanged"),
            (true, false) => write!(f, ": unchanged, {note}"),
            (false, true) => Ok(()),
            (false, false) => write!(f, ": {note}"),
        }
    }
}
