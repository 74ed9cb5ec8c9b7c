//! What may be wrong with a file or an identity. One line each, and what to do.

use std::path::PathBuf;

use crate::text::escaped;

/// The bytes are not one usable certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum CertificateError {
    /// Something else than a certificate.
    #[error("device certificate: found {found}; give the file that `se050-iot cert export` wrote")]
    NotACertificate { found: String },
    /// More than one certificate.
    #[error(
        "device certificate: found {count} certificates; give the device's own alone, without its issuers"
    )]
    SeveralCertificates { count: usize },
    /// A private key, alone or beside a certificate.
    #[error(
        "device certificate: the file holds a private key, which is not wanted here; give the certificate alone"
    )]
    PrivateKey,
    /// Not well-formed PEM.
    #[error("device certificate: cannot read the PEM; export it again with `se050-iot cert export`")]
    Pem(#[source] FormatError),
}

/// The file is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum FileError {
    /// Neither bundle nor certificate, or cut short.
    #[error(
        "identity bundle: cannot be read, it may be cut short; export it again with `se050-iot identity export`"
    )]
    Json(#[source] FormatError),
    /// JSON, but another file.
    #[error(
        "identity bundle: \"format\" is {found:?} instead of {expected:?}; give the file that `se050-iot identity export` wrote"
    )]
    Format { found: String, expected: &'static str },
    /// From a later version of this program.
    #[error("{file}: version {found} is not known here, only {known}; use a newer se050-iot")]
    Version { file: &'static str, found: u64, known: u64 },
    /// A value that cannot be.
    #[error("{file}: {field} is not usable: {reason:?}; make the file again with se050-iot")]
    Field { file: &'static str, field: &'static str, reason: String },
    /// A certificate in it is none.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// An identity's file that is not there, or may not be read.
    #[error("cannot read {}", path.display())]
    Identity { path: PathBuf, source: std::io::Error },
    /// Something else than a file: a directory, a named pipe, a device.
    #[error("{} is not a file, and was not read; give the device's bundle or certificate", path.display())]
    NotAFile { path: PathBuf },
    /// A file that is far too large for an identity.
    #[error("{} is larger than 1 MiB, so it is not an identity; give the device's bundle or certificate", path.display())]
    TooLarge { path: PathBuf },
    /// It is not there, or may not be read.
    #[error("{file}: cannot be read; is the path right, and may this user read it?")]
    Unreadable { file: &'static str, source: std::io::Error },
    /// Not TOML, or a member is missing.
    #[error(
        "device configuration: cannot be read; write it again with `se050-iot provision --device-config`"
    )]
    Toml(#[source] FormatError),
}

/// The identity must not be registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum CheckError {
    /// Its time has not come.
    #[error("certificate {id} is valid only from {from}; check this machine's clock, or wait")]
    NotYetValid { id: String, from: String },
    /// Its time is over.
    #[error(
        "certificate {id} has expired on {until}; AWS IoT would not let the device in: it needs another certificate"
    )]
    Expired { id: String, until: String },
    /// A key that AWS does not take.
    #[error(
        "certificate {id} has a key that is too weak or not supported: {key}; use RSA from 2048 bits, or EC P-256, P-384 or P-521"
    )]
    WeakKey { id: String, key: String },
    /// A signature algorithm that AWS does not take.
    #[error("certificate {id} is signed with {algorithm}; use SHA-256 or better, with RSA or ECDSA")]
    WeakSignature { id: String, algorithm: String },
    /// Not issued below the given certificate authorities.
    #[error(
        "certificate {id} was not issued by one of the given certificate authorities: {reason}; check --nxp-ca, and where the device came from"
    )]
    IssuerNotVerified { id: String, reason: String },
    /// The certificate of an authority in place of a device's.
    #[error(
        "certificate {id} ({subject}) is not a device's but a certificate authority's; leave it out, and give the devices' own"
    )]
    Authority { id: String, subject: String },
    /// The signature does not fit.
    #[error(
        "proof of possession: the signature does not match the certificate {id}: the file was changed on its way, or the certificate is another device's; export it again with `se050-iot identity export`"
    )]
    ProofWrong { id: String },
    /// A bare certificate where a proof is wanted.
    #[error(
        "certificate {id} comes without a proof of possession; export a bundle with `se050-iot identity export`"
    )]
    ProofMissing { id: String },
    /// A proof that was not made in the time that is allowed.
    #[error(
        "proof of possession: the device signed it at {signed} by its own clock, which is not within the last {limit}; export it \
         again with `se050-iot identity export`, and check the device's clock"
    )]
    ProofTime { signed: String, limit: String },
    /// Not the operator's nonce.
    #[error(
        "proof of possession: its nonce is {found:?} and not the {expected:?} that was issued; export it again with that --nonce"
    )]
    NonceDiffers { found: String, expected: String },
}

/// Why a file cannot be read, in the words of the reader.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FormatError(pub(crate) String);

impl FormatError {
    pub(crate) fn of(error: impl std::fmt::Display) -> Self {
        Self(escaped(&error.to_string().trim_end().replace('\n', " ")))
    }
}
