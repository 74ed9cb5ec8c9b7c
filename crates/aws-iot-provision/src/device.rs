use std::collections::BTreeMap;
use std::sync::Arc;

use device_identity::{DeviceCertificate, KeyConfig};
use serde::{Deserialize, Serialize};

use crate::account::ArnScope;
use crate::error::Error;
use crate::grants::Grants;
use crate::name::{PolicyName, ThingName};
use crate::policy::PolicyDocument;

/// A device to register: which thing, which certificate, under which policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Device {
    /// The thing's name.
    pub thing: ThingName,
    /// The device's certificate.
    #[serde(with = "pem")]
    pub certificate: DeviceCertificate,
    /// The serial number, which becomes the thing's attribute `serial`.
    pub serial: Option<String>,
    /// The type that the thing is to have, where it is another than the settings'.
    pub thing_type: Option<String>,
    /// Attributes of this thing; they count before the settings'.
    pub attributes: BTreeMap<String, String>,
    /// Groups of this thing beside the settings'.
    pub groups: Vec<String>,
    /// The key in the chip, for the device's configuration.
    pub key: Option<KeyConfig>,
    /// What was found to hold of its identity, in words.
    pub identity: String,
    /// What it has in common with the devices that are registered together with it.
    pub settings: Arc<Settings>,
}

/// What devices that are registered together have in common.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// What is to become of other certificates that a thing has already.
    pub other_certificates: OtherCertificates,
    /// Whether policies other than `policy` are taken off the certificate.
    pub detach_other_policies: bool,
}

/// What is to become of the certificates that a thing has beside the device's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum OtherCertificates {
    /// The device is refused: it may have another one's name by mistake.
    #[default]
    Refuse,
    /// They are deactivated and detached: this device, or this certificate, takes the place of the old one.
    Replace,
    /// They stay: the thing has several certificates.
    Keep,
}

/// What a policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Rights {
    /// The least, and what was asked for beyond it.
    Least(Grants),
    /// A document of the user's own, as it is.
    Document(PolicyDocument),
}

/// How the certificate is attached to the thing (AWS IoT API reference, AttachThingPrincipal, `thingPrincipalType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Attachment {
    /// To this thing and no other. Then AWS resolves the policy's thing variables for any client id.
    #[default]
    Exclusive,
    /// Possibly to further things. Then AWS resolves thing variables only if client id and thing name are the same.
    Shared,
}

/// Whether a certificate lets its device in (AWS IoT API reference, RegisterCertificateWithoutCA, `status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Status {
    /// The device may connect at once.
    #[default]
    Active,
    /// The device may connect after somebody activated the certificate.
    Inactive,
}

impl Rights {
    /// The policy document that says it.
    ///
    /// # Errors
    /// [`Error::Policy`]: AWS would refuse it for its length.
    pub fn document(&self, scope: &ArnScope) -> Result<PolicyDocument, Error> {
        match self {
            Self::Least(grants) => grants.document(scope).map_err(Error::Policy),
            Self::Document(document) => Ok(document.clone()),
        }
    }
}

impl Device {
    /// A device with nothing of its own beside thing and certificate.
    pub fn new(thing: ThingName, certificate: DeviceCertificate, settings: impl Into<Arc<Settings>>) -> Self {
        Self {
            thing,
            certificate,
            serial: None,
            thing_type: None,
            attributes: BTreeMap::new(),
            groups: Vec::new(),
            key: None,
            identity: String::new(),
            settings: settings.into(),
        }
    }

    /// The type that its thing is to have.
    pub(crate) fn wanted_type(&self) -> Option<&str> {
        self.thing_type.as_deref().or(self.settings.thing_type.as_deref())
    }

    /// The groups that its thing is to be in.
    pub(crate) fn wanted_groups(&self) -> impl Iterator<Item = &String> {
        let own = self.groups.iter().filter(|group| !self.settings.groups.contains(group));
        self.settings.groups.iter().chain(own)
    }
}

/// A certificate as text.
mod pem {
    use device_identity::DeviceCertificate;
    use serde::de::{Deserialize as _, Deserializer, Error as _};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(
        certificate: &DeviceCertificate,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&certificate.to_pem())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DeviceCertificate, D::Error> {
        DeviceCertificate::from_pem(String::deserialize(from)?.as_bytes()).map_err(D::Error::custom)
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
            other_certificates: OtherCertificates::default(),
            detach_other_policies: false,
        }
    }

    /// In one line: what is different in it makes a difference for the devices.
    pub fn describe(&self) -> String {
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
