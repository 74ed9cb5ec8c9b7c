//! `se050-iot cert`: the certificate in the chip.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::chip::ChipArgs;
use crate::json;

#[derive(Subcommand)]
pub(crate) enum CertCommand {
    /// Reads the certificate of a key from the chip and writes it in PEM.
    Export(ExportArgs),
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    chip: ChipArgs,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print what was read as one JSON object, with the certificate in it
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: CertCommand, out: &mut impl Write) -> anyhow::Result<()> {
    let CertCommand::Export(args) = command;
    let certificate = args.chip.open()?.certificate;
    let pem = certificate.to_pem();
    match &args.output {
        Some(path) => std::fs::write(path, &pem)
            .with_context(|| format!("cannot write the certificate to {}", path.display()))?,
        None if args.json => {}
        None => out.write_all(pem.as_bytes()).context("cannot write the certificate to standard output")?,
    }
    let kind = certificate.public_key().kind().to_string();
    if args.json {
        let object = json!({
            "keyLabel": args.chip.key().as_str(),
            "keyKind": kind,
            "subject": certificate.subject(),
            "certificateId": certificate.fingerprint(),
            "certificatePem": pem,
            "file": json::file(args.output.as_ref()),
        });
        return json::print(out, &object).context("cannot write to standard output");
    }
    eprintln!("certificate of the key {} ({kind})", args.chip.key());
    eprintln!("  subject      {}", certificate.subject());
    eprintln!("  certificate  {} (SHA-256; AWS IoT Core's certificate id)", certificate.fingerprint());
    if let Some(path) = &args.output {
        eprintln!("  written to   {}", path.display());
    }
    Ok(())
}
