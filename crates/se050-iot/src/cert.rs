//! `se050-iot cert`: the certificate in the chip.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::chip::{ChipArgs, Pair};
use crate::terminal::{Escaping, say};
use crate::{files, json};

#[derive(Subcommand)]
pub(crate) enum CertCommand {
    /// Shows the certificate of a key: subject, issuer, dates, certificate id.
    Show(ShowArgs),
    /// Reads the certificate of a key from the chip and writes it, in PEM or DER.
    Export(ExportArgs),
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    chip: ChipArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    chip: ChipArgs,
    /// Write to this file instead of standard output, which is `-`
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The form of the certificate
    #[arg(long, value_enum, default_value_t = Format::Pem, conflicts_with = "json")]
    format: Format,
    /// Print what was read as one JSON object, with the certificate in it
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Pem,
    Der,
}

pub(crate) fn run(command: CertCommand, out: &mut Escaping<File>) -> anyhow::Result<()> {
    match command {
        CertCommand::Show(args) => show(&args, out),
        CertCommand::Export(args) => export(&args, out),
    }
}

fn show(args: &ShowArgs, out: &mut Escaping<File>) -> anyhow::Result<()> {
    let Pair { key_label, certificate, .. } = args.chip.open()?;
    let written = if args.json {
        let object = json!({
            "keyLabel": key_label.as_str(),
            "keyKind": certificate.public_key().kind().to_string(),
            "subject": certificate.subject(),
            "issuer": certificate.issuer(),
            "serial": certificate.serial(),
            "notBefore": certificate.not_before().to_string(),
            "notAfter": certificate.not_after().to_string(),
            "certificateId": certificate.fingerprint(),
            "bytes": certificate.as_der().len(),
        });
        json::print(out, &object)
    } else {
        [
            ("key", format!("{key_label} ({})", certificate.public_key().kind())),
            ("subject", certificate.subject().to_owned()),
            ("issuer", certificate.issuer().to_owned()),
            ("serial number", certificate.serial().to_owned()),
            ("valid from", certificate.not_before().to_string()),
            ("valid until", certificate.not_after().to_string()),
            (
                "certificate",
                format!("{} (SHA-256; AWS IoT Core's certificate id)", certificate.fingerprint()),
            ),
        ]
        .iter()
        .try_for_each(|(name, value)| writeln!(out, "{name:13}  {value}"))
    };
    written.context("cannot write to standard output")
}

fn export(args: &ExportArgs, out: &mut Escaping<File>) -> anyhow::Result<()> {
    let pair = args.chip.open()?;
    let certificate = &pair.certificate;
    let bytes = match args.format {
        Format::Pem => certificate.to_pem().into_bytes(),
        Format::Der => certificate.as_der().to_vec(),
    };
    let file = args.output.as_deref().filter(|path| *path != Path::new("-"));
    match file {
        Some(path) => files::write(path, &bytes)?,
        None if args.json => {}
        // Not through `Escaping`: DER is no text.
        None => out.0.write_all(&bytes).context("cannot write the certificate to standard output")?,
    }
    if args.json {
        return print_json(&pair, file, out);
    }
    say!("certificate of the key {} ({})", pair.key_label, certificate.public_key().kind());
    say!("  subject      {}", certificate.subject());
    say!("  certificate  {} (SHA-256; AWS IoT Core's certificate id)", certificate.fingerprint());
    if let Some(path) = file {
        say!("  written to   {}", path.display());
    }
    Ok(())
}

fn print_json(pair: &Pair, file: Option<&Path>, out: &mut Escaping<File>) -> anyhow::Result<()> {
    let certificate = &pair.certificate;
    let object = json!({
        "keyLabel": pair.key_label.as_str(),
        "keyKind": certificate.public_key().kind().to_string(),
        "subject": certificate.subject(),
        "certificateId": certificate.fingerprint(),
        "certificatePem": certificate.to_pem(),
        "file": file.map(|path| path.display().to_string()),
    });
    json::print(out, &object).context("cannot write to standard output")
}
