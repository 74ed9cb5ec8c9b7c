//! `se050-iot cert`: the certificate in the chip.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use se050_key::{Pin, Selector, Token};

/// Where the maker's plug-and-trust package puts NXP's module.
const NXP_MODULE: &str = "/usr/lib/plug-and-trust/libsss_pkcs11.so";

#[derive(Subcommand)]
pub(crate) enum CertCommand {
    /// Reads the certificate of a key from the chip and writes it in PEM.
    Export(ExportArgs),
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    /// The key whose certificate is wanted, e.g. sss:100100F0 (object 0xF0000110)
    #[arg(long, alias = "key_label", value_name = "LABEL")]
    key_label: Selector,
    /// The certificate itself, where it is not the one that belongs to the key
    #[arg(long, alias = "cert_label", value_name = "LABEL")]
    cert_label: Option<Selector>,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The PKCS#11 module
    #[arg(long, alias = "pkcs11_lib", value_name = "FILE", default_value = NXP_MODULE)]
    pkcs11_lib: PathBuf,
    /// The token, where the module has several
    #[arg(long, alias = "token_label", value_name = "LABEL")]
    token_label: Option<String>,
    /// A file that holds the PIN (mode 600), for a token that asks for one; else SE050_PIN in the environment
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

pub(crate) fn run(command: CertCommand, out: &mut impl Write) -> anyhow::Result<()> {
    let CertCommand::Export(args) = command;
    let mut token = Token::builder(&args.pkcs11_lib);
    if let Some(label) = args.token_label {
        token = token.token_label(label);
    }
    if let Some(pin) = Pin::find(args.pin_file.as_deref())? {
        token = token.pin(pin);
    }
    let token = token.open()?;
    let certificate = match &args.cert_label {
        Some(label) => token.certificate(label)?,
        None => token.certificate_of_key(&args.key_label)?,
    };
    token.key(&args.key_label)?.check_certificate(&certificate)?;

    let pem = certificate.to_pem();
    match &args.output {
        Some(path) => std::fs::write(path, pem)
            .with_context(|| format!("cannot write the certificate to {}", path.display()))?,
        None => out.write_all(pem.as_bytes()).context("cannot write the certificate to standard output")?,
    }
    eprintln!("certificate of the key {} ({})", args.key_label, certificate.public_key().kind());
    eprintln!("  subject      {}", certificate.subject());
    eprintln!("  certificate  {} (SHA-256; AWS IoT Core's certificate id)", certificate.fingerprint());
    if let Some(path) = &args.output {
        eprintln!("  written to   {}", path.display());
    }
    Ok(())
}
