//! `se050-iot cert`: the certificate in the chip.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::chip::ChipArgs;

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
}

pub(crate) fn run(command: CertCommand, out: &mut impl Write) -> anyhow::Result<()> {
    let CertCommand::Export(args) = command;
    let certificate = args.chip.open()?.certificate;
    let pem = certificate.to_pem();
    match &args.output {
        Some(path) => std::fs::write(path, pem)
            .with_context(|| format!("cannot write the certificate to {}", path.display()))?,
        None => out.write_all(pem.as_bytes()).context("cannot write the certificate to standard output")?,
    }
    eprintln!("certificate of the key {} ({})", args.chip.key_label, certificate.public_key().kind());
    eprintln!("  subject      {}", certificate.subject());
    eprintln!("  certificate  {} (SHA-256; AWS IoT Core's certificate id)", certificate.fingerprint());
    if let Some(path) = &args.output {
        eprintln!("  written to   {}", path.display());
    }
    Ok(())
}
