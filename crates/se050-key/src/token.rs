//! The token: the chip behind the PKCS#11 module.

mod builder;

use std::path::Path;
use std::sync::Arc;

pub use builder::TokenBuilder;

use crate::report::Report;
use crate::worker::Worker;
use crate::{Certificate, Error, Key, Selector, TokenInfo, TokenState};

/// Where the maker's plug-and-trust package puts NXP's PKCS#11 module, on an Armadillo.
pub const NXP_MODULE: &str = "/usr/lib/plug-and-trust/libsss_pkcs11.so";

/// An open token. Cheap to clone; the session with the chip is closed with the last clone and the last [`Key`].
///
/// A process has one session with a module, however often it opens the token.
#[derive(Clone)]
pub struct Token {
    worker: Arc<Worker>,
}

impl Token {
    /// Opens the only token of a PKCS#11 module that wants no PIN, such as NXP's ([`NXP_MODULE`]).
    ///
    /// # Errors
    /// When the module cannot be loaded, has no token or several, or the chip does not answer; [`Error::Busy`] when
    /// another process uses the chip; [`Error::RestartNeeded`] when that failed twice in this process.
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

    /// What the thread that owns the module is doing. Never waits.
    pub fn state(&self) -> TokenState {
        self.worker.state()
    }

    /// The private key of that name. Its public half is read from the token; [`Token::identity`] is cheaper.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Ambiguous`]; [`Error::UnsupportedKey`]; those of [`Key::sign`] when the chip fails.
    pub fn key(&self, selector: &Selector) -> Result<Key, Error> {
        let wanted = selector.clone();
        let public_key = self
            .worker
            .call("finding the key", move |recovery| recovery.run(|session| session.public_key(&wanted)))?;
        Ok(Key::new(Arc::clone(&self.worker), selector.clone(), public_key))
    }

    /// The private key of that name, for which the certificate has to have been issued.
    ///
    /// One search, and one attribute to compare the two.
    ///
    /// # Errors
    /// As [`Token::key`], and [`Error::KeyMismatch`].
    pub fn key_of(&self, selector: &Selector, certificate: &Certificate) -> Result<Key, Error> {
        let (wanted, expected) = (selector.clone(), certificate.clone());
        self.worker.call("finding the key", move |recovery| {
            recovery.run(|session| session.check_against(&wanted, &expected))
        })?;
        Ok(Key::new(Arc::clone(&self.worker), selector.clone(), certificate.public_key().clone()))
    }

    /// The private key of that name and the certificate that belongs to it, compared with each other.
    ///
    /// On the SE050: one reading of the certificate, and one attribute to compare the two.
    ///
    /// # Errors
    /// As [`Token::key_of`] and [`Token::certificate_of_key`].
    pub fn identity(&self, selector: &Selector) -> Result<(Key, Certificate), Error> {
        let wanted = selector.clone();
        let certificate = self.worker.call("reading the certificate", move |recovery| {
            recovery.run(|session| session.identity(&wanted))
        })?;
        let public_key = certificate.public_key().clone();
        Ok((Key::new(Arc::clone(&self.worker), selector.clone(), public_key), certificate))
    }

    /// The certificate of that name.
    ///
    /// # Errors
    /// As [`Token::key`], and [`Error::NotACertificate`].
    pub fn certificate(&self, selector: &Selector) -> Result<Certificate, Error> {
        let wanted = selector.clone();
        self.worker.call("reading the certificate", move |recovery| {
            recovery.run(|session| session.certificate(&wanted))
        })
    }

    /// The certificate that belongs to the key of that name: for a factory key of the SE050 the object after it; on
    /// other tokens the certificate with the key's own label or id.
    ///
    /// # Errors
    /// As [`Token::certificate`]; [`Error::NoCertificateKnown`] for other keys of the SE050.
    pub fn certificate_of_key(&self, key: &Selector) -> Result<Certificate, Error> {
        let wanted = key.clone();
        self.worker.call("reading the certificate", move |recovery| {
            recovery.run(|session| session.certificate_of_key(&wanted))
        })
    }

    /// A diagnosis: module, token, chip, session, and what its use costs. Partial where the chip does not answer.
    ///
    /// # Errors
    /// [`Error::Timeout`] and [`Error::Hanging`]; what else fails is in the report.
    pub fn report(&self) -> Result<Report, Error> {
        self.worker.call("making a report", |recovery| Ok(Report::of(recovery)))
    }
}
