use std::collections::BTreeMap;

use device_identity::DeviceCertificate;

use crate::grants::Grants;
use crate::name::{PolicyName, ThingName};
use crate::policy::PolicyDocument;

/// A device to register: which thing, which certificate, under which policy.
#[derive(Debug, Clone)]
pub struct Device {
    pub(crate) thing: ThingName,
    pub(crate) certificate: DeviceCertificate,
    pub(crate) settings: Settings,
}

/// What devices that are registered together have in common.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The policy, which the devices share.
    pub policy: PolicyName,
    /// What the policy says.
    pub rights: Rights,
    /// How certificates are attached to things.
    pub attachment: Attachment,
    /// The status in which certificates are registered.
    pub status: Status,
    /// The type that things are to have; it has to exist.
    pub thing_type: Option<String>,
    /// Attributes that things are to have; others that a thing has are left alone.
    pub attributes: BTreeMap<String, String>,
    /// Groups that things are to be in; they have to exist.
    pub groups: Vec<String>,
}

/// What a policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rights {
    /// The least, and what was asked for beyond it.
    Least(Grants),
    /// A document of the user's own, as it is.
    Document(PolicyDocument),
}

/// How the certificate is attached to the thing (AWS IoT API reference, AttachThingPrincipal, `thingPrincipalType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Attachment {
    /// To this thing and no other. Then AWS resolves the policy's thing variables for any client id.
    #[default]
    Exclusive,
    /// Possibly to further things. Then AWS resolves thing variables only if client id and thing name are the same.
    Shared,
}

/// Whether a certificate lets its device in (AWS IoT API reference, RegisterCertificateWithoutCA, `status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Status {
    /// The device may connect at once.
    #[default]
    Active,
    /// The device may connect after somebody activated the certificate.
    Inactive,
}

impl Device {
    /// A device with an active certificate whose policy grants the least.
    ///
    /// The policy names its thing by a variable, so all devices of an account and region can share one.
    pub fn new(thing: ThingName, certificate: DeviceCertificate, policy: PolicyName) -> Self {
        Self::with_settings(thing, certificate, Settings::new(policy))
    }

    /// A device with these settings.
    pub fn with_settings(thing: ThingName, certificate: DeviceCertificate, settings: Settings) -> Self {
        Self { thing, certificate, settings }
    }

    /// The thing's name.
    pub fn thing(&self) -> &ThingName {
        &self.thing
    }

    /// The device's certificate.
    pub fn certificate(&self) -> &DeviceCertificate {
        &self.certificate
    }
}

impl Settings {
    /// An active certificate, attached exclusively, whose policy grants the least; a thing without type and attributes.
    pub fn new(policy: PolicyName) -> Self {
        Self {
            policy,
            rights: Rights::Least(Grants::default()),
            attachment: Attachment::default(),
            status: Status::default(),
            thing_type: None,
            attributes: BTreeMap::new(),
            groups: Vec::new(),
        }
    }
}

impl Settings {
    /// In one line: what is different in it makes a difference for the devices.
    pub(crate) fn describe(&self) -> String {
        let rights = match &self.rights {
            Rights::Least(grants) => grants.describe(),
            Rights::Document(document) => format!("document {}", document.fingerprint()),
        };
        let attachment = if self.attachment == Attachment::Exclusive { "exclusive" } else { "shared" };
        let attributes: Vec<String> =
            self.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!(
            "policy {} ({rights}), {} certificates, {attachment}, type {}, attributes [{}], groups [{}]",
            self.policy,
            self.status.as_str(),
            self.thing_type.as_deref().unwrap_or("none"),
            attributes.join(", "),
            self.groups.join(", "),
        )
    }
}

impl Status {
    /// The status in AWS's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        }
    }
}
