//! The PKCS#11 function that failed and its return value, and what NXP's module means by it.

use std::fmt;

use cryptoki_sys::*;

/// The PKCS#11 function that failed and its return value (CKR).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallError {
    function: &'static str,
    ckr: CK_RV,
}

impl CallError {
    /// The function's name, e.g. `C_Sign`.
    pub fn function(&self) -> &'static str {
        self.function
    }

    /// The return value, e.g. 0x30 for CKR_DEVICE_ERROR (PKCS#11 3.0, header `pkcs11t.h`).
    pub fn ckr(&self) -> CK_RV {
        self.ckr
    }

    /// The failure of a call, unless it returned CKR_OK.
    pub(crate) fn check(function: &'static str, ckr: CK_RV) -> Result<(), Self> {
        if ckr == CKR_OK { Ok(()) } else { Err(Self { function, ckr }) }
    }

    /// Whether a new session may help, when the chip was found to answer.
    ///
    /// Decided by code and function, never by text. NXP's module maps nearly every failure to the same few codes:
    /// - after any failure of C_Sign, the session of 3.3 to 4.3 cannot sign any more: C_SignInit returns
    ///   CKR_SESSION_HANDLE_INVALID. Closing and opening the session cures it every time;
    /// - CKR_KEY_HANDLE_INVALID means "the chip did not answer" as often as "no such key";
    /// - CKR_FUNCTION_FAILED and CKR_DEVICE_ERROR from any other function concern the request itself, if the chip answers.
    pub(crate) fn is_cured_by_a_new_session(&self) -> bool {
        !self.is_permanent() && (self.is_of_signing() || self.loses_the_session())
    }

    /// On NXP's module up to 4.3, the session cannot sign any more after this, with any key.
    pub(crate) fn is_of_signing(&self) -> bool {
        matches!(self.function, "C_SignInit" | "C_Sign")
    }

    /// The session, or its login, is gone.
    pub(crate) fn loses_the_session(&self) -> bool {
        matches!(
            self.ckr,
            CKR_SESSION_HANDLE_INVALID
                | CKR_SESSION_CLOSED
                | CKR_DEVICE_REMOVED
                | CKR_TOKEN_NOT_PRESENT
                | CKR_USER_NOT_LOGGED_IN
                | CKR_CRYPTOKI_NOT_INITIALIZED
        )
    }

    /// Whether the same call will fail again in any session: the request is not possible with this key, or not allowed.
    pub(crate) fn is_permanent(&self) -> bool {
        PERMANENT.iter().any(|(ckr, _)| *ckr == self.ckr)
    }

    /// Whether that function returned that value.
    pub(crate) fn is(&self, function: &str, ckr: CK_RV) -> bool {
        (self.function, self.ckr) == (function, ckr)
    }

    /// CKR_DEVICE_MEMORY of C_OpenSession: all three sessions of NXP's module have leaked.
    pub(crate) fn says_no_session_is_left(&self) -> bool {
        self.is("C_OpenSession", CKR_DEVICE_MEMORY)
    }

    /// C_Login refuses this PIN. Trying it again may lock the token.
    pub(crate) fn refuses_the_pin(&self) -> bool {
        self.function == "C_Login"
            && matches!(
                self.ckr,
                CKR_PIN_INCORRECT | CKR_PIN_INVALID | CKR_PIN_LEN_RANGE | CKR_PIN_EXPIRED | CKR_PIN_LOCKED
            )
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PERMANENT.iter().chain(OTHER).find(|(ckr, _)| *ckr == self.ckr) {
            Some((_, name)) => write!(f, "{} returned {name}", self.function),
            None => write!(f, "{} returned {:#x}", self.function, self.ckr),
        }
    }
}

impl std::error::Error for CallError {}

macro_rules! names {
    ($($name:ident)*) => { &[$(($name, stringify!($name))),*] };
}

/// The return values that our calls can have, by name: those of a request that is not possible with this key, or not allowed.
#[rustfmt::skip]
const PERMANENT: &[(CK_RV, &str)] = names! {
    CKR_ARGUMENTS_BAD CKR_ATTRIBUTE_SENSITIVE CKR_ATTRIBUTE_TYPE_INVALID CKR_ATTRIBUTE_VALUE_INVALID CKR_ACTION_PROHIBITED
    CKR_DATA_INVALID CKR_DATA_LEN_RANGE CKR_FUNCTION_NOT_SUPPORTED CKR_KEY_SIZE_RANGE CKR_KEY_TYPE_INCONSISTENT
    CKR_KEY_FUNCTION_NOT_PERMITTED CKR_MECHANISM_INVALID CKR_MECHANISM_PARAM_INVALID CKR_PIN_INCORRECT CKR_PIN_INVALID
    CKR_PIN_LEN_RANGE CKR_PIN_EXPIRED CKR_PIN_LOCKED CKR_TEMPLATE_INCONSISTENT CKR_USER_PIN_NOT_INITIALIZED
    CKR_USER_TYPE_INVALID CKR_DOMAIN_PARAMS_INVALID CKR_CURVE_NOT_SUPPORTED CKR_BUFFER_TOO_SMALL CKR_FUNCTION_REJECTED
    CKR_KEY_EXHAUSTED
};

/// The others.
#[rustfmt::skip]
const OTHER: &[(CK_RV, &str)] = names! {
    CKR_CANCEL CKR_HOST_MEMORY CKR_SLOT_ID_INVALID CKR_GENERAL_ERROR CKR_FUNCTION_FAILED CKR_NEED_TO_CREATE_THREADS
    CKR_CANT_LOCK CKR_DEVICE_ERROR CKR_DEVICE_MEMORY CKR_DEVICE_REMOVED CKR_FUNCTION_CANCELED CKR_KEY_HANDLE_INVALID
    CKR_KEY_CHANGED CKR_KEY_NEEDED CKR_OBJECT_HANDLE_INVALID CKR_OPERATION_ACTIVE CKR_OPERATION_NOT_INITIALIZED
    CKR_SESSION_CLOSED CKR_SESSION_COUNT CKR_SESSION_HANDLE_INVALID CKR_SESSION_PARALLEL_NOT_SUPPORTED
    CKR_SESSION_READ_ONLY CKR_SESSION_EXISTS CKR_SESSION_READ_WRITE_SO_EXISTS CKR_TEMPLATE_INCOMPLETE
    CKR_TOKEN_NOT_PRESENT CKR_TOKEN_NOT_RECOGNIZED CKR_TOKEN_WRITE_PROTECTED CKR_USER_ALREADY_LOGGED_IN
    CKR_USER_NOT_LOGGED_IN CKR_USER_ANOTHER_ALREADY_LOGGED_IN CKR_USER_TOO_MANY_TYPES CKR_RANDOM_NO_RNG
    CKR_INFORMATION_SENSITIVE CKR_CRYPTOKI_NOT_INITIALIZED CKR_CRYPTOKI_ALREADY_INITIALIZED CKR_MUTEX_BAD
    CKR_MUTEX_NOT_LOCKED CKR_FIPS_SELF_TEST_FAILED CKR_LIBRARY_LOAD_FAILED CKR_PIN_TOO_WEAK CKR_TOKEN_RESOURCE_EXCEEDED
    CKR_TOKEN_NOT_INITIALIZED CKR_VENDOR_DEFINED
};

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(function: &'static str, ckr: CK_RV) -> CallError {
        CallError::check(function, ckr).unwrap_err()
    }

    #[test]
    fn a_failed_call_names_the_function_and_the_ckr_code() {
        let error = failure("C_SignInit", CKR_KEY_HANDLE_INVALID);
        assert_eq!(error.to_string(), "C_SignInit returned CKR_KEY_HANDLE_INVALID");
        assert_eq!((error.function(), error.ckr()), ("C_SignInit", CKR_KEY_HANDLE_INVALID));
        assert_eq!(failure("C_Sign", 0x8000_0042).to_string(), "C_Sign returned 0x80000042");
        assert!(CallError::check("C_Sign", CKR_OK).is_ok());
    }

    #[test]
    fn codes_mean_what_nxps_module_means_by_them() {
        for (ckr, function, cured) in [
            (CKR_SESSION_HANDLE_INVALID, "C_SignInit", true),
            (CKR_KEY_HANDLE_INVALID, "C_Sign", true),
            (CKR_FUNCTION_FAILED, "C_Sign", true),
            (CKR_DEVICE_ERROR, "C_Sign", true),
            (CKR_SESSION_HANDLE_INVALID, "C_FindObjectsInit", true),
            (CKR_FUNCTION_FAILED, "C_GetAttributeValue", false),
            (CKR_FUNCTION_FAILED, "C_FindObjects", false),
            // The same key with the same mechanism fails again.
            (CKR_KEY_FUNCTION_NOT_PERMITTED, "C_Sign", false),
            (CKR_KEY_FUNCTION_NOT_PERMITTED, "C_SignInit", false),
            (CKR_MECHANISM_INVALID, "C_Sign", false),
            (CKR_BUFFER_TOO_SMALL, "C_Sign", false),
            (CKR_KEY_TYPE_INCONSISTENT, "C_SignInit", false),
            (CKR_KEY_SIZE_RANGE, "C_Sign", false),
        ] {
            let error = failure(function, ckr);
            assert_eq!(error.is_cured_by_a_new_session(), cured, "{error}");
        }
        assert!(failure("C_OpenSession", CKR_DEVICE_MEMORY).says_no_session_is_left());
        assert!(!failure("C_Sign", CKR_DEVICE_MEMORY).says_no_session_is_left());
        assert!(failure("C_Login", CKR_PIN_INCORRECT).refuses_the_pin());
    }
}
