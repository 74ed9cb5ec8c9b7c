use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;
use std::time::SystemTime;

use device_identity::{Checked, Identity, KeyConfig, Requirements, Subject};

use super::error::{EntryError, IoError};
use super::expectation::Expectations;
use super::manifest::Entry;
use super::template::NameTemplate;
use crate::device::{Device, Settings};
use crate::name::ThingName;

/// Largest file taken for an identity, in bytes. They are a few KiB; this only bounds a mistake.
const MAX_FILE_BYTES: u64 = 1 << 20;

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
    /// The label of the key in the chip, as far as it is known.
    pub key_label: Option<String>,
    /// The device with what was found to hold.
    pub result: Result<(Device, Checked), EntryError>,
}

impl Intake {
    /// Reads and checks one device.
    pub fn take(&self, entry: &Entry) -> Candidate {
        let mut candidate = Candidate {
            source: entry.source.clone(),
            thing: entry.thing_name.clone(),
            certificate: None,
            key_label: None,
            result: Err(EntryError::NoName),
        };
        let identity = match read(entry) {
            Ok(identity) => identity,
            Err(error) => {
                candidate.result = Err(error);
                return candidate;
            }
        };
        candidate.certificate = Some(identity.certificate().fingerprint());
        candidate.key_label = identity.key_label().map(str::to_owned);
        candidate.result = self.check(entry, &identity);
        if let Ok((device, checked)) = &mut candidate.result {
            candidate.thing = Some(device.thing.to_string());
            device.identity = checked.summary();
            device.key = candidate.key_label.clone().map(|label| KeyConfig {
                label,
                certificate: None,
                pkcs11_lib: None,
            });
        }
        candidate
    }

    /// Reads and checks all, and refuses those that contradict each other.
    pub fn take_all(&self, entries: &[Entry]) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = entries.iter().map(|entry| self.take(entry)).collect();
        refuse_duplicates(&mut candidates);
        refuse_conflicts(&mut candidates, "certificate", |device| device.certificate.fingerprint());
        refuse_conflicts(&mut candidates, "thing", |device| device.thing.to_string());
        candidates
    }

    fn check(&self, entry: &Entry, identity: &Identity) -> Result<(Device, Checked), EntryError> {
        let checked = identity.check(&self.requirements, SystemTime::now())?;
        let serial = serial(entry, identity)?;
        let thing = self.thing_name(entry, identity, serial.as_deref())?;
        let certificate = identity.certificate().clone();
        if let Some(expectations) = &self.expectations {
            let names: Vec<&str> = serial.as_deref().into_iter().chain([thing.as_str()]).collect();
            expectations.check(&names, &certificate.fingerprint())?;
        }
        Ok((Device { serial, ..Device::new(thing, certificate, Arc::clone(&self.settings)) }, checked))
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

fn serial(entry: &Entry, identity: &Identity) -> Result<Option<String>, EntryError> {
    let signed = match identity.subject() {
        Some(Subject::Serial(serial)) => Some(serial.as_str()),
        _ => None,
    };
    match (entry.serial.as_deref(), signed) {
        (Some(listed), Some(signed)) if listed != signed => Err(differs("serial", listed, signed)),
        (listed, signed) => Ok(listed.or(signed).map(str::to_owned)),
    }
}

fn differs(kind: &str, listed: &str, signed: &str) -> EntryError {
    EntryError::SubjectDiffers { listed: format!("{kind} {listed}"), signed: format!("{kind} {signed}") }
}

fn read(entry: &Entry) -> Result<Identity, EntryError> {
    if let Some(reason) = &entry.unusable {
        return Err(EntryError::Line { reason: reason.clone() });
    }
    let path = entry.file.as_path();
    let unreadable = |source| EntryError::Unreadable { path: path.to_owned(), source: IoError(source) };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Identity::from_bytes(&bytes)?)
}

fn refuse_duplicates(candidates: &mut [Candidate]) {
    let mut first: HashMap<(String, String), String> = HashMap::new();
    for candidate in candidates {
        let Ok((device, _)) = &candidate.result else { continue };
        let key = (device.thing.to_string(), device.certificate.fingerprint());
        if let Some(first) = first.get(&key) {
            candidate.result = Err(EntryError::Duplicate { first: first.clone() });
        } else {
            first.insert(key, candidate.source.clone());
        }
    }
}

/// Of two that claim the same, the first is as likely wrong as the second: none is taken.
fn refuse_conflicts(candidates: &mut [Candidate], what: &str, claim: impl Fn(&Device) -> String) {
    let mut claims: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, candidate) in candidates.iter().enumerate() {
        if let Ok((device, _)) = &candidate.result {
            claims.entry(claim(device)).or_default().push(index);
        }
    }
    for (claimed, indices) in claims.into_iter().filter(|(_, indices)| indices.len() > 1) {
        let sources: Vec<(usize, String)> = indices
            .iter()
            .filter_map(|&index| Some((index, candidates.get(index)?.source.clone())))
            .collect();
        for &index in &indices {
            let others = sources.iter().filter(|(other, _)| *other != index);
            let others = others.map(|(_, source)| source.as_str()).collect::<Vec<_>>().join(", ");
            if let Some(candidate) = candidates.get_mut(index) {
                let what = format!("{what} {claimed}");
                candidate.result = Err(EntryError::Conflict { what, others });
            }
        }
    }
}
