//! The attributes that a thing is to have, by AWS's rules for them; and the one that tells later that a thing, or a certificate, was
//! made by this program. That one is written before the certificate is registered. So a run whose answers were lost does not lose
//! it, and no file has to be kept.

use std::collections::BTreeMap;

use device_identity::DeviceCertificate;

use crate::device::{Device, Status};
use crate::error::Error;
use crate::thing::ThingState;

/// The attribute that tells what was made here.
pub(crate) const MADE: &str = "se050-iot.made";

/// The first word of its value, where the thing itself was made here.
const THING: &str = "thing";

/// What stands before a certificate that was registered to stay INACTIVE until somebody activates it. Without it, an INACTIVE
/// certificate would look like the rest of a registration that was interrupted.
const INACTIVE: &str = "inactive:";

/// Most certificates that are noted. 800 characters is the longest value (AWS IoT Core quotas page, "Size of a thing
/// attribute value"), and a certificate takes up to 74.
const MOST: usize = 10;

/// The serial number's attribute.
const SERIAL: &str = "serial";

/// AWS IoT developer guide, "Thing types": how many attributes a thing may have without a type, and with one.
const WITHOUT_TYPE: usize = 3;
const WITH_TYPE: usize = 50;

/// AWS IoT API reference, AttributePayload.
const LONGEST_NAME: usize = 128;
const LONGEST_VALUE: usize = 800;
const NAME_PUNCTUATION: &str = "_.,@/:#-";
const VALUE_PUNCTUATION: &str = "_.,@/:#=[]-";

/// What was made here, as it stands in the attribute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Marker {
    /// Whether the thing itself was made here.
    pub(crate) thing: bool,
    /// The SHA-256 of the certificates, which is their id on AWS, some behind [`INACTIVE`]; and the id beside it where a server
    /// gave another.
    certificates: Vec<String>,
}

impl Marker {
    /// The marker of a thing; `None` where there is none.
    pub(crate) fn of(attributes: &BTreeMap<String, String>) -> Option<Self> {
        let mut certificates: Vec<String> = attributes.get(MADE)?.split(',').map(str::to_owned).collect();
        let thing = certificates.first().is_some_and(|first| first == THING);
        certificates.drain(..usize::from(thing));
        Some(Self { thing, certificates })
    }

    pub(crate) fn names(&self, certificate: &DeviceCertificate) -> bool {
        let id = certificate.fingerprint();
        self.ids().any(|noted| noted == id)
    }

    /// Whether the certificate was registered to stay INACTIVE.
    pub(crate) fn keeps_inactive(&self, certificate: &DeviceCertificate) -> bool {
        self.certificates.contains(&format!("{INACTIVE}{}", certificate.fingerprint()))
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.certificates.iter().map(|noted| bare(noted))
    }

    /// With this certificate in that status, and without the oldest where there is no room.
    fn with(mut self, certificate: &DeviceCertificate, status: Status) -> Self {
        let id = certificate.fingerprint();
        let noted = if status == Status::Inactive { format!("{INACTIVE}{id}") } else { id.clone() };
        if !self.certificates.contains(&noted) {
            self.certificates.retain(|other| bare(other) != id);
            self.note(noted);
        }
        self
    }

    /// With the certificate of that id.
    pub(crate) fn with_id(mut self, id: &str) -> Self {
        if !self.ids().any(|noted| noted == id) {
            self.note(id.to_owned());
        }
        self
    }

    fn note(&mut self, certificate: String) {
        self.certificates.push(certificate);
        let surplus = self.certificates.len().saturating_sub(MOST);
        self.certificates.drain(..surplus);
    }

    pub(crate) fn value(&self) -> String {
        let thing = self.thing.then_some(THING).into_iter();
        thing.chain(self.certificates.iter().map(String::as_str)).collect::<Vec<_>>().join(",")
    }
}

fn bare(noted: &str) -> &str {
    noted.strip_prefix(INACTIVE).unwrap_or(noted)
}

/// The attributes that the thing lacks or has otherwise. `registers`: its certificate is not registered yet. A thing that
/// somebody else made gets the marker only where a certificate is to stay INACTIVE.
pub(crate) fn wanted(
    device: &Device,
    found: Option<&ThingState>,
    registers: bool,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, Error> {
    let refused = |reason: String| Error::Attributes { thing: device.thing.clone(), reason };
    let present = found.map(|thing| thing.attributes.clone()).unwrap_or_default();
    let mut wanted = device.settings.attributes.clone();
    wanted.extend(device.attributes.clone());
    for (name, value) in &wanted {
        check(name, value).map_err(refused)?;
    }
    let status = device.settings.status;
    let notes = registers || status == Status::Inactive;
    let marker = match found {
        None => Some(Marker { thing: true, ..Marker::default() }),
        Some(_) => Marker::of(&present).or_else(|| (status == Status::Inactive).then(Marker::default)),
    };
    if let Some(marker) = marker {
        let marker = if notes { marker.with(&device.certificate, status) } else { marker };
        wanted.insert(MADE.to_owned(), marker.value());
    }
    let has_type = device.wanted_type().or(found.and_then(|thing| thing.thing_type.as_deref())).is_some();
    let most = if has_type { WITH_TYPE } else { WITHOUT_TYPE };
    let all = |wanted: &BTreeMap<_, _>| {
        wanted.len() + present.keys().filter(|name| !wanted.contains_key(*name)).count()
    };
    if all(&wanted) > most {
        return Err(refused(format!(
            "there would be {} with se050-iot's own (`{MADE}`), and AWS allows {most}{}",
            all(&wanted),
            if has_type { "" } else { " for a thing without a type; give things a type (--thing-type)" },
        )));
    }
    if let (Some(serial), false) = (&device.serial, wanted.contains_key(SERIAL)) {
        let room = present.contains_key(SERIAL) || all(&wanted) < most;
        match check(SERIAL, serial) {
            Ok(()) if room => drop(wanted.insert(SERIAL.to_owned(), serial.clone())),
            Ok(()) => warnings.push(format!(
                "the serial number of {} is not stored: AWS allows {most} attributes for a thing without a type",
                device.thing
            )),
            Err(reason) => warnings.push(format!("the serial number of {} is not stored: {reason}", device.thing)),
        }
    }
    wanted.retain(|name, value| present.get(name) != Some(value));
    Ok(wanted)
}

fn check(name: &str, value: &str) -> Result<(), String> {
    for (what, text, longest, punctuation) in
        [("name", name, LONGEST_NAME, NAME_PUNCTUATION), ("value", value, LONGEST_VALUE, VALUE_PUNCTUATION)]
    {
        let fits = (1..=longest).contains(&text.len());
        if !fits || !text.chars().all(|c| c.is_ascii_alphanumeric() || punctuation.contains(c)) {
            return Err(format!(
                "the {what} {text:?} is not allowed; AWS takes 1 to {longest} of a-z A-Z 0-9 {punctuation}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_takes_in_attributes() {
        for (name, value, fits) in [
            ("line", "3", true),
            ("a_.,@/:#-b", "x=[1]", true),
            ("line 3", "x", false),
            ("line", "three rooms", false),
            ("line", "東京", false),
            ("line", "", false),
            ("", "x", false),
        ] {
            assert_eq!(check(name, value).is_ok(), fits, "{name:?} {value:?}");
        }
        assert!(check("a", &"x".repeat(800)).is_ok() && check("a", &"x".repeat(801)).is_err());
    }
}
