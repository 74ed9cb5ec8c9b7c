//! A bundle on its way into a file: never over another device's.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use device_identity::{Identity, IdentityBundle};

use crate::files::with_ending;

/// Writes the bundle, so that the file is there whole or not at all. A file that is there already is replaced only if it is a
/// bundle of the same device, or if `force` says so.
pub(super) fn write(path: &Path, bundle: &IdentityBundle, text: &str, force: bool) -> anyhow::Result<()> {
    let written = || format!("cannot write the bundle to {}", path.display());
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        // Such as /dev/stdout.
        return fs::write(path, text).with_context(written);
    }
    match File::create_new(path) {
        // The name is taken from now on: another process with the same serial number is told.
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            if !force {
                check_same_device(path, bundle)?;
            }
        }
        Err(error) => return Err(error).with_context(written),
    }
    let partial = with_ending(path, "partial");
    let write = || {
        let mut file = File::create(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().with_context(written)
}

fn check_same_device(path: &Path, bundle: &IdentityBundle) -> anyhow::Result<()> {
    // What an export left that was interrupted.
    if path.metadata().is_ok_and(|there| there.len() == 0) {
        return Ok(());
    }
    let found = match Identity::from_file(path) {
        Ok(Identity::Bundle(there)) => {
            if there.certificate == bundle.certificate && there.proof.subject() == bundle.proof.subject() {
                return Ok(());
            }
            let id = there.certificate.fingerprint();
            format!("holds the bundle of {} with the certificate {id}", there.proof.subject())
        }
        _ => "is there already, and holds no bundle".to_owned(),
    };
    anyhow::bail!(
        "{} {found}; it was left as it is: check the serial number of this device, give another file, or say --force",
        path.display()
    )
}
