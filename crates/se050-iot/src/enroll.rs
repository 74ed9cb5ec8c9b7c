//! `se050-iot enroll`: the device's identity bundle, with a proof that its chip has the private key.

use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Context as _;
use clap::Args;
use device_identity::{
    Chip, DeviceCertificate, IdentityBundle, Objects, Proof, ProofScheme, Statement, Subject,
};
use se050_key::Scheme;
use serde_json::{Value, json};

use crate::chip::{ChipArgs, Pair};
use crate::json;

/// What `se050-iot enroll` is told.
#[derive(Args)]
pub(crate) struct EnrollArgs {
    #[command(flatten)]
    chip: ChipArgs,
    /// The serial number on the device's label
    #[arg(long, value_name = "TEXT", required_unless_present = "thing_name", conflicts_with = "thing_name")]
    serial: Option<String>,
    /// The name that the device is to have on AWS IoT, where it is known already
    #[arg(long, value_name = "NAME")]
    thing_name: Option<String>,
    /// What the operator issued for this order: the proof is then good for it only
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
    /// The certificates of the issuers (PEM), to go with the device's own
    #[arg(long, value_name = "FILE")]
    issuers: Option<PathBuf>,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print what was made as one JSON object, with the bundle in it
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: EnrollArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let subject = match (args.serial, args.thing_name) {
        (Some(serial), _) => Subject::Serial(serial),
        (None, Some(thing)) => Subject::Thing(thing),
        (None, None) => anyhow::bail!("say which device it is: --serial or --thing-name"),
    };
    let statement = Statement::new(subject, args.nonce, SystemTime::now())?;
    let Pair { key, certificate, token, .. } = args.chip.open()?;
    let certificate = DeviceCertificate::from_der(certificate.as_der())?;
    let (scheme, proof_scheme) = match ProofScheme::for_key(certificate.key_kind()) {
        Some(scheme @ ProofScheme::RsaPkcs1Sha256) => (Scheme::RsaPkcs1Sha256, scheme),
        Some(scheme @ ProofScheme::EcdsaP256Sha256) => (Scheme::EcdsaP256Sha256, scheme),
        Some(scheme @ ProofScheme::EcdsaP384Sha384) => (Scheme::EcdsaP384Sha384, scheme),
        _ => {
            anyhow::bail!(
                "an {} key cannot make a proof here; use `se050-iot cert export`",
                certificate.key_kind()
            )
        }
    };
    let signature = key.sign(scheme, &statement.to_bytes(&certificate))?;
    let objects = Objects {
        key: args.chip.key().as_str().to_owned(),
        certificate: args.chip.cert_label.as_ref().map(|label| label.as_str().to_owned()),
    };
    let proof = Proof::new(statement, proof_scheme, signature);
    let mut bundle = IdentityBundle::new(certificate, objects, proof);
    if let Some(path) = &args.issuers {
        let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        bundle.issuers = DeviceCertificate::all_from_pem(&pem).with_context(|| path.display().to_string())?;
    }
    let (major, minor) = token.firmware_version;
    bundle.chip = Some(Chip {
        manufacturer: token.manufacturer.clone(),
        label: token.label.clone(),
        module_version: format!("{major}.{minor}"),
    });

    let text = bundle.to_json()?;
    match &args.output {
        Some(path) => std::fs::write(path, &text)
            .with_context(|| format!("cannot write the bundle to {}", path.display()))?,
        None if args.json => {}
        None => out.write_all(text.as_bytes()).context("cannot write the bundle to standard output")?,
    }
    if args.json {
        let object = json!({
            "subject": { bundle.proof.subject().kind(): bundle.proof.subject().as_str() },
            "keyLabel": args.chip.key().as_str(),
            "certificateId": bundle.certificate.fingerprint(),
            "proofScheme": proof_scheme.name(),
            "bundle": serde_json::from_str::<Value>(&text)?,
            "file": json::file(args.output.as_ref()),
        });
        return json::print(out, &object).context("cannot write to standard output");
    }
    eprintln!("identity of {} with the key {}", bundle.proof.subject(), args.chip.key());
    eprintln!("  certificate  {}", bundle.certificate.fingerprint());
    eprintln!("  proof        {proof_scheme}, signed in the chip");
    if let Some(path) = &args.output {
        eprintln!("  written to   {}", path.display());
        eprintln!(
            "  next         on the operator's machine: se050-iot provision --certificate {}",
            path.display()
        );
    }
    Ok(())
}
