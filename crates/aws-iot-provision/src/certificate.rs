use std::fmt;
use std::str::FromStr;

use device_identity::DeviceCertificate;
use serde::{Deserialize, Serialize};

use crate::input_error::InputError;

/// The id under which AWS IoT keeps a certificate: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CertificateId(String);

impl CertificateId {
    /// The id that AWS will give to this certificate: the SHA-256 of the DER.
    ///
    /// Good for looking before writing. Once AWS has named an id, that one counts.
    pub fn of(certificate: &DeviceCertificate) -> Self {
        Self(certificate.fingerprint())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn named_by_aws(id: &str) -> Self {
        Self(id.to_owned())
    }

    /// The id in a principal's ARN, if the principal is a certificate.
    pub(crate) fn in_arn(arn: &str) -> Option<Self> {
        arn.rsplit_once(":cert/").map(|(_, id)| Self(id.to_owned()))
    }
}

impl FromStr for CertificateId {
    type Err = InputError;

    /// 64 hexadecimal digits (AWS IoT API reference, `certificateId`); colons between them, as openssl prints a fingerprint,
    /// are left out.
    fn from_str(text: &str) -> Result<Self, InputError> {
        let id = text.replace(':', "").to_ascii_lowercase();
        if id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(id));
        }
        Err(InputError::CertificateId { id: text.to_owned() })
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
