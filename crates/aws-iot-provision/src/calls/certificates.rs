use device_identity::DeviceCertificate;

use super::{Provisioner, on_certificate, part, unless_missing};
use crate::certificate::CertificateId;
use crate::error::Error;

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
