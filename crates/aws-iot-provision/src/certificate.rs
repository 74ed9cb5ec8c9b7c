use std::fmt;
use std::str::FromStr;

use device_identity::DeviceCertificate;
use serde::{Deserialize, Serialize};

use crate::calls::{Provisioner, on_certificate, part, unless_missing};
use crate::error::Error;
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

/// A certificate as AWS has it.
#[derive(Debug, Clone)]
pub(crate) struct FoundCertificate {
    pub(crate) id: CertificateId,
    /// In AWS's words.
    pub(crate) status: String,
    /// Whether it is as it was registered. An INACTIVE one is then the rest of a registration that was interrupted, or waits
    /// for its first activation; otherwise somebody deactivated it.
    pub(crate) never_modified: bool,
    /// What was registered, where AWS returned it.
    pub(crate) certificate: Option<DeviceCertificate>,
}

impl FoundCertificate {
    pub(crate) fn is_active(&self) -> bool {
        self.status == "ACTIVE"
    }
}

impl Provisioner {
    /// The certificate, or `None` if none of that id is registered.
    pub(crate) async fn describe_certificate(
        &self,
        id: &CertificateId,
    ) -> Result<Option<FoundCertificate>, Error> {
        const ACTION: &str = "iot:DescribeCertificate";
        let sent = self.client.describe_certificate().certificate_id(id.as_str()).send();
        let Some(answer) = unless_missing(self.call(on_certificate(ACTION, id), sent).await)? else {
            return Ok(None);
        };
        let found = part(ACTION, "certificateDescription", answer.certificate_description)?;
        let dates = found.creation_date.zip(found.last_modified_date);
        Ok(Some(FoundCertificate {
            id: CertificateId::named_by_aws(&part(ACTION, "certificateId", found.certificate_id)?),
            status: part(ACTION, "status", found.status)?.as_str().to_owned(),
            never_modified: dates.is_some_and(|(created, modified)| created == modified),
            certificate: found
                .certificate_pem
                .and_then(|pem| DeviceCertificate::from_pem(pem.as_bytes()).ok()),
        }))
    }
}
