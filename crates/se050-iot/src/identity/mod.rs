//! `se050-iot identity`: who a device is, and the proof of it. None of this needs a network.

mod export;
mod list;
mod verify;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use device_identity::{DeviceCertificate, Identity};

pub(crate) use export::{ExportArgs, Told, run as export};

use crate::exit::Exit;

#[derive(Subcommand)]
pub(crate) enum IdentityCommand {
    /// Writes the device's identity bundle: its certificate, and a proof signed by the chip.
    Export(Box<ExportArgs>),
    /// Checks bundles and certificates as `provision` does before it asks AWS; a line for each.
    Verify(verify::VerifyArgs),
    /// Lists devices by serial number and certificate; with --csv the list that `provision --expect` wants.
    List(list::ListArgs),
}

pub(crate) fn run(command: IdentityCommand, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        IdentityCommand::Export(args) => export(*args, out).map(|()| Exit::Good),
        IdentityCommand::Verify(args) => verify::run(&args, out),
        IdentityCommand::List(args) => list::run(&args, out),
    }
}

/// The certificates of authorities that the user trusts.
pub(crate) fn authorities(path: &Path) -> anyhow::Result<Vec<DeviceCertificate>> {
    let name = path.display();
    let bytes = fs::read(path).with_context(|| format!("cannot read the CA certificates from {name}"))?;
    let authorities = DeviceCertificate::all_from_pem(&bytes)
        .with_context(|| format!("cannot use the CA certificates from {name}"))?;
    // An empty list would mean that the issuer is not verified.
    anyhow::ensure!(
        !authorities.is_empty(),
        "there is no CA certificate in {name}; give the chip maker's in PEM"
    );
    Ok(authorities)
}

/// Files as they are, directories as the identities in them.
fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files
                .extend(Identity::files_in(path).with_context(|| format!("cannot list {}", path.display()))?);
        } else {
            files.push(path.clone());
        }
    }
    anyhow::ensure!(!files.is_empty(), "there is no bundle and no certificate in the given directories");
    Ok(files)
}
