//! Devices of one list that contradict each other, and certificates of authorities among those of devices.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};

use device_identity::{DeviceCertificate, Identity};

use super::candidate::Candidate;
use super::error::EntryError;
use super::intake::Read;
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
            self.by_certificate.add(certificate, thing, place);
            self.by_thing.add(thing, certificate, place);
        }
    }

    /// All devices are in: they can be compared.
    pub(super) fn compare(&mut self) {
        self.by_certificate.sort();
        self.by_thing.sort();
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
        for (what, claimed, others) in [
            ("certificate", &candidate.certificate, self.by_certificate.others(certificate, thing)),
            ("thing", &candidate.thing, self.by_thing.others(thing, certificate)),
        ] {
            if others.count > 0 {
                let what = format!("{what} {}", claimed.as_deref().unwrap_or_default());
                return Some(EntryError::Conflict { what, others: others.named(manifest) });
            }
        }
        let first = self.by_certificate.first(certificate, thing).filter(|&first| first != place)?;
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

/// Which places of a list claim a key, sorted by key, by the other half of the claim, and by place.
#[derive(Debug, Default)]
struct Index(Vec<(u64, u64, u32)>);

/// The places that claim the same key with another half.
struct Others {
    count: usize,
    first: Vec<usize>,
}

impl Index {
    fn add(&mut self, key: u64, other_half: u64, place: usize) {
        // A list has 256 MiB at most.
        self.0.push((key, other_half, u32::try_from(place).unwrap_or(u32::MAX)));
    }

    fn sort(&mut self) {
        self.0.sort_unstable();
    }

    /// The places that claim exactly this, as a range of the index.
    fn same(&self, key: u64, other_half: u64) -> std::ops::Range<usize> {
        let begin = self.0.partition_point(|&(k, o, _)| (k, o) < (key, other_half));
        let end = self.0.partition_point(|&(k, o, _)| (k, o) <= (key, other_half));
        begin..end
    }

    fn first(&self, key: u64, other_half: u64) -> Option<usize> {
        let (_, _, place) = self.0.get(self.same(key, other_half).start)?;
        Some(*place as usize)
    }

    fn others(&self, key: u64, other_half: u64) -> Others {
        let begin = self.0.partition_point(|&(k, _, _)| k < key);
        let end = self.0.partition_point(|&(k, _, _)| k <= key);
        let same = self.same(key, other_half);
        let others = (begin..same.start).chain(same.end..end);
        let first = others.take(NAMED_PLACES).filter_map(|index| Some(self.0.get(index)?.2 as usize));
        Others { first: first.collect(), count: end - begin - same.len() }
    }
}

impl Others {
    fn named(&self, manifest: &Manifest) -> String {
        let named: Vec<String> = self.first.iter().map(|place| manifest.source(*place)).collect();
        match self.count - named.len() {
            0 => named.join(", "),
            more => format!("{} and {more} more places", named.join(", ")),
        }
    }
}

/// The thing and the certificate of a device that is usable alone.
fn claim(candidate: &Candidate) -> Option<(u64, u64)> {
    let (device, _) = candidate.result.as_ref().ok()?;
    Some((hash(device.thing.as_str()), hash(&device.certificate.fingerprint())))
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
