//! The PIN of a token that asks for one. The SE050 does not.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::{fmt, fs};

use cryptoki::types::AuthPin;

use crate::Error;

/// A user PIN. It is zeroised when dropped, and never printed.
#[derive(Clone)]
pub struct Pin(AuthPin);

impl Pin {
    /// The PIN in that text.
    pub fn new(text: String) -> Self {
        Self(AuthPin::from(text))
    }

    /// The PIN in a file, without the line end after it.
    ///
    /// # Errors
    /// [`Error::PinFile`] when it cannot be read, or when others than its owner may read it.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::PinFile { path: path.to_owned(), source };
        let mut file = fs::File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            let text = format!("its mode {:03o} lets others than its owner use it (chmod 600)", mode & 0o777);
            return Err(failed(std::io::Error::new(std::io::ErrorKind::PermissionDenied, text)));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        Ok(Self::new(text))
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
            None => Ok(std::env::var(Self::VARIABLE).ok().filter(|pin| !pin.is_empty()).map(Self::new)),
        }
    }

    /// The environment variable in which [`Pin::find`] looks.
    pub const VARIABLE: &str = "SE050_PIN";

    pub(crate) fn as_auth_pin(&self) -> &AuthPin {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin_file(mode: u32) -> (std::path::PathBuf, fs::File) {
        let path = std::env::temp_dir().join(format!("se050-key-pin-{mode:o}-{}", std::process::id()));
        fs::write(&path, "1234\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (path.clone(), fs::File::open(path).unwrap())
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let (path, _file) = pin_file(0o640);
        let error = Pin::from_file(&path).unwrap_err();
        fs::remove_file(&path).unwrap();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_pin_is_read_without_its_line_end_and_never_printed() {
        let (path, _file) = pin_file(0o600);
        let pin = Pin::from_file(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(cryptoki_pin(&pin), "1234");
        assert_eq!(format!("{pin:?}"), "Pin(..)");
    }

    fn cryptoki_pin(pin: &Pin) -> String {
        use secrecy::ExposeSecret as _;
        pin.as_auth_pin().expose_secret().to_owned()
    }
}
