//! What can go wrong before the handshake.

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
    RootsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The TLS library refuses the set-up.
    #[error("the TLS library refuses {what}")]
    Tls {
        /// What was being set up.
        what: &'static str,
        /// What it says.
        source: rustls::Error,
    },
}

/// The failure of the chip that ended a handshake, if that is what ended it.
///
/// `rustls::Error` has no `source()`: the cause of its `Other` variant is reached by taking it apart, as here.
pub fn chip_failure(error: &rustls::Error) -> Option<&se050_key::Error> {
    match error {
        rustls::Error::Other(rustls::OtherError(cause)) => cause.downcast_ref(),
        _ => None,
    }
}
