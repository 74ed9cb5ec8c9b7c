//! Devices of one list that contradict each other, and certificates of authorities among those of devices.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};

use device_identity::{DeviceCertificate, Identity};

use super::error::EntryError;
use super::intake::{Candidate, Read};
use super::manifest::Manifest;

/// How many other places an error names. A list may have thousands that claim the same.
const NAMED_PLACES: usize = 3;

/// What the devices of a list claim, and which claims contradict each other. Of each device 48 bytes are kept: names and
/// fingerprints as hashes. That two of a million are the same by chance is less likely than one in ten million.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    /// The claims of the usable devices, in the order of their certificates, and of their things.
    by_certificate: Index,
    by_thing: Index,
    /// Names and fingerprints of all devices that could be read, where somebody expects devices.
    came: HashSet<u64>,
    /// Bare certificates that say that they are authorities.
    authorities: HashMap<usize, DeviceCertificate>,
    /// The subjects' names under which other certificates were issued.
    issuers: HashSet<String>,
    /// Whether any certificate is not an authority's.
    has_leaf: bool,
}

impl Conflicts {
    /// Takes in the device at that place of the list. `expected`: whether it is asked later who came.
    pub(super) fn add(&mut self, place: usize, read: Option<&Read>, candidate: &Candidate, expected: bool) {
        let Some(read) = read else { return };
        let certificate = read.identity.certificate();
        if expected {
            let names = [&read.serial, &candidate.thing, &candidate.certificate];
            self.came.extend(names.into_iter().flatten().map(|name| hash(name)));
        }
        // A device that proved that it has the key is a device, whatever its certificate says.
        if !certificate.is_authority() {
            self.has_leaf = true;
        } else if matches!(read.identity, Identity::Bare(_)) {
            self.authorities.insert(place, certificate.clone());
        }
        if certificate.issuer() != certificate.subject() {
            self.issuers.insert(certificate.issuer());
        }
        if let Some((thing, certificate)) = claim(candidate) {
            // A list has 256 MiB at most.
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            self.by_certificate.push((certificate, thing, place));
            self.by_thing.push((thing, certificate, place));
        }
    }

    /// All devices are in: they can be compared.
    pub(super) fn compare(&mut self) {
        self.by_certificate.sort_unstable();
        self.by_thing.sort_unstable();
    }

    /// Whether a device of that name or fingerprint could be read.
    pub(super) fn has_come(&self, name: &str) -> bool {
        self.came.contains(&hash(name))
    }

    /// Why the device at this place must not be registered, although nothing is wrong with it alone.
    pub(super) fn error(
        &self,
        place: usize,
        candidate: &Candidate,
        manifest: &Manifest,
    ) -> Option<EntryError> {
        let (thing, certificate) = claim(candidate)?;
        if let Some(error) = self.authority(place) {
            return Some(error);
        }
        // Of two that claim the same, the first is as likely wrong as the second: none is taken.
        let by_certificate = Claims::of(&self.by_certificate, certificate, thing);
        let by_thing = Claims::of(&self.by_thing, thing, certificate);
        let named = [("certificate", &candidate.certificate), ("thing", &candidate.thing)];
        for ((kind, name), claims) in named.into_iter().zip([&by_certificate, &by_thing]) {
            if let Some(others) = claims.others(manifest) {
                let what = format!("{kind} {}", name.as_deref().unwrap_or_default());
                return Some(EntryError::Conflict { what, others });
            }
        }
        let first = by_certificate.same.first().map(|(_, _, first)| *first as usize);
        let first = first.filter(|first| *first != place)?;
        Some(EntryError::Duplicate { first: manifest.source(first) })
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
}

/// Who claims a key: the key, the other half of the claim, and the place in the list, sorted.
type Index = Vec<(u64, u64, u32)>;

/// The claims on one key.
struct Claims<'a> {
    /// Those with the same other half.
    same: &'a [(u64, u64, u32)],
    /// Those with another, in front and behind.
    others: [&'a [(u64, u64, u32)]; 2],
}

impl<'a> Claims<'a> {
    /// By binary search: a list may have a million devices that all name one certificate.
    fn of(index: &'a Index, key: u64, half: u64) -> Self {
        let (_, from_key) = index.split_at(index.partition_point(|claim| claim.0 < key));
        let (of_key, _) = from_key.split_at(from_key.partition_point(|claim| claim.0 == key));
        let (before, from_same) = of_key.split_at(of_key.partition_point(|claim| claim.1 < half));
        let (same, after) = from_same.split_at(from_same.partition_point(|claim| claim.1 == half));
        Self { same, others: [before, after] }
    }

    /// Where the others stand.
    fn others(&self, manifest: &Manifest) -> Option<String> {
        let places = self.others.iter().flat_map(|some| some.iter()).take(NAMED_PLACES);
        let named: Vec<String> = places.map(|(_, _, place)| manifest.source(*place as usize)).collect();
        let count = self.others.iter().map(|some| some.len()).sum::<usize>();
        match count - named.len() {
            _ if count == 0 => None,
            0 => Some(named.join(", ")),
            more => Some(format!("{} and {more} more places", named.join(", "))),
        }
    }
}

/// The thing and the certificate of a device that is usable alone.
fn claim(candidate: &Candidate) -> Option<(u64, u64)> {
    let device = candidate.result.as_ref().ok()?;
    Some((hash(device.thing.as_str()), hash(&device.certificate.fingerprint())))
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
