//! What there is, and what is missing. Nothing here writes.

use std::collections::BTreeMap;
use std::fmt;

use crate::arn::ArnScope;
use crate::calls::{AttachedThing, ControlPlane, FoundCertificate, FoundThing};
use crate::certificate::CertificateId;
use crate::change::{Action, Change, Subject};
use crate::device::{Attachment, Device, Rights};
use crate::error::Error;
use crate::marker::{ATTRIBUTE, Marker};
use crate::policy::PolicyDocument;

/// What is to be done so that a device is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which it is done.
    pub changes: Vec<Change>,
}

/// What AWS has of a device.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) thing: Option<FoundThing>,
    pub(crate) missing_groups: Vec<String>,
    pub(crate) policy: Presence,
    pub(crate) certificate: Option<FoundCertificate>,
    pub(crate) policy_attached: bool,
    pub(crate) thing_attachment: Presence,
}

/// Whether something is there as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Missing,
    Differs,
    Same,
}

impl Plan {
    /// Whether anything is to be changed.
    pub fn changes_anything(&self) -> bool {
        self.changes.iter().any(Change::is_change)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes.iter().try_for_each(|change| writeln!(f, "{change}"))
    }
}

impl Found {
    /// Looks at everything, and refuses what must not be touched: so nothing is half-done.
    pub(crate) async fn look(aws: &ControlPlane, device: &Device, policy_made: bool) -> Result<Self, Error> {
        let thing = aws.describe_thing(&device.thing).await?;
        if let (Some(thing), Some(wanted)) = (&thing, &device.settings.thing_type) {
            check_type(device, thing, wanted)?;
        }
        let certificate = find_certificate(aws, device, thing.is_some()).await?;
        let (mut policy_attached, mut thing_attachment) = (false, Presence::Missing);
        if let Some(found) = &certificate {
            check_status(device, found)?;
            let things = aws.things_of(&found.registered).await?;
            thing_attachment = check_owner(device, found, &things)?;
            let policies = aws.policies_of(&found.registered).await?;
            policy_attached = policies.iter().any(|policy| policy == device.settings.policy.as_str());
        }
        let wanted = &device.settings.groups;
        let missing_groups = if thing.is_none() || wanted.is_empty() {
            wanted.clone()
        } else {
            let present = aws.groups_of(&device.thing).await?;
            wanted.iter().filter(|group| !present.contains(group)).cloned().collect()
        };
        let policy = if policy_made { Presence::Same } else { policy_state(aws, device).await? };
        Ok(Self { thing, missing_groups, policy, certificate, policy_attached, thing_attachment })
    }

    /// The attributes that the thing lacks or has otherwise.
    pub(crate) fn attributes_to_set(&self, device: &Device) -> BTreeMap<String, String> {
        let mut wanted = device.settings.attributes.clone();
        let present = match &self.thing {
            Some(thing) => thing.attributes.clone(),
            None => BTreeMap::new(),
        };
        let marker = if self.thing.is_some() { Marker::of(&present) } else { Some(Marker::default()) };
        if let Some(mut marker) = marker {
            if self.certificate.is_none() {
                marker = marker.with(&device.certificate);
            }
            wanted.insert(ATTRIBUTE.to_owned(), marker.value());
        }
        wanted.retain(|name, value| present.get(name) != Some(value));
        wanted
    }

    /// What is to be done. A new version of the policy reaches `others` that have it too.
    pub(crate) fn plan(&self, device: &Device, others: usize) -> Plan {
        let policy = &device.settings.policy;
        let mut changes = self.changes_of_thing(device);
        let subject = Subject::Policy(policy.clone());
        changes.push(match self.policy {
            Presence::Differs => Change::new(subject, Action::Update(new_version(others))),
            state => made(subject, state == Presence::Same),
        });
        changes.push(match &self.certificate {
            Some(found) => Change::new(
                Subject::Certificate(found.registered.id.clone()),
                Action::Keep(found.status.clone()),
            ),
            None => made(Subject::Certificate(CertificateId::of(&device.certificate)), false),
        });
        changes.push(made(Subject::PolicyAttachment(policy.to_string()), self.policy_attached));
        changes.push(change_of_attachment(device, self.thing_attachment));
        Plan { changes }
    }

    /// Of the thing itself and its groups.
    pub(crate) fn changes_of_thing(&self, device: &Device) -> Vec<Change> {
        let attributes = self.attributes_to_set(device);
        let thing = Subject::Thing(device.thing.clone());
        let mut changes = vec![if self.thing.is_some() && !attributes.is_empty() {
            let names: Vec<&str> = attributes.keys().map(String::as_str).collect();
            Change::new(thing, Action::Update(format!("attributes {}", names.join(", "))))
        } else {
            made(thing, self.thing.is_some())
        }];
        for group in &device.settings.groups {
            changes.push(made(Subject::Group(group.clone()), !self.missing_groups.contains(group)));
        }
        changes
    }
}

pub(crate) fn made(subject: Subject, is_there: bool) -> Change {
    if is_there { Change::keep(subject) } else { Change::new(subject, Action::Create) }
}

pub(crate) fn change_of_attachment(device: &Device, found: Presence) -> Change {
    let subject = Subject::ThingAttachment(device.thing.clone());
    match found {
        Presence::Differs => {
            let how = match device.settings.attachment {
                Attachment::Exclusive => "exclusive instead of shared",
                Attachment::Shared => "shared instead of exclusive",
            };
            Change::new(subject, Action::Update(how.to_owned()))
        }
        found => made(subject, found == Presence::Same),
    }
}

fn new_version(others: usize) -> String {
    match others {
        0 => "a new version, in force at once".to_owned(),
        1 => "a new version, in force at once, also for 1 other that has this policy".to_owned(),
        others => format!("a new version, in force at once, also for {others} others that have this policy"),
    }
}

/// The document that the device's policy is to have.
pub(crate) fn wanted_document(device: &Device, arn: &str) -> Result<PolicyDocument, Error> {
    match &device.settings.rights {
        Rights::Document(document) => Ok(document.clone()),
        Rights::Least(grants) => Ok(grants.document(&ArnScope::of(arn).map_err(Error::Arn)?)),
    }
}

pub(crate) async fn policy_state(aws: &ControlPlane, device: &Device) -> Result<Presence, Error> {
    Ok(match aws.get_policy(&device.settings.policy).await? {
        None => Presence::Missing,
        Some(found) if wanted_document(device, &found.arn)?.is_same_as(&found.document) => Presence::Same,
        Some(_) => Presence::Differs,
    })
}

/// By the id that AWS should give it; and where AWS has it under another id, among the thing's own certificates.
async fn find_certificate(
    aws: &ControlPlane,
    device: &Device,
    thing_exists: bool,
) -> Result<Option<FoundCertificate>, Error> {
    let id = CertificateId::of(&device.certificate);
    if let Some(found) = aws.describe_certificate(&id).await? {
        return Ok(Some(found));
    }
    if !thing_exists {
        return Ok(None);
    }
    for principal in aws.principals_of(&device.thing).await? {
        let Some(other) = CertificateId::in_arn(&principal) else { continue };
        if let Some(found) = aws.describe_certificate(&other).await?
            && found.certificate.as_ref() == Some(&device.certificate)
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn check_type(device: &Device, thing: &FoundThing, wanted: &str) -> Result<(), Error> {
    if thing.thing_type.as_deref() == Some(wanted) {
        return Ok(());
    }
    let found = thing.thing_type.as_ref().map_or("no type".to_owned(), |found| format!("the type {found}"));
    Err(Error::ThingType { thing: device.thing.clone(), found, wanted: wanted.to_owned() })
}

pub(crate) fn check_status(device: &Device, found: &FoundCertificate) -> Result<(), Error> {
    let wanted = device.settings.status.as_str();
    if found.status == wanted {
        return Ok(());
    }
    Err(Error::CertificateStatus { id: found.registered.id.clone(), status: found.status.clone(), wanted })
}

/// How the certificate is on the device's thing. Refused where others have it and one of them would be alone with it.
pub(crate) fn check_owner(
    device: &Device,
    found: &FoundCertificate,
    things: &[AttachedThing],
) -> Result<Presence, Error> {
    let wanted = device.settings.attachment;
    let (own, others): (Vec<_>, Vec<_>) =
        things.iter().partition(|thing| thing.name == device.thing.as_str());
    let exclusively = others.iter().any(|thing| thing.attachment == Some(Attachment::Exclusive));
    if !others.is_empty() && (wanted == Attachment::Exclusive || exclusively) {
        let names: Vec<&str> = others.iter().map(|thing| thing.name.as_str()).collect();
        return Err(Error::CertificateElsewhere {
            id: found.registered.id.clone(),
            others: format!("the thing {}", names.join(", ")),
        });
    }
    // Where AWS does not say how, it is left as it is.
    Ok(own.first().map_or(Presence::Missing, |thing| match thing.attachment {
        Some(attachment) if attachment != wanted => Presence::Differs,
        _ => Presence::Same,
    }))
}
