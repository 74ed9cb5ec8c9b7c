//! The certificate on its thing.

use crate::calls::{RegisteredCertificate, pauses};
use crate::device::Device;
use crate::error::Error;
use crate::provisioner::Provisioner;

impl Provisioner {
    pub(crate) async fn attach(
        &self,
        device: &Device,
        certificate: &RegisteredCertificate,
    ) -> Result<(), Error> {
        self.aws.attach_thing_principal(&device.thing, certificate, device.settings.attachment).await
    }

    /// AWS's documentation does not say whether an attachment can be changed as it is. It is tried first, so that a device
    /// that is connected keeps its thing, whose name its policy needs; otherwise it is detached for a moment.
    pub(crate) async fn attach_otherwise(
        &self,
        device: &Device,
        certificate: &RegisteredCertificate,
    ) -> Result<(), Error> {
        match self.attach(device, certificate).await {
            Ok(()) => {
                let things = self.aws.things_of(certificate).await?;
                let own = things.iter().find(|thing| thing.name == device.thing.as_str());
                if own.is_some_and(|thing| thing.attachment == Some(device.settings.attachment)) {
                    return Ok(());
                }
            }
            Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        self.aws.detach_thing_principal(&device.thing, certificate).await?;
        for pause in pauses() {
            match self.attach(device, certificate).await {
                Err(Error::Refused(_)) => tokio::time::sleep(pause).await,
                other => return other,
            }
        }
        self.attach(device, certificate).await
    }
}
