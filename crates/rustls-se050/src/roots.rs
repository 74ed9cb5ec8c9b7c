//! The certificate authorities that the server's certificate may come from.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::Error;

/// The CA certificates of a PEM file.
///
/// # Errors
/// [`Error::RootsFile`] when it cannot be read, holds no certificate, or one that cannot serve as a root.
pub fn roots_from_pem_file(path: impl AsRef<Path>) -> Result<RootCertStore, Error> {
    let path = path.as_ref();
    let failed = |reason: String| Error::RootsFile { path: path.to_owned(), reason };
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let parts = pem::parse_many(text).map_err(|error| failed(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in parts.into_iter().filter(|part| part.tag() == "CERTIFICATE") {
        roots.add(CertificateDer::from(certificate.into_contents())).map_err(|error| {
            failed(format!("it holds a certificate that cannot serve as a root: {error}"))
        })?;
    }
    if roots.is_empty() {
        return Err(failed("it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)".into()));
    }
    Ok(roots)
}
