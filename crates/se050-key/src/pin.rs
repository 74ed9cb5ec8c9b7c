//! The PIN of a token that asks for one. The SE050 does not.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::Error;

/// Longer than any token's longest PIN.
const LONGEST: usize = 1024;

/// A user PIN. It is zeroised when dropped, and never printed.
#[derive(Clone)]
pub struct Pin(SecretString);

impl Pin {
    /// The environment variable in which [`Pin::find`] looks.
    pub const VARIABLE: &str = "SE050_PIN";

    /// The PIN in that text, which is zeroised.
    pub fn new(text: String) -> Self {
        Self::from_text(&Zeroizing::new(text))
    }

    /// The PIN in a file, without the line end after it.
    ///
    /// # Errors
    /// [`Error::PinFile`] when it cannot be read, or when others than its owner may read it.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::PinFile { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let mode = metadata.permissions().mode();
        // A pipe or terminal has a mode, too, but nobody can come back to it later.
        if metadata.is_file() && mode & 0o077 != 0 {
            let text = format!("its mode {:03o} lets others than its owner use it (chmod 600)", mode & 0o777);
            return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, text)));
        }
        Self::from_reader(&mut file).map_err(failed)
    }

    /// The PIN that another program writes to a descriptor which it handed to this one, up to the line's end.
    ///
    /// # Errors
    /// [`Error::PinFile`] when it cannot be read.
    pub fn from_descriptor(number: u32) -> Result<Self, Error> {
        // A descriptor's file under /proc is its own: the descriptor itself stays open, and whose it is does not matter.
        let path = Path::new("/proc/self/fd").join(number.to_string());
        let mut file = File::open(&path).map_err(|source| Error::PinFile { path: path.clone(), source })?;
        Self::from_reader(&mut file).map_err(|source| Error::PinFile { path, source })
    }

    /// The PIN in an environment variable, if that is set and not empty. The process's environment keeps it: a file is better.
    pub fn from_environment(variable: &str) -> Option<Self> {
        let pin = std::env::var(variable).ok().map(Zeroizing::new)?;
        (!pin.is_empty()).then(|| Self::from_text(&pin))
    }

    /// The PIN in the file, where one is named, else in the environment variable [`Pin::VARIABLE`], else none.
    ///
    /// There is no way to take one from the command line: every process of the machine could read it there.
    ///
    /// # Errors
    /// As [`Pin::from_file`].
    pub fn find(file: Option<&Path>) -> Result<Option<Self>, Error> {
        match file {
            Some(path) => Self::from_file(path).map(Some),
            None => Ok(Self::from_environment(Self::VARIABLE)),
        }
    }

    /// The PIN from where a PKCS#11 URI's `pin-source` says: `file:/run/pin` or `/run/pin`, `fd:3`, `env:NAME`. Commands
    /// (`|program`) are not run.
    ///
    /// # Errors
    /// As [`Pin::from_file`]; [`Error::PinSource`] for anything else, and for a variable that is not set.
    pub fn from_source(source: &str) -> Result<Self, Error> {
        let wrong = |reason| Error::PinSource { pin_source: source.to_owned(), reason };
        if let Some(number) = source.strip_prefix("fd:") {
            return Self::from_descriptor(
                number.parse().map_err(|_| wrong("fd: wants a descriptor's number"))?,
            );
        }
        if let Some(variable) = source.strip_prefix("env:") {
            return Self::from_environment(variable).ok_or_else(|| wrong("that variable is not set"));
        }
        let path = source.strip_prefix("file:").unwrap_or(source);
        let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        if !path.starts_with('/') {
            return Err(wrong("it is neither file:/PATH, fd:NUMBER nor env:NAME"));
        }
        Self::from_file(Path::new(path))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }

    /// Into a buffer that is zeroised and never grows: a buffer that moves leaves what it held behind.
    fn from_reader(reader: &mut impl Read) -> io::Result<Self> {
        let mut buffer = Zeroizing::new([0_u8; LONGEST]);
        let mut length = 0;
        while let Some(free) = buffer.get_mut(length..).filter(|free| !free.is_empty()) {
            match reader.read(free) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            // A terminal or a pipe that stays open gives a line and no end.
            if buffer.iter().take(length).any(|byte| *byte == b'\n') {
                break;
            }
        }
        if length == LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than any PIN"));
        }
        let read = buffer.get(..length).unwrap_or_default();
        let line = read.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text"))?;
        Ok(Self::from_text(text))
    }

    /// One allocation of the right size, which the secret's box takes over as it is.
    fn from_text(text: &str) -> Self {
        let mut exact = String::with_capacity(text.len());
        exact.push_str(text);
        Self(SecretString::from(exact))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

#[cfg(test)]
mod tests;
