use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::bundle::{IdentityBundle, Objects};
use crate::certificate::DeviceCertificate;
use crate::check::{Checked, Requirements, check};
use crate::config::KeyConfig;
use crate::error::{CheckError, FileError};
use crate::statement::Subject;

/// Largest file taken for an identity, in bytes. They are a few KiB; this only bounds a mistake.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What `-` stands for on a command line. It may be a pipe.
const STANDARD_INPUT: &str = "/dev/stdin";

/// What counts as an identity in a directory.
const ENDINGS: [&str; 5] = ["json", "pem", "crt", "cer", "der"];

/// What ends the names of this project's own reports.
const REPORTS: [&str; 2] = [".report.json", ".report.jsonl"];

/// What the operator got for a device: a bundle with a proof, or a certificate alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// A bundle with a proof of possession.
    Bundle(Box<IdentityBundle>),
    /// A certificate without a proof.
    Bare(Box<DeviceCertificate>),
}

impl Identity {
    /// Reads a file: a bundle (JSON), or a certificate in PEM or DER.
    ///
    /// # Errors
    /// Neither of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.trim_ascii_start().starts_with(b"{") {
            return Ok(Self::Bundle(Box::new(IdentityBundle::from_json(bytes)?)));
        }
        Ok(Self::Bare(Box::new(DeviceCertificate::from_bytes(bytes)?)))
    }

    /// Reads a file by its name, as [`from_bytes`](Self::from_bytes).
    ///
    /// # Errors
    /// It cannot be read, is no regular file (opening a named pipe would wait for its writer), is larger than 1 MiB, or is no
    /// identity.
    pub fn from_file(path: &Path) -> Result<Self, FileError> {
        let unreadable = |source| FileError::Identity { path: path.to_owned(), source };
        if path != Path::new(STANDARD_INPUT) && !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(FileError::NotAFile { path: path.to_owned() });
        }
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(FileError::TooLarge { path: path.to_owned() });
        }
        Self::from_bytes(&bytes)
    }

    /// The files of a directory that look like identities, by their endings, sorted: the same order each time, for people who
    /// read reports. Hidden files are not among them, such as the `._` files of macOS, nor are this project's own reports.
    ///
    /// # Errors
    /// It cannot be listed.
    pub fn files_in(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let ending = name.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
            let known = ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known));
            if known && !name.starts_with('.') && !REPORTS.iter().any(|report| name.ends_with(report)) {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    }

    /// The device's certificate.
    pub fn certificate(&self) -> &DeviceCertificate {
        match self {
            Self::Bundle(bundle) => &bundle.certificate,
            Self::Bare(certificate) => certificate,
        }
    }

    /// Which device the proof is of, if there is a proof.
    pub fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Bundle(bundle) => Some(bundle.proof.subject()),
            Self::Bare(_) => None,
        }
    }

    /// The key in the chip, if it is known.
    pub fn key(&self) -> Option<KeyConfig> {
        let Self::Bundle(bundle) = self else { return None };
        let Objects { key, certificate, pkcs11_lib, token_label, pin_file } = bundle.objects.clone();
        Some(KeyConfig { certificate, pkcs11_lib, token_label, pin_file, ..KeyConfig::from(key.as_str()) })
    }

    /// Checks what has to hold before the device is registered: proof, validity, key, signature, issuer.
    ///
    /// # Errors
    /// The first of them that does not hold.
    pub fn check(&self, wanted: &Requirements, now: SystemTime) -> Result<Checked, CheckError> {
        check(self, wanted, now)
    }
}
