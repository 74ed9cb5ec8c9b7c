//! The devices that are compared: this project's programs, AWS's own SDK for Python, bare rumqttc.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::device::Device;

/// What a program is told that takes a certificate and a key from files.
const ARGUMENTS: &str = "{host} {port} {ca} {cert} {key} {client_id} {topic}";

/// Makes the policy of this project's devices, with the services of its examples.
const POLICY: &str = "policy device --shadow --jobs --commands --account 123456789012 --region us-east-1";

/// This project's device configuration; the key is the simulated chip's EC key for cloud connection 0 (object 0xF0000100).
const CONFIG: &str = r#"version = 1
endpoint = "{host}"
port = {port}
thing = "{client_id}"
client_id = "{client_id}"
topic_prefix = "{client_id}"
ca_file = "{ca}"

[key]
label = "0xF0000100"
pkcs11_lib = "{chip}/libsss_pkcs11.so"
"#;

/// This project's examples, with the key in a simulated chip that is made in `scratch`. `programs` is where cargo has built them.
///
/// # Errors
/// The chip cannot be made.
pub fn ours(programs: &Path, scratch: &Path) -> anyhow::Result<Device> {
    let chip = scratch.join("chip");
    let made = Command::new(programs.join("se050-sim")).arg("new").arg(&chip).output();
    let made = made.context("se050-sim does not start")?;
    ensure!(made.status.success(), "se050-sim: {}", String::from_utf8_lossy(&made.stderr));
    let program = |name: &str| format!("{} --config {{config}}", programs.join(name).display());
    Ok(Device {
        name: "this project".into(),
        publisher: words(&format!("{} --retain", program("telemetry"))),
        subscriber: words(&program("subscriber")),
        shadow: Some(words(&program("shadow"))),
        jobs: Some(words(&program("jobs"))),
        policy: Some(words(&format!("{} {POLICY}", programs.join("se050-iot").display()))),
        config: Some(CONFIG.to_owned()),
        chip: Some(chip),
    })
}

/// A device built with AWS's SDK for Python (`devices/aws_sdk.py`), which `python` has to know.
///
/// # Errors
/// It does not.
pub fn aws_sdk(python: &Path) -> anyhow::Result<Device> {
    let known = Command::new(python).args(["-c", "import awsiot"]).output();
    let known = known.with_context(|| format!("{} does not start", python.display()))?;
    ensure!(known.status.success(), "{} does not know awsiotsdk", python.display());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/devices/aws_sdk.py");
    Ok(Device::of_command("AWS SDK for Python", &format!("{} {script} {ARGUMENTS}", python.display())))
}

/// A device built with bare rumqttc (`examples/rumqttc_device.rs`).
pub fn rumqttc(programs: &Path) -> Device {
    let program = programs.join("examples/rumqttc_device");
    Device::of_command("bare rumqttc", &format!("{} {ARGUMENTS}", program.display()))
}

impl Device {
    /// A device of one program that publishes and subscribes: its command line, split at blanks.
    pub fn of_command(name: &str, command: &str) -> Self {
        let command = words(command);
        Self {
            name: name.to_owned(),
            publisher: command.clone(),
            subscriber: command,
            shadow: None,
            jobs: None,
            policy: None,
            config: None,
            chip: None,
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
