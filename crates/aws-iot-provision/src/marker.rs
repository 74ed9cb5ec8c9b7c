//! What tells later that a thing, or a certificate, was made by this program: an attribute of the thing, which is
//! written before the certificate is registered. So a run whose answers were lost does not lose it, and no file has to
//! be kept.

use std::collections::BTreeMap;

use device_identity::DeviceCertificate;

use crate::device::Status;

/// The attribute's name.
pub(crate) const ATTRIBUTE: &str = "se050-iot.made";

/// The first word of its value, where the thing itself was made here.
const THING: &str = "thing";

/// What stands before a certificate that was registered to stay INACTIVE until somebody activates it. Without it, an INACTIVE
/// certificate would look like the rest of a registration that was interrupted.
const INACTIVE: &str = "inactive:";

/// Most certificates that are noted. 800 characters is the longest value (AWS IoT Core quotas page, "Size of a thing
/// attribute value"), and a certificate takes up to 74.
const MOST: usize = 10;

/// What was made here, as it stands in the attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Whether the thing itself was made here.
    pub(crate) thing: bool,
    /// The SHA-256 of the certificates, which is their id on AWS; and the id beside it where a server gave another.
    certificates: Vec<Noted>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Noted {
    id: String,
    inactive: bool,
}

impl Marker {
    /// Nothing noted yet.
    pub(crate) fn new(thing: bool) -> Self {
        Self { thing, certificates: Vec::new() }
    }

    /// The marker of a thing; `None` where there is none.
    pub(crate) fn of(attributes: &BTreeMap<String, String>) -> Option<Self> {
        let mut words: Vec<&str> = attributes.get(ATTRIBUTE)?.split(',').collect();
        let thing = words.first() == Some(&THING);
        words.drain(..usize::from(thing));
        let noted = |word: &str| match word.strip_prefix(INACTIVE) {
            Some(id) => Noted { id: id.to_owned(), inactive: true },
            None => Noted { id: word.to_owned(), inactive: false },
        };
        Some(Self { thing, certificates: words.into_iter().map(noted).collect() })
    }

    pub(crate) fn names(&self, certificate: &DeviceCertificate) -> bool {
        self.find(&certificate.fingerprint()).is_some()
    }

    /// Whether the certificate was registered to stay INACTIVE.
    pub(crate) fn keeps_inactive(&self, certificate: &DeviceCertificate) -> bool {
        self.find(&certificate.fingerprint()).is_some_and(|noted| noted.inactive)
    }

    pub(crate) fn certificates(&self) -> impl Iterator<Item = &str> {
        self.certificates.iter().map(|noted| noted.id.as_str())
    }

    /// With this certificate in that status, and without the oldest where there is no room.
    pub(crate) fn with(self, certificate: &DeviceCertificate, status: Status) -> Self {
        let (id, inactive) = (certificate.fingerprint(), status == Status::Inactive);
        if self.find(&id).is_some_and(|noted| noted.inactive == inactive) {
            return self;
        }
        self.noted(Noted { id, inactive })
    }

    /// With the certificate of that id.
    pub(crate) fn with_id(self, id: &str) -> Self {
        if self.find(id).is_some() {
            return self;
        }
        self.noted(Noted { id: id.to_owned(), inactive: false })
    }

    fn noted(mut self, noted: Noted) -> Self {
        self.certificates.retain(|other| other.id != noted.id);
        self.certificates.push(noted);
        let surplus = self.certificates.len().saturating_sub(MOST);
        self.certificates.drain(..surplus);
        self
    }

    fn find(&self, id: &str) -> Option<&Noted> {
        self.certificates.iter().find(|noted| noted.id == id)
    }

    pub(crate) fn value(&self) -> String {
        let thing = self.thing.then(|| THING.to_owned());
        let certificates = self.certificates.iter().map(|noted| {
            let before = if noted.inactive { INACTIVE } else { "" };
            format!("{before}{}", noted.id)
        });
        thing.into_iter().chain(certificates).collect::<Vec<_>>().join(",")
    }
}
