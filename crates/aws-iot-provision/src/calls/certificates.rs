use aws_sdk_iot::operation::register_certificate_without_ca::RegisterCertificateWithoutCAError;
use aws_sdk_iot::types::CertificateStatus;
use device_identity::DeviceCertificate;

use super::{ANY_RESOURCE, ControlPlane, DELETE_CONFLICT, NOT_FOUND, is, on, on_certificate, part};
use crate::certificate::CertificateId;
use crate::device::Status;
use crate::error::Error;
use crate::failed_call::Call;

#[derive(Debug, Clone)]
pub(crate) struct RegisteredCertificate {
    pub(crate) id: CertificateId,
    pub(crate) arn: String,
}

/// A certificate as AWS has it.
#[derive(Debug, Clone)]
pub(crate) struct FoundCertificate {
    pub(crate) registered: RegisteredCertificate,
    /// In AWS's words.
    pub(crate) status: String,
    /// What was registered, where AWS returned it.
    pub(crate) certificate: Option<DeviceCertificate>,
}

impl ControlPlane {
    /// The certificate, or `None` if none of that id is registered.
    pub(crate) async fn describe_certificate(
        &self,
        id: &CertificateId,
    ) -> Result<Option<FoundCertificate>, Error> {
        let call = on_certificate("iot:DescribeCertificate", id);
        let request = self.client.describe_certificate().certificate_id(id.as_str());
        match self.send(&call, || request.clone().send()).await {
            Ok(answer) => {
                let found = part(&call, "certificateDescription", answer.certificate_description)?;
                Ok(Some(FoundCertificate {
                    status: part(&call, "status", found.status)?.as_str().to_owned(),
                    certificate: found
                        .certificate_pem
                        .and_then(|pem| DeviceCertificate::from_pem(pem.as_bytes()).ok()),
                    registered: registered(&call, found.certificate_id, found.certificate_arn)?,
                }))
            }
            Err(error) if is(&error, NOT_FOUND) => Ok(None),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The new registration, or the id under which AWS has the certificate already.
    pub(crate) async fn register_certificate_without_ca(
        &self,
        certificate: &DeviceCertificate,
        status: Status,
    ) -> Result<Result<RegisteredCertificate, CertificateId>, Error> {
        let id = CertificateId::of(certificate);
        let call = on(
            "iot:RegisterCertificateWithoutCA",
            format_args!("certificate {id}").to_string(),
            ANY_RESOURCE,
        );
        let request = self.client.register_certificate_without_ca();
        // The default is INACTIVE (AWS IoT API reference, RegisterCertificateWithoutCA).
        let status = CertificateStatus::from(status.as_str());
        let request = request.certificate_pem(certificate.to_pem()).status(status);
        let error = match self.send(&call, || request.clone().send()).await {
            Ok(answer) => return registered(&call, answer.certificate_id, answer.certificate_arn).map(Ok),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(RegisterCertificateWithoutCAError::ResourceAlreadyExistsException(e)) => {
                let id = part(&call, "resourceId", e.resource_id())?;
                Ok(Err(CertificateId::named_by_aws(id)))
            }
            _ => Err(call.failed(&self.place, error)),
        }
    }

    pub(crate) async fn deactivate_certificate(&self, id: &CertificateId) -> Result<(), Error> {
        let call = on_certificate("iot:UpdateCertificate", id);
        let request = self
            .client
            .update_certificate()
            .certificate_id(id.as_str())
            .new_status(CertificateStatus::Inactive);
        let result = self.send(&call, || request.clone().send()).await;
        result.map(drop).map_err(|error| call.failed(&self.place, error))
    }

    /// Done where there is no such certificate.
    pub(crate) async fn delete_certificate(&self, id: &CertificateId) -> Result<(), Error> {
        let call = on_certificate("iot:DeleteCertificate", id);
        let request = self.client.delete_certificate().certificate_id(id.as_str());
        match self.send_when_settled(&call, DELETE_CONFLICT, || request.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if is(&error, NOT_FOUND) => Ok(()),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }
}

fn registered(call: &Call, id: Option<String>, arn: Option<String>) -> Result<RegisteredCertificate, Error> {
    let id = CertificateId::named_by_aws(&part(call, "certificateId", id)?);
    Ok(RegisteredCertificate { id, arn: part(call, "certificateArn", arn)? })
}
