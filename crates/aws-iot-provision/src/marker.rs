//! What tells later that a thing, or a certificate, was made by this program: an attribute of the thing, which is
//! written before the certificate is registered. So a run whose answers were lost does not lose it, and no file has to
//! be kept.

use std::collections::BTreeMap;

use device_identity::DeviceCertificate;

/// The attribute's name.
pub(crate) const ATTRIBUTE: &str = "se050-iot.made";

/// The first word of its value: the thing itself was made here.
const THING: &str = "thing";

/// Most certificates that are noted. 800 characters is the longest value (AWS IoT Core quotas page, "Size of a thing
/// attribute value"), and each certificate takes 65.
const MOST: usize = 12;

/// What was made here, as it stands in the attribute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Marker {
    /// The SHA-256 of the certificates, which is their id on AWS; and the id beside it where a server gave another.
    certificates: Vec<String>,
}

impl Marker {
    /// The marker of a thing; `None` for a thing that somebody else made.
    pub(crate) fn of(attributes: &BTreeMap<String, String>) -> Option<Self> {
        let mut words = attributes.get(ATTRIBUTE)?.split(',');
        (words.next() == Some(THING)).then(|| Self { certificates: words.map(str::to_owned).collect() })
    }

    pub(crate) fn names(&self, certificate: &DeviceCertificate) -> bool {
        self.certificates.contains(&certificate.fingerprint())
    }

    pub(crate) fn certificates(&self) -> &[String] {
        &self.certificates
    }

    /// With this certificate, and without the oldest where there is no room.
    pub(crate) fn with(self, certificate: &DeviceCertificate) -> Self {
        self.with_id(&certificate.fingerprint())
    }

    /// With the certificate of that id.
    pub(crate) fn with_id(mut self, id: &str) -> Self {
        if !self.certificates.iter().any(|noted| noted == id) {
            self.certificates.push(id.to_owned());
            let surplus = self.certificates.len().saturating_sub(MOST);
            self.certificates.drain(..surplus);
        }
        self
    }

    pub(crate) fn value(&self) -> String {
        std::iter::once(THING)
            .chain(self.certificates.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(",")
    }
}
