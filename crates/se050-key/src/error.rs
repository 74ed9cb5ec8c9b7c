//! What can go wrong between the program and the chip.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::{KeyKind, Scheme};

/// A failure of the key provider: who failed, doing what, to what, and what to try next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not an object id.
    #[error(
        "{text:?} is not an object id: write 0xF0000110, or the label sss:100100F0 (sss: and the id's four bytes, lowest \
         first, in eight hexadecimal digits)"
    )]
    NotAnObjectId {
        /// The text.
        text: String,
    },

    /// The text cannot be a label.
    #[error("{text:?} is not a label: it is empty or holds a NUL character; try sss:100100F0")]
    NotALabel {
        /// The text.
        text: String,
    },

    /// The PIN file cannot be used.
    #[error("cannot take the PIN from the file {}", path.display())]
    PinFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// The PKCS#11 module cannot be loaded.
    #[error(
        "cannot load the PKCS#11 module {}: is NXP's plug-and-trust package installed, and is the module built for the same C library \
         (musl or glibc) as this program?", path.display()
    )]
    LoadModule {
        /// The module's file.
        path: PathBuf,
        /// What the loader said.
        source: CallError,
    },

    /// A call of the module failed.
    #[error("the PKCS#11 module failed while {doing}; {advice}")]
    Call {
        /// What was being done, e.g. "opening a session with the chip".
        doing: String,
        /// What to try next.
        advice: &'static str,
        /// The function and its return value.
        source: CallError,
    },

    /// The module has no token that fits, or several.
    #[error("the module {} has {found}: {advice}", module.display())]
    NoSingleToken {
        /// The module's file.
        module: PathBuf,
        /// What it has, e.g. "no token labelled \"a\" (it has \"b\", \"c\")".
        found: String,
        /// What to try next.
        advice: &'static str,
    },

    /// The token asks for a PIN and none was given.
    #[error(
        "the token {label:?} asks for a PIN and none was given: give one in a file or in the environment, never on the command line"
    )]
    PinMissing {
        /// The token's label.
        label: String,
    },

    /// No such object, or the chip does not answer.
    #[error(
        "no {class} {selector} on the token {token:?}, or the chip does not answer (the module does not tell the two apart): check the \
         label, and that nothing else uses the chip"
    )]
    NotFound {
        /// What was searched: "private key" or "certificate".
        class: &'static str,
        /// How it was named.
        selector: String,
        /// The token's label.
        token: String,
    },

    /// Several objects fit; none of them is picked.
    #[error(
        "{count} objects on the token {token:?} fit the {class} {selector}: none is picked, give each a label of its own"
    )]
    Ambiguous {
        /// What was searched.
        class: &'static str,
        /// How it was named.
        selector: String,
        /// The token's label.
        token: String,
        /// How many fit.
        count: usize,
    },

    /// What the token keeps under that name is no X.509 certificate.
    #[error("object {object} holds no X.509 certificate ({reason})")]
    NotACertificate {
        /// How it was named.
        object: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The public key of an object is of a kind that is not supported.
    #[error("{object}: {reason}; supported are RSA from 2048 bits on and the curves P-256 and P-384")]
    UnsupportedKey {
        /// How it was named.
        object: String,
        /// What it is.
        reason: String,
    },

    /// Key and certificate do not belong together.
    #[error(
        "the certificate does not belong to the key {key}: the key's public half has SHA-256 {key_fingerprint}, the certificate's \
         {certificate_fingerprint}; select the certificate that was issued for this key (for a factory key: the object after it)"
    )]
    KeyMismatch {
        /// How the key was named.
        key: String,
        /// SHA-256 of the key's SubjectPublicKeyInfo, in hexadecimal.
        key_fingerprint: String,
        /// SHA-256 of the certificate's SubjectPublicKeyInfo, in hexadecimal.
        certificate_fingerprint: String,
    },

    /// That key cannot sign with that scheme.
    #[error("the key {key} ({kind}) cannot sign with {scheme}")]
    SchemeDoesNotFit {
        /// How the key was named.
        key: String,
        /// What the key is.
        kind: KeyKind,
        /// The scheme that was asked for.
        scheme: Scheme,
    },

    /// The chip's signature is wrong.
    #[error(
        "the chip's signature with the key {key} is wrong ({reason}): is the I2C bus disturbed, or used by another process?"
    )]
    BadSignature {
        /// How the key was named.
        key: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The chip did not answer in time.
    #[error("the chip did not answer within {} s while {doing}: the I2C bus may hang; the request cannot be called back", deadline.as_secs())]
    Timeout {
        /// What was being done.
        doing: &'static str,
        /// How long was waited.
        deadline: Duration,
    },

    /// An earlier request still hangs in the module.
    #[error(
        "the chip still has not answered an earlier request, so {doing} was not begun: the I2C bus may hang"
    )]
    Hanging {
        /// What was to be done.
        doing: &'static str,
    },

    /// The thread that owns the module is gone.
    #[error("the thread that owns the PKCS#11 module has ended while {doing}; open the token again")]
    OwnerGone {
        /// What was being done.
        doing: &'static str,
    },
}

/// The PKCS#11 function that failed and its return value (CKR), or what the loader said.
#[derive(Debug)]
pub struct CallError(cryptoki::error::Error);

impl CallError {
    pub(crate) fn new(error: cryptoki::error::Error) -> Self {
        Self(error)
    }

    /// The failure of a raw call, or `None` for CKR_OK.
    pub(crate) fn from_rv(rv: cryptoki_sys::CK_RV, function: cryptoki::context::Function) -> Option<Self> {
        match cryptoki::error::Rv::from(rv) {
            cryptoki::error::Rv::Ok => None,
            cryptoki::error::Rv::Error(error) => Some(Self(cryptoki::error::Error::Pkcs11(error, function))),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            cryptoki::error::Error::Pkcs11(code, function) => {
                write!(f, "C_{function:?} returned {}", ckr_name(&format!("{code:?}")))
            }
            cryptoki::error::Error::LibraryLoading(error) => write!(f, "{error}"),
            other => write!(f, "{other}"),
        }
    }
}

impl std::error::Error for CallError {}

/// PKCS#11's own name of a return value: `KeyHandleInvalid` becomes `CKR_KEY_HANDLE_INVALID`.
fn ckr_name(camel_case: &str) -> String {
    let mut name = String::from("CKR");
    for character in camel_case.chars() {
        if character.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(character.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_call_names_the_function_and_the_ckr_code() {
        let error =
            CallError::from_rv(cryptoki_sys::CKR_KEY_HANDLE_INVALID, cryptoki::context::Function::SignInit)
                .unwrap();
        assert_eq!(error.to_string(), "C_SignInit returned CKR_KEY_HANDLE_INVALID");
        assert!(CallError::from_rv(cryptoki_sys::CKR_OK, cryptoki::context::Function::Sign).is_none());
    }
}
