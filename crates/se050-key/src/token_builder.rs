//! How to open a token, and what is known of it before.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::bus::Bus;
use crate::lock::LockFile;
use crate::module::Module;
use crate::opening::bus_and_lock;
use crate::worker::Worker;
use crate::{ChipLock, Error, Holder, Pin, Pkcs11Uri, Selector, Token, TokenInfo};

/// How long the chip may be silent by default: NXP's module 4.x comes back from a mute chip after 3.5 s.
const DEADLINE: Duration = Duration::from_secs(10);

/// The first pause between two looks at a chip that does not answer.
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
    pub(crate) lock_file: Option<PathBuf>,
}

impl TokenBuilder {
    pub(crate) fn new(module: PathBuf) -> Self {
        let wanted = Pkcs11Uri::default();
        Self { module, wanted, pin: None, deadline: DEADLINE, back_off: BACK_OFF, lock_file: None }
    }

    /// Selects the token by its label, where the module has several; `None` is no choice.
    #[must_use]
    pub fn token_label<'a>(mut self, label: impl Into<Option<&'a str>>) -> Self {
        if let Some(label) = label.into() {
            self.wanted = self.wanted.with("token", label.to_owned());
        }
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

    /// The first pause between two looks at a chip that does not answer. Default 0.5 s.
    ///
    /// It is doubled up to four times its length. All other times of an outage are multiples of it, too: see
    /// docs/architecture.md.
    #[must_use]
    pub fn back_off(mut self, first: Duration) -> Self {
        self.back_off = first;
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

    /// What can be told without opening a session with the chip: the module's token and version, bus, and lock. The module is
    /// loaded for it, and unloaded again.
    ///
    /// # Errors
    /// [`Error::LoadModule`], [`Error::Call`], [`Error::NoSingleToken`] and [`Error::NoServer`]. A bus or lock that is not free
    /// is no error here.
    pub fn preflight(&self) -> Result<Preflight, Error> {
        let module = Module::load(&self.module)?;
        let token = module.single_token(&self.wanted)?;
        let (bus, lock_file) = bus_and_lock(&module, &token, self);
        Ok(Preflight {
            token,
            locked_by: lock_file.as_ref().and_then(LockFile::other_holder),
            lock_file: lock_file.map(|file| file.path),
            bus: match &bus {
                Bus::Socket(_) | Bus::Unknown => None,
                Bus::I2c { node, address } => Some(BusCheck {
                    name: format!("{}:{address:#x}", node.display()),
                    node: node.clone(),
                    access: bus.check_node().map_err(|(_, error)| error),
                }),
            },
        })
    }

    /// Takes the lock that keeps other processes off the chip's bus, for a program that gives the module to others; `None`
    /// where the module has no SE050. No session is opened.
    ///
    /// # Errors
    /// [`Error::Busy`] and [`Error::LockFile`]; those of [`TokenBuilder::preflight`].
    pub fn lock(&self) -> Result<Option<ChipLock>, Error> {
        let module = Module::load(&self.module)?;
        let tokens = module.tokens()?;
        let Some(token) = tokens.iter().find(|token| token.is_se050) else { return Ok(None) };
        let (_, lock_file) = bus_and_lock(&module, token, self);
        lock_file.map(|file| file.take()).transpose()
    }

    /// Opens the token, or joins those who have it open in this process.
    ///
    /// # Errors
    /// As [`Token::open`]; [`Error::PinMissing`] when the token asks for a PIN; [`Error::AlreadyOpen`] when it is open with other
    /// options.
    pub fn open(self) -> Result<Token, Error> {
        let module = self.module.clone();
        let token = Token { worker: Worker::of(self)? };
        let info = token.info();
        tracing::debug!(module = %module.display(), token = info.label, manufacturer = info.manufacturer, "token open");
        Ok(token)
    }
}

/// What a program can tell its user about a token without opening a session: nothing of it is traffic with the chip.
#[derive(Debug)]
#[non_exhaustive]
pub struct Preflight {
    /// The token, with the module's version.
    pub token: TokenInfo,
    /// Where the module looks for the chip; `None` where that is no I2C bus of this machine.
    pub bus: Option<BusCheck>,
    /// The lock file of the bus; `None` for a token that is not locked.
    pub lock_file: Option<PathBuf>,
    /// Another process that has the lock.
    pub locked_by: Option<Holder>,
}

/// The I2C bus of the chip.
#[derive(Debug)]
#[non_exhaustive]
pub struct BusCheck {
    /// Bus and address, e.g. `/dev/i2c-1:0x48`.
    pub name: String,
    /// The device node.
    pub node: PathBuf,
    /// Whether this process can open the node.
    pub access: io::Result<()>,
}
