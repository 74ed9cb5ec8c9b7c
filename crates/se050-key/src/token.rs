//! The token: the chip behind the PKCS#11 module.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::worker::Worker;
use crate::{Certificate, Error, Key, Selector, TokenBuilder, TokenInfo};

/// Where the maker's plug-and-trust package puts NXP's PKCS#11 module, on an Armadillo.
pub const NXP_MODULE: &str = "/usr/lib/plug-and-trust/libsss_pkcs11.so";

/// An open token. Cheap to clone; the session with the chip is closed with the last clone and the last [`Key`].
///
/// A process has one session with a module, however often it opens the token.
#[derive(Clone)]
pub struct Token {
    pub(crate) worker: Arc<Worker>,
}

impl Token {
    /// Opens the only token of a PKCS#11 module that wants no PIN, such as NXP's ([`NXP_MODULE`]).
    ///
    /// # Errors
    /// When the module cannot be loaded, has no token or several, or the chip does not answer; [`Error::Busy`] when
    /// another process uses the chip; [`Error::RestartNeeded`] when two openings have failed in this process.
    pub fn open(module: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder(module).open()
    }

    /// How to open a token that needs more to be said.
    pub fn builder(module: impl AsRef<Path>) -> TokenBuilder {
        TokenBuilder::new(module.as_ref().to_owned())
    }

    /// What the token says of itself.
    pub fn info(&self) -> &TokenInfo {
        self.worker.info()
    }

    /// The private key of that name. With the certificate that was issued for it, one attribute is read to compare the two;
    /// without, the public half is read from the token.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Ambiguous`]; [`Error::UnsupportedKey`]; [`Error::KeyMismatch`]; those of [`Key::sign`]
    /// when the chip fails.
    pub fn key<'a>(
        &self,
        selector: &Selector,
        certificate: impl Into<Option<&'a Certificate>>,
    ) -> Result<Key, Error> {
        let (wanted, certificate) = (selector.clone(), certificate.into().cloned());
        let public_key = self.worker.call("finding the key", move |recovery| {
            recovery.run(|session| match &certificate {
                Some(certificate) => session.check_against(&wanted, certificate),
                None => session.public_key(&wanted),
            })
        })?;
        Ok(Key::new(Arc::clone(&self.worker), selector.clone(), public_key))
    }

    /// The certificate of that name, or the certificate of the key of that name: for a factory key of the SE050 the object
    /// after it, on other tokens the certificate with the key's own label or id.
    ///
    /// # Errors
    /// As [`Token::key`], and [`Error::NotACertificate`].
    pub fn certificate(&self, selector: &Selector) -> Result<Certificate, Error> {
        let wanted = selector.clone();
        self.worker.call("reading the certificate", move |recovery| {
            recovery.run(|session| session.certificate(&wanted))
        })
    }

    /// The private key of that name, and its certificate in the token, compared with each other: the certificate of that name,
    /// else the one that belongs to the key.
    ///
    /// # Errors
    /// As [`Token::key`] and [`Token::certificate`]; [`Error::NoCertificateKnown`] for a key of the SE050 that is no factory
    /// key.
    pub fn identity<'a>(
        &self,
        key: &Selector,
        certificate: impl Into<Option<&'a Selector>>,
    ) -> Result<(Key, Certificate), Error> {
        let (wanted, named) = (key.clone(), certificate.into().cloned());
        let certificate = self.worker.call("reading the certificate", move |recovery| {
            recovery.run(|session| session.identity(&wanted, named.as_ref()))
        })?;
        let public_key = certificate.public_key().clone();
        Ok((Key::new(Arc::clone(&self.worker), key.clone(), public_key), certificate))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("info", self.info()).finish()
    }
}

/// A token and its keys are used by any thread.
const _: () = {
    const fn shared<T: Send + Sync + Clone + fmt::Debug>() {}
    shared::<Token>();
    shared::<Key>();
    shared::<Certificate>();
    shared::<TokenBuilder>();
};
