//! The two calls that cryptoki cannot make as this chip needs them.
//!
//! `cryptoki` asks for the length of each result first, with a NULL buffer. NXP's module answers that question
//! by doing the work: a second private-key operation for C_Sign, a second reading of the whole object for
//! C_GetAttributeValue. Here each is called once, with a buffer that is large enough.

use std::path::Path;
use std::ptr;

use cryptoki::context::Function;
use cryptoki::error::Error as CryptokiError;
use cryptoki_sys::{
    CK_ATTRIBUTE, CK_ATTRIBUTE_TYPE, CK_FUNCTION_LIST, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG,
};

use crate::CallError;

/// Room for any signature: RSA-4096 gives 512 bytes.
const SIGNATURE_BYTES: usize = 512;

/// Room for any attribute: NXP's module reads objects into a buffer of 2048 bytes, other tokens keep larger certificates.
const ATTRIBUTE_BYTES: usize = 8192;

/// A PKCS#11 module's function list.
///
/// Its two calls belong to the thread that owns the session: the module does no locking of its own.
pub(crate) struct RawModule {
    functions: CK_FUNCTION_LIST,
    /// Keeps the module loaded while `functions` points into it.
    _library: cryptoki_sys::Pkcs11,
}

impl RawModule {
    /// Loads the module. Where it is loaded already, this is the same one.
    pub(crate) fn load(path: &Path) -> Result<Self, CallError> {
        // SAFETY: loading runs the module's initialisers; that the file is a PKCS#11 module is the caller's word, as it is
        // for cryptoki, which loads the same file.
        let library = unsafe { cryptoki_sys::Pkcs11::new(path) }
            .map_err(|error| CallError::new(CryptokiError::LibraryLoading(error)))?;
        if library.C_GetFunctionList.is_err() {
            return Err(CallError::new(CryptokiError::MissingSymbol("C_GetFunctionList")));
        }
        let mut list: *mut CK_FUNCTION_LIST = ptr::null_mut();
        // SAFETY: the symbol exists, and the pointer to write to is valid.
        let rv = unsafe { library.C_GetFunctionList(&raw mut list) };
        if let Some(error) = CallError::from_rv(rv, Function::GetFunctionList) {
            return Err(error);
        }
        if list.is_null() {
            return Err(CallError::new(CryptokiError::NullFunctionPointer));
        }
        // SAFETY: not null, and PKCS#11 has it point to a CK_FUNCTION_LIST that lives as long as the module is loaded.
        let functions = unsafe { *list };
        Ok(Self { functions, _library: library })
    }

    /// C_Sign, once. C_SignInit comes before it, and the mechanism given there is still alive.
    pub(crate) fn sign(&self, session: CK_SESSION_HANDLE, input: &[u8]) -> Result<Vec<u8>, CallError> {
        let mut input = input.to_vec();
        let mut signature = vec![0_u8; SIGNATURE_BYTES];
        let mut length = signature.len() as CK_ULONG;
        let function =
            self.functions.C_Sign.ok_or_else(|| CallError::new(CryptokiError::NullFunctionPointer))?;
        // SAFETY: both buffers are as long as said, and outlive the call.
        let rv = unsafe {
            function(
                session,
                input.as_mut_ptr(),
                input.len() as CK_ULONG,
                signature.as_mut_ptr(),
                &raw mut length,
            )
        };
        if let Some(error) = CallError::from_rv(rv, Function::Sign) {
            return Err(error);
        }
        signature.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(signature)
    }

    /// C_GetAttributeValue for one attribute, once.
    ///
    /// One attribute a call: NXP's module stops at the first that fails and leaves the later ones untouched.
    pub(crate) fn attribute(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        attribute: CK_ATTRIBUTE_TYPE,
    ) -> Result<Vec<u8>, CallError> {
        let mut value = vec![0_u8; ATTRIBUTE_BYTES];
        let mut template = CK_ATTRIBUTE {
            type_: attribute,
            pValue: value.as_mut_ptr().cast(),
            ulValueLen: value.len() as CK_ULONG,
        };
        let function = self
            .functions
            .C_GetAttributeValue
            .ok_or_else(|| CallError::new(CryptokiError::NullFunctionPointer))?;
        // SAFETY: the template has one entry, whose buffer is as long as said; both outlive the call.
        let rv = unsafe { function(session, object, &raw mut template, 1) };
        if let Some(error) = CallError::from_rv(rv, Function::GetAttributeValue) {
            return Err(error);
        }
        let length = usize::try_from(template.ulValueLen).unwrap_or(usize::MAX);
        if length > value.len() {
            // CK_UNAVAILABLE_INFORMATION with CKR_OK: the module contradicts itself.
            return Err(CallError::new(CryptokiError::InvalidValue));
        }
        value.truncate(length);
        Ok(value)
    }
}
