//! CA certificates, ours and the server's, from PEM files.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::Error;

/// The CA certificates of all files in a directory whose names end in `.pem` or `.crt`, such as `/etc/ssl/certs`.
///
/// # Errors
/// [`Error::CertificatesFile`] when the directory or one of the files cannot be read, or as [`roots_from_pem_file`] for one of them.
pub fn roots_from_pem_dir(path: impl AsRef<Path>) -> Result<RootCertStore, Error> {
    let path = path.as_ref();
    let failed = |reason: String| Error::CertificatesFile { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for entry in std::fs::read_dir(path).map_err(|error| failed(error.to_string()))? {
        let file = entry.map_err(|error| failed(error.to_string()))?.path();
        let is_pem = file.extension().is_some_and(|extension| extension == "pem" || extension == "crt");
        if is_pem && file.is_file() {
            roots.extend(roots_from_pem_file(&file)?.roots);
        }
    }
    if roots.is_empty() {
        return Err(failed("it holds no file of CA certificates (.pem, .crt)".into()));
    }
    Ok(roots)
}

/// The CA certificates of a PEM file.
///
/// # Errors
/// [`Error::CertificatesFile`] when it cannot be read, holds no certificate, or one that cannot serve as a root.
pub fn roots_from_pem_file(path: impl AsRef<Path>) -> Result<RootCertStore, Error> {
    let path = path.as_ref();
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| Error::CertificatesFile {
            path: path.to_owned(),
            reason: format!("it holds a certificate that cannot serve as a root: {error}"),
        })?;
    }
    Ok(roots)
}

/// The certificates of a PEM file, in its order, for [`ClientIdentity::with_intermediates`](crate::ClientIdentity::with_intermediates).
///
/// # Errors
/// [`Error::CertificatesFile`] when it cannot be read or holds no certificate.
pub fn intermediates_from_pem_file(path: impl AsRef<Path>) -> Result<Vec<CertificateDer<'static>>, Error> {
    certificates(path.as_ref())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let failed = |reason: String| Error::CertificatesFile { path: path.to_owned(), reason };
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let parts = pem::parse_many(text).map_err(|error| failed(error.to_string()))?;
    let certificates: Vec<_> = parts
        .into_iter()
        .filter(|part| part.tag() == "CERTIFICATE")
        .map(|part| CertificateDer::from(part.into_contents()))
        .collect();
    if certificates.is_empty() {
        return Err(failed("it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)".into()));
    }
    Ok(certificates)
}
