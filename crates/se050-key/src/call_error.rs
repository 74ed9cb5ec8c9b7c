//! The PKCS#11 function that failed and its return value, and what NXP's module means by it.

use std::fmt;

use cryptoki::context::Function;
use cryptoki::error::{Error as CryptokiError, Rv, RvError};

/// The PKCS#11 function that failed and its return value (CKR), or what the loader said.
#[derive(Debug)]
pub struct CallError(CryptokiError);

impl CallError {
    pub(crate) fn new(error: CryptokiError) -> Self {
        Self(error)
    }

    /// The failure of a raw call, or `None` for CKR_OK.
    pub(crate) fn from_rv(rv: cryptoki_sys::CK_RV, function: Function) -> Option<Self> {
        match Rv::from(rv) {
            Rv::Ok => None,
            Rv::Error(error) => Some(Self(CryptokiError::Pkcs11(error, function))),
        }
    }

    /// Whether a new session may help, when the chip was found to answer.
    ///
    /// By code and function, never by text. NXP's module maps nearly every failure to the same few codes:
    /// - any failure of C_Sign leaves the session of 3.3 to 4.3 unable to sign, and CKR_SESSION_HANDLE_INVALID from C_SignInit
    ///   says that it is so already; closing and opening cures it every time;
    /// - CKR_KEY_HANDLE_INVALID means "the chip did not answer" as often as "no such key";
    /// - CKR_FUNCTION_FAILED and CKR_DEVICE_ERROR from anything else mean what was asked for, once the chip answers.
    pub(crate) fn is_cured_by_a_new_session(&self) -> bool {
        match &self.0 {
            CryptokiError::Pkcs11(_, Function::SignInit | Function::Sign) => true,
            CryptokiError::Pkcs11(code, _) => matches!(
                code,
                RvError::SessionHandleInvalid
                    | RvError::SessionClosed
                    | RvError::DeviceRemoved
                    | RvError::TokenNotPresent
                    | RvError::UserNotLoggedIn
            ),
            _ => false,
        }
    }

    /// CKR_FUNCTION_FAILED of C_FindObjects: how NXP's module 4.7 may say that there is no such object.
    pub(crate) fn may_mean_no_such_object(&self) -> bool {
        matches!(self.0, CryptokiError::Pkcs11(RvError::FunctionFailed, Function::FindObjects))
    }

    /// The chip did not answer when a session was to be opened.
    pub(crate) fn is_of_an_opening(&self) -> bool {
        matches!(self.0, CryptokiError::Pkcs11(_, Function::OpenSession))
    }

    /// CKR_DEVICE_MEMORY of C_OpenSession: all three sessions of NXP's module leaked away.
    pub(crate) fn says_no_session_is_left(&self) -> bool {
        matches!(self.0, CryptokiError::Pkcs11(RvError::DeviceMemory, Function::OpenSession))
    }

    /// C_Login refuses this PIN, for now or for good: to try it again may lock the token.
    pub(crate) fn refuses_the_pin(&self) -> bool {
        use RvError::{PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked};
        matches!(
            self.0,
            CryptokiError::Pkcs11(
                PinIncorrect | PinInvalid | PinLenRange | PinExpired | PinLocked,
                Function::Login
            )
        )
    }

    /// Another session of this process logged in before: the login holds for all of them.
    pub(crate) fn says_logged_in_already(&self) -> bool {
        matches!(self.0, CryptokiError::Pkcs11(RvError::UserAlreadyLoggedIn, Function::Login))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            CryptokiError::Pkcs11(code, function) => {
                write!(f, "C_{function:?} returned {}", ckr_name(&format!("{code:?}")))
            }
            CryptokiError::LibraryLoading(error) => write!(f, "{error}"),
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
    use cryptoki_sys::{
        CKR_DEVICE_MEMORY, CKR_FUNCTION_FAILED, CKR_KEY_HANDLE_INVALID, CKR_OK, CKR_PIN_INCORRECT,
        CKR_SESSION_HANDLE_INVALID,
    };

    use super::*;

    #[test]
    fn a_failed_call_names_the_function_and_the_ckr_code() {
        let error = CallError::from_rv(CKR_KEY_HANDLE_INVALID, Function::SignInit).unwrap();
        assert_eq!(error.to_string(), "C_SignInit returned CKR_KEY_HANDLE_INVALID");
        assert!(CallError::from_rv(CKR_OK, Function::Sign).is_none());
    }

    #[test]
    fn codes_mean_what_nxps_module_means_by_them() {
        for (rv, function, cured) in [
            (CKR_SESSION_HANDLE_INVALID, Function::SignInit, true),
            (CKR_KEY_HANDLE_INVALID, Function::Sign, true),
            (CKR_FUNCTION_FAILED, Function::Sign, true),
            (CKR_SESSION_HANDLE_INVALID, Function::FindObjectsInit, true),
            (CKR_FUNCTION_FAILED, Function::GetAttributeValue, false),
            (CKR_FUNCTION_FAILED, Function::FindObjects, false),
        ] {
            let error = CallError::from_rv(rv, function).unwrap();
            assert_eq!(error.is_cured_by_a_new_session(), cured, "{error}");
        }
        assert!(
            CallError::from_rv(CKR_DEVICE_MEMORY, Function::OpenSession).unwrap().says_no_session_is_left()
        );
        assert!(!CallError::from_rv(CKR_DEVICE_MEMORY, Function::Sign).unwrap().says_no_session_is_left());
        assert!(
            CallError::from_rv(CKR_FUNCTION_FAILED, Function::FindObjects).unwrap().may_mean_no_such_object()
        );
        assert!(CallError::from_rv(CKR_PIN_INCORRECT, Function::Login).unwrap().refuses_the_pin());
    }
}
