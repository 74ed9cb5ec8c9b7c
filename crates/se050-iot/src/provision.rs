//! `se050-iot provision`: registers a device with AWS IoT Core. The operator's side; the chip is not needed.

mod report;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use aws_iot_provision::{
    ClientOptions, Device, DeviceCertificate, PolicyDocument, PolicyName, Provisioned, Provisioner, Step,
    ThingName, aws_client_config,
};

/// Largest file taken for a certificate or a policy, in bytes. Both are a few KiB; this only bounds a mistake.
const MAX_FILE_BYTES: u64 = 1 << 20;

const AFTER_HELP: &str = "\
Needs the device's certificate (`se050-iot cert export`) and the operator's AWS credentials, found as the
AWS CLI finds them (environment, profile, SSO, role); not the chip. Safe to repeat: what is there is left as it is.";

/// What `se050-iot provision` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ProvisionArgs {
    /// The device's certificate in PEM or DER; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// The device's name in AWS IoT, which is also its MQTT client id
    #[arg(long, value_name = "NAME")]
    thing_name: ThingName,
    /// The policy that the device gets; created if there is none of that name
    #[arg(long, value_name = "NAME", default_value = "se050-device")]
    policy_name: PolicyName,
    /// A policy document of your own; without it, each thing gets only its own topics
    #[arg(long, value_name = "FILE")]
    policy_file: Option<PathBuf>,
    /// AWS region; without it, the one of the environment or the profile
    #[arg(long)]
    region: Option<String>,
    /// Profile in ~/.aws/config
    #[arg(long)]
    profile: Option<String>,
    /// Control plane's URL, for a local AWS IoT Core
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// Registers the device; progress and result go to `out`, warnings to standard error.
pub(crate) fn run(args: ProvisionArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let certificate = read_certificate(&args.certificate)?;
    let mut device = Device::new(args.thing_name, certificate, args.policy_name);
    if let Some(path) = &args.policy_file {
        let document = read_policy(path)?;
        if document.allows_everything() {
            report::warn_of_everything(path);
        }
        device = device.with_policy_document(document);
    }
    let options =
        ClientOptions { region: args.region, profile: args.profile, endpoint_url: args.endpoint_url };

    let mut printed = Ok(());
    let provisioned = register(&device, &options, |step| {
        if !args.json && printed.is_ok() {
            printed = report::step(out, step);
        }
    })?;
    printed
        .and_then(|()| {
            if args.json {
                report::json(out, &provisioned)
            } else {
                report::text(out, &provisioned, &options)
            }
        })
        .context("cannot print the result; the device is registered")
}

/// Single-threaded: one device is a handful of calls, one after the other.
fn register(
    device: &Device,
    options: &ClientOptions,
    on_step: impl FnMut(&Step),
) -> anyhow::Result<Provisioned> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the I/O runtime")?;
    runtime.block_on(async {
        let provisioner = Provisioner::new(&aws_client_config(options).await)?;
        Ok(provisioner.provision_with(device, on_step).await?)
    })
}

fn read_certificate(path: &Path) -> anyhow::Result<DeviceCertificate> {
    let (bytes, name) = if path == Path::new("-") {
        (read(io::stdin().lock()), "standard input".to_owned())
    } else {
        (File::open(path).and_then(read), path.display().to_string())
    };
    let bytes = bytes.with_context(|| format!("cannot read the certificate from {name}"))?;
    // DER begins with a SEQUENCE whose length takes two bytes more; no PEM file begins so.
    let certificate = if bytes.starts_with(&[0x30, 0x82]) {
        DeviceCertificate::from_der(&bytes)
    } else {
        DeviceCertificate::from_pem(&bytes)
    };
    certificate.with_context(|| format!("cannot use the certificate from {name}"))
}

fn read_policy(path: &Path) -> anyhow::Result<PolicyDocument> {
    let name = path.display();
    let bytes =
        File::open(path).and_then(read).with_context(|| format!("cannot read the policy from {name}"))?;
    let text = String::from_utf8(bytes).with_context(|| format!("the policy in {name} is not UTF-8 text"))?;
    PolicyDocument::from_json(&text).with_context(|| format!("cannot use the policy from {name}"))
}

fn read(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}
