use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::error::{EntryError, FleetError, IoError};

/// Which device is expected to have which certificate, from a list that came another way than the devices' files.
#[derive(Debug, Clone, Default)]
pub struct Expectations {
    /// The certificate's SHA-256, by serial number or thing name.
    certificates: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(alias = "thing_name")]
    serial: String,
    #[serde(alias = "certificate", alias = "certificate_id")]
    fingerprint: String,
}

impl Expectations {
    /// A list in CSV with a header: `serial` (or `thing_name`) and `fingerprint` (SHA-256 of the certificate's DER in
    /// hexadecimal, colons allowed).
    ///
    /// # Errors
    /// When it cannot be read, a line makes no sense, or a device stands there twice.
    pub fn from_csv(path: &Path) -> Result<Self, FleetError> {
        let failed =
            |source| FleetError::Io { doing: "read", path: path.to_owned(), source: IoError(source) };
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let mut certificates = HashMap::new();
        for (line, number) in reader.deserialize::<Line>().zip(2..) {
            let wrong = |reason: String| FleetError::Line { path: path.to_owned(), line: number, reason };
            let Line { serial, fingerprint } =
                line.map_err(|error| wrong(format!("{error}; wanted are serial and fingerprint")))?;
            let fingerprint = fingerprint.replace(':', "").to_ascii_lowercase();
            if fingerprint.len() != 64 || !fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(wrong(format!(
                    "{fingerprint:?} is no SHA-256: 64 hexadecimal digits are wanted"
                )));
            }
            if certificates.insert(serial.clone(), fingerprint).is_some() {
                return Err(wrong(format!("{serial} stands there twice")));
            }
        }
        Ok(Self { certificates })
    }

    /// Whether the device, known by any of these names, is expected with that certificate.
    pub(crate) fn check(&self, names: &[&str], fingerprint: &str) -> Result<(), EntryError> {
        let known = names.iter().find_map(|name| Some((name, self.certificates.get(*name)?)));
        match known {
            Some((_, expected)) if expected == fingerprint => Ok(()),
            Some((who, expected)) => Err(EntryError::NotExpected {
                who: (*who).to_owned(),
                expected: expected.clone(),
                found: fingerprint.to_owned(),
            }),
            None => Err(EntryError::Unexpected { who: names.join(", ") }),
        }
    }
}
