//! A device for the examples of AWS IoT's services; examples/jobs has it by its path.

use std::fs;
use std::path::{Path, PathBuf};

use device_identity::DeviceConfig;
use se050_sim::Chip;
use test_peers::Ministack;

/// Makes a simulated chip whose certificate is registered as `gw-1`, for that service alone (`shadow`, `jobs`). Returns the device
/// configuration, or `None` when ministack's control plane cannot be asked.
pub(crate) fn registered(ministack: &Ministack, directory: &Path, service: &str) -> Option<PathBuf> {
    let own = format!("$aws/things/${{iot:Connection.Thing.ThingName}}/{service}/*");
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}"},
        {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": format!("arn:aws:iot:*:*:topic/{own}")},
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": format!("arn:aws:iot:*:*:topicfilter/{own}")},
    ]});
    let chip = Chip::create(&directory.join("chip")).unwrap();
    let der = directory.join("device.der");
    fs::write(&der, chip.certificate(0xF000_0111).unwrap()).unwrap();
    let certificate = se050_key::Certificate::from_file(&der).unwrap();
    ministack.register("gw-1", &certificate.to_pem(), &policy.to_string())?;
    let mut config = DeviceConfig::new("localhost", "gw-1", "sss:100100F0");
    config.port = ministack.mqtt_port();
    config.ca_file = Some(ministack.ca_file().display().to_string());
    config.key.pkcs11_lib = Some(chip.module().display().to_string());
    let file = directory.join("device.toml");
    fs::write(&file, config.to_toml().unwrap()).unwrap();
    Some(file)
}
