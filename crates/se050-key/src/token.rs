//! The token: the chip behind the PKCS#11 module.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::owner::Owner;
use crate::{Certificate, Error, Key, Pin, Selector};

/// How long a caller waits for the chip by default: NXP's module 4.x comes back from a mute chip after 3.5 s.
const DEADLINE: Duration = Duration::from_secs(10);

/// The label of the one token of NXP's module.
const SE050_TOKEN_LABEL: &str = "SSS_PKCS11";

/// An open token. Cheap to clone; the session with the chip is closed with the last clone and the last [`Key`].
#[derive(Clone)]
pub struct Token {
    owner: Arc<Owner>,
    info: Arc<TokenInfo>,
}

/// What the token says of itself. Read without traffic with the chip.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenInfo {
    /// The token's label: `SSS_PKCS11` for NXP's module.
    pub label: String,
    /// The manufacturer: `NXP`, or what a simulator says.
    pub manufacturer: String,
    /// On NXP's module: the version of the module itself, major and minor.
    pub firmware_version: (u8, u8),
    /// Whether the token wants a PIN. The SE050 does not.
    pub login_required: bool,
    /// Whether this is NXP's module (or its simulator), whose labels are object ids.
    pub is_se050: bool,
}

/// How to open a token.
#[derive(Debug, Clone)]
pub struct TokenBuilder {
    pub(crate) module: PathBuf,
    pub(crate) token_label: Option<String>,
    pub(crate) pin: Option<Pin>,
    pub(crate) deadline: Duration,
}

impl Token {
    /// Opens the only token of a PKCS#11 module that wants no PIN, such as NXP's `/usr/lib/plug-and-trust/libsss_pkcs11.so`.
    ///
    /// # Errors
    /// When the module cannot be loaded, has no token or several, or the chip does not answer.
    pub fn open(module: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder(module).open()
    }

    /// How to open a token that needs more to be said.
    pub fn builder(module: impl AsRef<Path>) -> TokenBuilder {
        TokenBuilder { module: module.as_ref().to_owned(), token_label: None, pin: None, deadline: DEADLINE }
    }

    /// What the token says of itself.
    pub fn info(&self) -> &TokenInfo {
        &self.info
    }

    /// The private key of that name. Its public half is read from the token.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Ambiguous`]; [`Error::UnsupportedKey`]; [`Error::Call`] when the chip fails.
    pub fn key(&self, selector: &Selector) -> Result<Key, Error> {
        let wanted = selector.clone();
        let (handle, public_key) =
            self.owner.call("finding the key", move |session| session.find_key(&wanted))?;
        Ok(Key::new(Arc::clone(&self.owner), selector.clone(), handle, public_key))
    }

    /// The certificate of that name.
    ///
    /// # Errors
    /// As [`Token::key`], and [`Error::NotACertificate`].
    pub fn certificate(&self, selector: &Selector) -> Result<Certificate, Error> {
        let wanted = selector.clone();
        self.owner.call("reading the certificate", move |session| session.read_certificate(&wanted))
    }

    /// The certificate that belongs to the key of that name: for a factory key of the SE050 the object after it,
    /// else the certificate with the key's own label.
    ///
    /// # Errors
    /// As [`Token::certificate`].
    pub fn certificate_of_key(&self, key: &Selector) -> Result<Certificate, Error> {
        let factory = key.object_id().filter(|_| self.info.is_se050).and_then(|id| id.factory_certificate());
        self.certificate(&factory.map_or_else(|| key.clone(), Selector::from))
    }
}

impl TokenBuilder {
    /// Selects the token by its label, where the module has several.
    #[must_use]
    pub fn token_label(mut self, label: impl Into<String>) -> Self {
        self.token_label = Some(label.into());
        self
    }

    /// The user PIN. It is used only if the token asks for a login.
    #[must_use]
    pub fn pin(mut self, pin: Pin) -> Self {
        self.pin = Some(pin);
        self
    }

    /// How long a caller waits for the chip at most. Default 10 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Opens the token.
    ///
    /// # Errors
    /// As [`Token::open`]; [`Error::PinMissing`] when the token asks for a PIN.
    pub fn open(self) -> Result<Token, Error> {
        let module = self.module.clone();
        let (owner, info) = Owner::start(self)?;
        tracing::debug!(module = %module.display(), token = info.label, manufacturer = info.manufacturer, "token open");
        Ok(Token { owner: Arc::new(owner), info: Arc::new(info) })
    }
}

impl From<&cryptoki::slot::TokenInfo> for TokenInfo {
    fn from(info: &cryptoki::slot::TokenInfo) -> Self {
        let version = info.firmware_version();
        Self {
            label: info.label().to_owned(),
            manufacturer: info.manufacturer_id().to_owned(),
            firmware_version: (version.major(), version.minor()),
            login_required: info.login_required(),
            is_se050: info.label() == SE050_TOKEN_LABEL,
        }
    }
}
