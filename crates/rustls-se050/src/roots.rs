//! The CA certificates that servers are verified with.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use se050_key::StoredCertificate;

use crate::Error;

/// The CA certificates of a file: any number in PEM, with text around them or without, or one in DER.
///
/// # Errors
/// [`Error::CertificatesFile`] when it cannot be read, holds no certificate, or one that cannot serve as a root, which is
/// named by its number and line.
pub fn roots_from_pem_file(path: impl AsRef<Path>) -> Result<RootCertStore, Error> {
    let path = path.as_ref();
    let failed = |reason| Error::CertificatesFile { path: path.to_owned(), reason };
    let certificates = StoredCertificate::all_from_file(path).map_err(|error| match error {
        se050_key::Error::NotACertificate { reason, .. } => failed(reason),
        other => failed(other.to_string()),
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let added = roots.add(CertificateDer::from(certificate.der.as_slice()));
        // What the TLS library says would speak of an invalid peer certificate.
        added.map_err(|_| failed(format!("{certificate} is damaged, or no CA certificate")))?;
    }
    Ok(roots)
}
