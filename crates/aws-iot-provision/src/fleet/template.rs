use std::str::FromStr;

use super::error::{EntryError, FleetError};
use crate::input_error::InputError;
use crate::name::ThingName;

const SERIAL: &str = "{serial}";
const CERTIFICATE: &str = "{certificate}";

/// A thing's name with `{serial}` or `{certificate}` in it: the serial number of the list or the proof, or the first 16
/// digits of the certificate's SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate(String);

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
        name.parse().map_err(|error: InputError| EntryError::Name(error))
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
