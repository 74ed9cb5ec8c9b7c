//! A new certificate for the device's key, over the connection that the program has: a second one under the same client id would end
//! it. The device's policy allows it with `--provisioning=TEMPLATE`.

use std::fs;

use anyhow::Context as _;
use aws_iot_device::FleetProvisioning;
use aws_iot_mqtt::Client;
use se050_device::Device;

/// Gets the certificate, and puts it in the place of the old one, which is kept beside it. The next start connects with it; the old
/// one is ACTIVE until an operator deactivates it.
pub(crate) async fn renew(client: &Client, device: &Device, template: &str) -> anyhow::Result<()> {
    let file = device.certificate_file().context("the device's certificate is not in a file")?;
    // The chip signs. The MQTT session has a thread of its own, and goes on meanwhile.
    let request = device.certificate_request()?;
    let mut provisioning = FleetProvisioning::new(client, template)?;
    let issued = provisioning.create_certificate_from_csr(&request).await?;
    provisioning.register_thing(&issued, [("ThingName", device.thing())]).await?;
    let new = file.with_extension("pem.new");
    fs::write(&new, &issued.certificate_pem)?;
    fs::File::open(&new)?.sync_all()?;
    // At each moment there is a whole certificate under the name that the device configuration has.
    fs::copy(file, file.with_extension("pem.old"))?;
    Ok(fs::rename(new, file)?)
}
