//! The PIN of a token that asks for one, and the login with it. The SE050 asks for none.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use cryptoki_sys::{CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED, CKR_USER_ALREADY_LOGGED_IN, CKU_USER};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::module::canonical;
use crate::raw::RawSession;
use crate::{Error, TokenInfo};

/// Longer than any token's longest PIN.
const LONGEST: usize = 1024;

/// A user PIN. It is never empty, since a token counts an empty PIN as a wrong one. It is zeroised when dropped, and never
/// printed.
#[derive(Clone)]
pub struct Pin {
    text: SecretString,
    for_last_try: bool,
}

impl Pin {
    /// The PIN in that text, which is zeroised; `None` for an empty text.
    pub fn new(text: String) -> Option<Self> {
        Self::from_text(&Zeroizing::new(text))
    }

    /// The PIN in a file: its first line, without the line end, and without a byte order mark before it.
    ///
    /// # Errors
    /// [`Error::PinFile`] when it cannot be read, when it is empty, or when others than its owner may read it.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::PinFile { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let mode = metadata.permissions().mode();
        // The mode of a pipe or a terminal does not matter: its content cannot be read a second time.
        if metadata.is_file() && mode & 0o077 != 0 {
            let text = format!("its mode {:03o} lets others than its owner use it (chmod 600)", mode & 0o777);
            return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, text)));
        }
        Self::from_reader(&mut file).map_err(failed)
    }

    /// The PIN in the file, where one is named, else in the environment variable `SE050_PIN`, else none. The process's environment
    /// keeps it: a file is better.
    ///
    /// There is no way to take one from the command line: every process of the machine could read it there.
    ///
    /// # Errors
    /// As [`Pin::from_file`].
    pub fn find(file: Option<&Path>) -> Result<Option<Self>, Error> {
        match file {
            Some(path) => Self::from_file(path).map(Some),
            None => Ok(std::env::var("SE050_PIN").ok().and_then(Self::new)),
        }
    }

    /// The PIN from where a PKCS#11 URI's `pin-source` says: `file:/run/pin` or `/run/pin`. Commands (`|program`) are not
    /// run.
    ///
    /// # Errors
    /// [`Error::PinFile`], as [`Pin::from_file`] and for anything else.
    pub fn from_source(source: &str) -> Result<Self, Error> {
        let path = source.strip_prefix("file:").unwrap_or(source);
        let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        if !path.starts_with('/') {
            let reason = "write file: and the absolute path of a file that holds the PIN (file:/run/pin)";
            let source_error = io::Error::new(io::ErrorKind::InvalidInput, reason);
            return Err(Error::PinFile { path: source.into(), source: source_error });
        }
        Self::from_file(Path::new(path))
    }

    /// Asks for the PIN on the terminal, without an echo; `None` where standard input is no terminal, or nothing is
    /// entered. With `last_try`, the user is warned, and the PIN is used even where a wrong one locks the token
    /// ([`Error::PinFinalTry`]).
    ///
    /// # Errors
    /// The terminal cannot be read.
    pub fn prompt(token: &str, last_try: bool) -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        // Not through `Stdin`, whose buffer would keep the PIN.
        let mut terminal = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        let warning = if last_try { " (the last try: a wrong PIN locks the token)" } else { "" };
        write!(io::stderr(), "PIN of the token {token:?}{warning}: ")?;
        tcsetattr(&terminal, OptionalActions::Now, &silent)?;
        let line = read_line(&mut terminal);
        tcsetattr(&terminal, OptionalActions::Now, &before)?;
        Ok(Self::from_text(&line?).map(|pin| Self { for_last_try: last_try, ..pin }))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.expose_secret().as_bytes()
    }

    fn from_reader(reader: &mut impl Read) -> io::Result<Self> {
        let line = read_line(reader)?;
        let empty = || io::Error::new(io::ErrorKind::InvalidData, "its first line is empty");
        Self::from_text(line.strip_prefix('\u{feff}').unwrap_or(&line)).ok_or_else(empty)
    }

    /// One allocation of the right size, which the secret's box takes over as it is.
    fn from_text(text: &str) -> Option<Self> {
        let mut exact = String::with_capacity(text.len());
        exact.push_str(text);
        (!exact.is_empty()).then(|| Self { text: SecretString::from(exact), for_last_try: false })
    }
}

impl PartialEq for Pin {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Pin {}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

/// The PINs that tokens refused in this process, as hashes with random keys: they tell nothing of the PIN.
static REFUSED: LazyLock<(RandomState, Mutex<HashSet<u64>>)> = LazyLock::new(Default::default);

/// Logs the session in if the token's flags ask for that. The SE050's do not.
pub(crate) fn log_in(session: &RawSession, token: &TokenInfo, pin: Option<&Pin>) -> Result<(), Error> {
    if !token.login_required {
        return Ok(());
    }
    let label = || token.label.clone();
    if token.flags & CKF_USER_PIN_LOCKED != 0 {
        return Err(Error::PinLocked { label: label() });
    }
    // A supervisor that starts the process again and again with a wrong PIN would lock the token.
    if token.flags & CKF_USER_PIN_FINAL_TRY != 0 && !pin.is_some_and(|pin| pin.for_last_try) {
        return Err(Error::PinFinalTry { label: label() });
    }
    let pin = pin.ok_or_else(|| Error::PinMissing { label: label() })?;
    let (state, refused) = &*REFUSED;
    let attempt = state.hash_one((canonical(&token.module), &token.label, &token.serial, pin.as_bytes()));
    // The lock is not held during C_Login, so that another module's login does not wait for this one.
    let refused = || refused.lock().unwrap_or_else(PoisonError::into_inner);
    if refused().contains(&attempt) {
        return Err(Error::PinRefused { label: label() });
    }
    let Err(error) = session.login(CKU_USER, pin.as_bytes()) else { return Ok(()) };
    // Another session of this process logged in: the login holds for all of them.
    if error.is("C_Login", CKR_USER_ALREADY_LOGGED_IN) {
        return Ok(());
    }
    if error.refuses_the_pin() {
        refused().insert(attempt);
    }
    Err(Error::Call {
        doing: format!("logging in to the token {:?}", token.label),
        advice: "check the PIN; it was tried once and is not tried again",
        source: error,
    })
}

/// The first line. The buffer is zeroised and never grows: growing would leave a copy of the PIN in memory.
fn read_line(reader: &mut impl Read) -> io::Result<Zeroizing<String>> {
    let invalid = |text| io::Error::new(io::ErrorKind::InvalidData, text);
    let mut buffer = Zeroizing::new([0_u8; LONGEST]);
    let mut length = 0;
    while let Some(free) = buffer.get_mut(length..).filter(|free| !free.is_empty()) {
        match reader.read(free) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        // A terminal or an open pipe has no end of file.
        if buffer.iter().take(length).any(|byte| *byte == b'\n') {
            break;
        }
    }
    if length == LONGEST {
        return Err(invalid("it is longer than any PIN"));
    }
    let read = buffer.get(..length).unwrap_or_default();
    let line = read.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| invalid("it is no UTF-8 text"))?;
    let mut exact = Zeroizing::new(String::with_capacity(text.len()));
    exact.push_str(text);
    Ok(exact)
}

#[cfg(test)]
mod tests;
