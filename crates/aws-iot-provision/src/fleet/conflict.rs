//! Devices of one list that contradict each other, and certificates of authorities among those of devices.

use std::collections::{HashMap, HashSet};

use device_identity::{DeviceCertificate, Identity};

use super::candidate::Candidate;
use super::error::EntryError;
use super::intake::Read;

/// How many other places an error names. A list may have thousands that claim the same.
const NAMED_PLACES: usize = 3;

/// What the devices of a list claim, and which claims contradict each other.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    /// Where each device stands, by its place in the list.
    sources: Vec<String>,
    /// What each device claims, if it is usable.
    claims: Vec<Option<Claim>>,
    by_certificate: HashMap<String, Vec<usize>>,
    by_thing: HashMap<String, Vec<usize>>,
    /// How many devices make the same claim.
    same: HashMap<Claim, usize>,
    /// Names and fingerprints of all devices that could be read.
    came: HashSet<String>,
    /// Bare certificates that say that they are authorities.
    authorities: HashMap<usize, DeviceCertificate>,
    /// The subjects' names under which other certificates were issued.
    issuers: HashSet<String>,
    /// Whether any certificate is not an authority's.
    has_leaf: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Claim {
    thing: String,
    certificate: String,
}

impl Conflicts {
    /// Takes in the next device of the list.
    pub(super) fn add(&mut self, read: Option<&Read>, candidate: &Candidate) {
        let place = self.claims.len();
        self.sources.push(candidate.source.clone());
        self.claims.push(None);
        let Some(read) = read else { return };
        let certificate = read.identity.certificate();
        self.came.extend(read.serial.clone());
        self.came.extend(candidate.thing.clone());
        self.came.extend(candidate.certificate.clone());
        // A device that proved that it has the key is a device, whatever its certificate says.
        if !certificate.is_authority() {
            self.has_leaf = true;
        } else if matches!(read.identity, Identity::Bare(_)) {
            self.authorities.insert(place, certificate.clone());
        }
        if certificate.issuer() != certificate.subject() {
            self.issuers.insert(certificate.issuer());
        }
        let Ok((device, _)) = &candidate.result else { return };
        let claim = Claim { thing: device.thing.to_string(), certificate: device.certificate.fingerprint() };
        self.by_certificate.entry(claim.certificate.clone()).or_default().push(place);
        self.by_thing.entry(claim.thing.clone()).or_default().push(place);
        *self.same.entry(claim.clone()).or_default() += 1;
        if let Some(own) = self.claims.last_mut() {
            *own = Some(claim);
        }
    }

    pub(super) fn came(&self) -> &HashSet<String> {
        &self.came
    }

    /// Why the device at this place must not be registered, although nothing is wrong with it alone.
    pub(super) fn error(&self, place: usize) -> Option<EntryError> {
        let claim = self.claims.get(place)?.as_ref()?;
        if let Some(error) = self.authority(place) {
            return Some(error);
        }
        let same_certificate = self.by_certificate.get(&claim.certificate)?;
        let same_thing = self.by_thing.get(&claim.thing)?;
        let same = self.same.get(claim).copied().unwrap_or(1);
        // Of two that claim the same, the first is as likely wrong as the second: none is taken.
        for (what, claimed, places) in
            [("certificate", &claim.certificate, same_certificate), ("thing", &claim.thing, same_thing)]
        {
            if places.len() > same {
                let others = self.named(claim, places, places.len() - same);
                return Some(EntryError::Conflict { what: format!("{what} {claimed}"), others });
            }
        }
        let first = same_certificate.first().filter(|&&first| first != place)?;
        Some(EntryError::Duplicate { first: self.sources.get(*first)?.clone() })
    }

    /// Self-signed certificates of devices may say by mistake that they are authorities (`openssl req -x509` makes them so).
    /// What stands beside them tells.
    fn authority(&self, place: usize) -> Option<EntryError> {
        let certificate = self.authorities.get(&place)?;
        let reason = if self.issuers.contains(&certificate.subject()) {
            "another certificate of the list was issued under its name"
        } else if self.has_leaf {
            "the other certificates of the list are not"
        } else {
            return None;
        };
        Some(EntryError::Authority { id: certificate.fingerprint(), subject: certificate.subject(), reason })
    }

    /// The places whose claim is another one, `count` in all.
    fn named(&self, claim: &Claim, places: &[usize], count: usize) -> String {
        let is_other =
            |place: &&usize| self.claims.get(**place).is_some_and(|other| other.as_ref() != Some(claim));
        let first = places.iter().filter(is_other).take(NAMED_PLACES);
        let named: Vec<&str> =
            first.filter_map(|place| self.sources.get(*place)).map(String::as_str).collect();
        match count.saturating_sub(NAMED_PLACES) {
            0 => named.join(", "),
            more => format!("{} and {more} more places", named.join(", ")),
        }
    }
}
