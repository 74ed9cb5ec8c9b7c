//! How to open a token.

use std::path::PathBuf;
use std::time::Duration;

use crate::owner::Owner;
use crate::{Error, Pin, Pkcs11Uri, Selector, Token, registry};

/// How long the chip may be silent by default: NXP's module 4.x comes back from a mute chip after 3.5 s.
const DEADLINE: Duration = Duration::from_secs(10);

/// The first pause between two looks at a chip that is away; doubled up to 30 s.
const BACK_OFF: Duration = Duration::from_millis(500);

/// How to open a token.
#[derive(Debug, Clone)]
pub struct TokenBuilder {
    pub(crate) module: PathBuf,
    /// The token's attributes, as a URI has them.
    pub(crate) wanted: Pkcs11Uri,
    pub(crate) pin: Option<Pin>,
    pub(crate) deadline: Duration,
    pub(crate) back_off: Duration,
    pub(crate) session_policy: SessionPolicy,
    pub(crate) lock_file: Option<PathBuf>,
    pub(crate) lock_patience: Duration,
}

/// How long the session with the chip is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SessionPolicy {
    /// As long as the token is open. Nothing else can use the chip meanwhile.
    #[default]
    Hold,
    /// Until no request came for that long: then session and lock are let go, so that another container may use the chip.
    /// The next request opens a new session, which takes about 0.2 s, or fails with [`Error::Busy`].
    ReleaseAfterIdle(Duration),
}

impl TokenBuilder {
    pub(crate) fn new(module: PathBuf) -> Self {
        Self {
            module,
            wanted: Pkcs11Uri::default(),
            pin: None,
            deadline: DEADLINE,
            back_off: BACK_OFF,
            session_policy: SessionPolicy::Hold,
            lock_file: None,
            lock_patience: Duration::ZERO,
        }
    }

    /// Selects the token by its label, where the module has several.
    #[must_use]
    pub fn token_label(mut self, label: impl Into<String>) -> Self {
        self.wanted.token = Some(label.into());
        self
    }

    /// Selects the token by its slot, where the module has several.
    #[must_use]
    pub fn slot_id(mut self, id: u64) -> Self {
        self.wanted.slot_id = Some(id);
        self
    }

    /// Token, slot and PIN as the selector names them, if it is a PKCS#11 URI.
    ///
    /// # Errors
    /// [`Error::Contradiction`] when the URI contradicts what was said before; those of [`Pin::from_source`].
    pub fn select(mut self, selector: &Selector) -> Result<Self, Error> {
        let Some(uri) = selector.uri() else { return Ok(self) };
        let differs = |attribute| Error::Contradiction { selector: selector.to_string(), attribute };
        self.wanted = self.wanted.joined_with(uri).map_err(differs)?;
        if let Some(source) = uri.pin_source() {
            let pin = Pin::from_source(source)?;
            if self.pin.replace(pin.clone()).is_some_and(|given| given != pin) {
                return Err(differs("pin-source"));
            }
        }
        Ok(self)
    }

    /// The user PIN. It is used only if the token asks for a login.
    #[must_use]
    pub fn pin(mut self, pin: impl Into<Option<Pin>>) -> Self {
        self.pin = pin.into();
        self
    }

    /// How long the chip may be silent before callers give up. Default 10 s.
    ///
    /// Counted from the chip's last answer to anybody, so it does not bound the time in the queue.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The first pause between two looks at a chip that is away, doubled up to 30 s. Default 0.5 s.
    #[must_use]
    pub fn back_off(mut self, first: Duration) -> Self {
        self.back_off = first;
        self
    }

    /// How long the session is kept. Default: as long as the token is open.
    #[must_use]
    pub fn session_policy(mut self, policy: SessionPolicy) -> Self {
        self.session_policy = policy;
        self
    }

    /// The lock file that keeps cooperating processes off each other's bus: the same for all of them. Where containers
    /// share a bus, a file in a directory that they share.
    ///
    /// Default: the environment variable `SE050_LOCK_FILE`, else `/run/lock/se050-i2c-1.lock` for the bus /dev/i2c-1 (in /tmp
    /// where there is no /run/lock). Tokens that are no SE050 are not locked.
    #[must_use]
    pub fn lock_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.lock_file = Some(path.into());
        self
    }

    /// How long to wait for another process to let the chip go before [`Error::Busy`]. Default: not at all.
    #[must_use]
    pub fn lock_patience(mut self, patience: Duration) -> Self {
        self.lock_patience = patience;
        self
    }

    /// Opens the token, or joins those who have it open in this process.
    ///
    /// # Errors
    /// As [`Token::open`]; [`Error::PinMissing`] when the token asks for a PIN; [`Error::AlreadyOpen`] when it is open with other
    /// options.
    pub fn open(self) -> Result<Token, Error> {
        let module = self.module.clone();
        let token = Token { owner: registry::owner(self)? };
        let info = token.info();
        tracing::debug!(module = %module.display(), token = info.label, manufacturer = info.manufacturer, "token open");
        Ok(token)
    }

    /// The option in which these differ from those with which the token is open.
    pub(crate) fn contradiction(&self, open: &Self, owner: &Owner) -> Option<&'static str> {
        let differs = [
            ("token", self.wanted.mismatch(owner.info()).is_some()),
            ("deadline", self.deadline != open.deadline),
            ("back-off", self.back_off != open.back_off),
            ("session policy", self.session_policy != open.session_policy),
            ("lock file", self.lock_file != open.lock_file),
            ("patience with the lock", self.lock_patience != open.lock_patience),
        ];
        differs.into_iter().find_map(|(what, differs)| differs.then_some(what))
    }
}
