//! How devices are taken in: each is read, checked and named before anything is asked of AWS.

use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use device_identity::{Identity, Requirements, Subject};

use super::conflict::Conflicts;
use super::error::{EntryError, FleetError};
use super::expectation::Expectations;
use super::manifest::{Entry, Manifest};
use crate::device::{Device, Settings};
use crate::name::ThingName;

const SERIAL: &str = "{serial}";
const CERTIFICATE: &str = "{certificate}";

/// How devices are taken in.
#[derive(Debug, Clone)]
pub struct Intake {
    /// What is asked of every identity.
    pub requirements: Requirements,
    /// Who is expected, if there is a list.
    pub expectations: Option<Expectations>,
    /// How things are named whose name is not in the list.
    pub template: Option<NameTemplate>,
    /// What the devices have in common.
    pub settings: Arc<Settings>,
}

/// A device that may be registered, or why it must not be.
#[derive(Debug)]
pub struct Candidate {
    /// Where it stands in the list.
    pub source: String,
    /// The thing's name, as far as it is known.
    pub thing: Option<String>,
    /// The certificate's SHA-256, as far as it is known.
    pub certificate: Option<String>,
    /// The device with what was found to hold.
    pub result: Result<Device, EntryError>,
}

/// A thing's name with `{serial}` or `{certificate}` in it: the serial number of the list or the proof, or the first 16
/// digits of the certificate's SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate(String);

/// An identity that was read, and who it is.
pub(super) struct Read {
    pub(super) identity: Identity,
    pub(super) serial: Option<String>,
}

impl Intake {
    /// Reads and checks one device.
    pub fn take(&self, entry: &Entry) -> Candidate {
        self.read(entry).1
    }

    /// The devices of a directory or list, each of them read and checked when its turn comes, and before those of the list of
    /// expectations that never came, each by its names. Each device is read once beforehand, and those that contradict each other
    /// are refused.
    pub fn candidates<'a>(
        &'a self,
        manifest: &'a Manifest,
    ) -> (Vec<String>, impl Iterator<Item = Candidate> + 'a) {
        let (mut conflicts, expected) = (Conflicts::default(), self.expectations.as_ref());
        for (place, entry) in manifest.entries().enumerate() {
            let (read, candidate) = self.read(&entry);
            conflicts.add(place, read.as_ref(), &candidate, expected.is_some());
        }
        conflicts.compare();
        let never_came = expected.map(|expected| expected.without(|name| conflicts.has_come(name)));
        let candidates = manifest.entries().enumerate().map(move |(place, entry)| {
            let candidate = self.take(&entry);
            match conflicts.error(place, &candidate, manifest) {
                Some(error) => Candidate { result: Err(error), ..candidate },
                None => candidate,
            }
        });
        (never_came.unwrap_or_default(), candidates)
    }

    /// The device, and what was read of it as far as it can be read.
    fn read(&self, entry: &Entry) -> (Option<Read>, Candidate) {
        let refused = |error| Candidate {
            source: entry.source.clone(),
            thing: entry.thing_name.clone(),
            certificate: None,
            result: Err(error),
        };
        let identity = match &entry.unusable {
            Some(reason) => Err(EntryError::Line { reason: reason.clone() }),
            None => Identity::from_file(&entry.file).map_err(EntryError::from),
        };
        let identity = match identity {
            Ok(identity) => identity,
            Err(error) => return (None, refused(error)),
        };
        let signed = match identity.subject() {
            Some(Subject::Serial(serial)) => Some(serial.to_owned()),
            _ => None,
        };
        let result = self.check(entry, &identity, signed.as_deref());
        let named = result.as_ref().map(|device| device.thing.to_string());
        let candidate = Candidate {
            source: entry.source.clone(),
            thing: named.ok().or_else(|| entry.thing_name.clone()),
            certificate: Some(identity.certificate().fingerprint()),
            result,
        };
        let serial = entry.serial.clone().or(signed);
        (Some(Read { identity, serial }), candidate)
    }

    fn check(&self, entry: &Entry, identity: &Identity, signed: Option<&str>) -> Result<Device, EntryError> {
        let mut requirements = self.requirements.clone();
        if entry.nonce.is_some() {
            requirements.nonce.clone_from(&entry.nonce);
        }
        let checked = identity.check(&requirements, SystemTime::now())?;
        let serial = match (entry.serial.as_deref(), signed) {
            (Some(listed), Some(signed)) if listed != signed => {
                return Err(differs("serial", listed, signed));
            }
            (listed, signed) => listed.or(signed),
        };
        let thing = self.thing_name(entry, identity, serial)?;
        if let Some(expectations) = &self.expectations {
            let names: Vec<&str> = serial.into_iter().chain([thing.as_str()]).collect();
            expectations.check(&names, &identity.certificate().fingerprint())?;
        }
        Ok(Device {
            serial: serial.map(str::to_owned),
            thing_type: entry.thing_type.clone(),
            attributes: entry.attributes.clone(),
            groups: entry.groups.clone(),
            key: identity.key(),
            identity: checked.summary(),
            ..Device::new(thing, identity.certificate().clone(), Arc::clone(&self.settings))
        })
    }

    /// The list's name, or the template's, or the proof's. What the device signed must not be contradicted.
    fn thing_name(
        &self,
        entry: &Entry,
        identity: &Identity,
        serial: Option<&str>,
    ) -> Result<ThingName, EntryError> {
        let signed = match identity.subject() {
            Some(Subject::Thing(name)) => Some(name.as_str()),
            _ => None,
        };
        let name: ThingName = match (&entry.thing_name, &self.template, signed) {
            (Some(listed), _, _) => listed.parse()?,
            (None, Some(template), _) => template.name(serial, &identity.certificate().fingerprint())?,
            (None, None, Some(signed)) => signed.parse()?,
            (None, None, None) => return Err(EntryError::NoName),
        };
        match signed {
            Some(signed) if signed != name.as_str() => Err(differs("thing", name.as_str(), signed)),
            _ => Ok(name),
        }
    }
}

fn differs(kind: &str, listed: &str, signed: &str) -> EntryError {
    EntryError::SubjectDiffers { listed: format!("{kind} {listed}"), signed: format!("{kind} {signed}") }
}

impl NameTemplate {
    /// The name for a device.
    ///
    /// # Errors
    /// No serial number where one is wanted, or a name that AWS does not take.
    pub fn name(&self, serial: Option<&str>, fingerprint: &str) -> Result<ThingName, EntryError> {
        let mut name = self.0.clone();
        if name.contains(SERIAL) {
            name = name.replace(SERIAL, serial.ok_or(EntryError::NoSerial)?);
        }
        name = name.replace(CERTIFICATE, fingerprint.get(..16).unwrap_or(fingerprint));
        Ok(name.parse()?)
    }
}

impl FromStr for NameTemplate {
    type Err = FleetError;

    fn from_str(text: &str) -> Result<Self, FleetError> {
        if text.contains(SERIAL) || text.contains(CERTIFICATE) {
            Ok(Self(text.to_owned()))
        } else {
            Err(FleetError::Template { template: text.to_owned() })
        }
    }
}
