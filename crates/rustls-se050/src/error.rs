//! What can go wrong before the handshake, and the chip's failure in one.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

/// A failure of the adapter. A failure of the chip in the handshake comes as [`rustls::Error::Other`]: see [`chip_failure`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Key and certificate do not belong together.
    #[error("the key and its certificate make no client identity")]
    Identity(#[source] se050_key::Error),

    /// The file of CA certificates cannot be used.
    #[error("cannot take the CA certificates from {}: {reason}", path.display())]
    CertificatesFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// Neither a feature of this crate nor the application says who does the cryptography that is not the chip's.
    #[error(
        "no crypto provider: switch on the feature ring or aws-lc-rs of rustls-se050, install a default provider of rustls, or give \
         one to ClientConfigBuilder::crypto_provider"
    )]
    NoCryptoProvider,

    /// The TLS library refuses the set-up.
    #[error("the TLS library refuses {what}")]
    Tls {
        /// What was being set up.
        what: &'static str,
        /// What it says.
        source: rustls::Error,
    },
}

/// The failure of the chip that this error comes from, however deep: of a handshake, or of an I/O error that it was passed on
/// with.
pub fn chip_failure<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e se050_key::Error> {
    find_cause(error, |cause| match cause.downcast_ref() {
        // `rustls::Error` has no `source()`: its cause is reached by taking it apart.
        Some(rustls::Error::Other(rustls::OtherError(cause))) => cause.downcast_ref(),
        _ => cause.downcast_ref(),
    })
}

/// The status with which a program ends because of this error: [`se050_key::RESTART_EXIT_STATUS`] where only a new
/// process can open the chip again, so that its supervisor starts one; else 1.
pub fn exit_status(error: &(dyn StdError + 'static)) -> u8 {
    // What a failure of the chip means is the key provider's to say; here it is only found in TLS's errors.
    chip_failure(error).map_or(1, |failure| se050_key::Error::exit_status(failure))
}

/// Looks through the causes of an error: through `source()`, and into `std::io::Error`, whose `source()` passes over what
/// it carries.
pub(crate) fn find_cause<'e, T>(
    error: &'e (dyn StdError + 'static),
    found: impl Fn(&'e (dyn StdError + 'static)) -> Option<&'e T>,
) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = found(error) {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(content) => Some(content as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}
