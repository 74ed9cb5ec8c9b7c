//! PKCS#11's functions as p11-kit's library calls them, for the client whose thread it is.
#![allow(non_snake_case, reason = "PKCS#11 names the functions")]

use std::ffi::c_void;

use cryptoki_sys::*;

use super::shared_module::{self, call, in_turn, is_own};

/// The list for all clients.
pub(super) fn functions() -> &'static CK_FUNCTION_LIST {
    &FUNCTIONS
}

/// Functions that are passed on.
macro_rules! of_the_module {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        extern "C" fn $name($($argument: $type),*) -> CK_RV {
            in_turn(|functions, _| call!(functions, $name($($argument),*)))
        }
    )*};
}

/// Functions that are passed on for a session of the client's own.
macro_rules! of_a_session {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        extern "C" fn $name(session: CK_SESSION_HANDLE, $($argument: $type),*) -> CK_RV {
            if !is_own(session) {
                return CKR_SESSION_HANDLE_INVALID;
            }
            in_turn(|functions, _| call!(functions, $name(session $(, $argument)*)))
        }
    )*};
}

of_the_module! {
    C_GetInfo(info: *mut CK_INFO);
    C_GetSlotList(present: CK_BBOOL, list: *mut CK_SLOT_ID, count: *mut CK_ULONG);
    C_GetSlotInfo(slot: CK_SLOT_ID, info: *mut CK_SLOT_INFO);
    C_GetTokenInfo(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO);
    C_GetMechanismList(slot: CK_SLOT_ID, list: *mut CK_MECHANISM_TYPE, count: *mut CK_ULONG);
    C_GetMechanismInfo(slot: CK_SLOT_ID, mechanism: CK_MECHANISM_TYPE, info: *mut CK_MECHANISM_INFO);
}

of_a_session! {
    C_GetSessionInfo(info: *mut CK_SESSION_INFO);
    C_GetObjectSize(object: CK_OBJECT_HANDLE, size: *mut CK_ULONG);
    C_GetAttributeValue(object: CK_OBJECT_HANDLE, template: *mut CK_ATTRIBUTE, count: CK_ULONG);
    C_FindObjects(objects: *mut CK_OBJECT_HANDLE, most: CK_ULONG, count: *mut CK_ULONG);
    C_FindObjectsFinal();
    C_Sign(data: *mut CK_BYTE, length: CK_ULONG, signature: *mut CK_BYTE, room: *mut CK_ULONG);
    C_SignUpdate(data: *mut CK_BYTE, length: CK_ULONG);
    C_SignFinal(signature: *mut CK_BYTE, room: *mut CK_ULONG);
    C_SeedRandom(seed: *mut CK_BYTE, length: CK_ULONG);
    C_GenerateRandom(data: *mut CK_BYTE, length: CK_ULONG);
}

/// The module is initialised already, for all clients.
extern "C" fn C_Initialize(_arguments: *mut c_void) -> CK_RV {
    CKR_OK
}

/// And it stays so: the client's sessions end.
extern "C" fn C_Finalize(_reserved: *mut c_void) -> CK_RV {
    in_turn(shared_module::leave)
}

extern "C" fn C_OpenSession(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    _application: *mut c_void,
    _notify: CK_NOTIFY,
    session: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    in_turn(|functions, shared| match shared_module::open(functions, shared, slot, flags) {
        Ok(handle) => {
            // SAFETY: p11-kit's own variable. After a failure it keeps its value: NXP's handle is a dangling one then.
            unsafe { session.write(handle) };
            CKR_OK
        }
        Err(answer) => answer,
    })
}

/// Gives the module a NUL after each value: NXP's reads a label up to one, past the length.
extern "C" fn C_FindObjectsInit(
    session: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    if !is_own(session) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    // SAFETY: p11-kit's template of that length.
    let mut attributes = unsafe { copied(template, count) };
    let mut values: Vec<Vec<u8>> = Vec::new();
    for attribute in &mut attributes {
        // SAFETY: p11-kit's buffer of that length.
        let mut value = unsafe { copied(attribute.pValue.cast::<u8>(), attribute.ulValueLen) };
        value.push(0);
        attribute.pValue = value.as_mut_ptr().cast();
        values.push(value);
    }
    in_turn(|functions, _| call!(functions, C_FindObjectsInit(session, attributes.as_mut_ptr(), count)))
}

/// Keeps the mechanism's parameter: p11-kit frees it, and NXP's module reads it once more in C_Sign.
extern "C" fn C_SignInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    let mut parameter = Vec::new();
    let mut kept = CK_MECHANISM::default();
    // SAFETY: p11-kit's mechanism, and its parameter of that length.
    unsafe {
        if mechanism.is_null() {
            return CKR_ARGUMENTS_BAD;
        }
        kept.mechanism = (*mechanism).mechanism;
        let bytes = copied((*mechanism).pParameter.cast::<u8>(), (*mechanism).ulParameterLen);
        if !bytes.is_empty() {
            parameter.resize(bytes.len().div_ceil(size_of::<u64>()), 0);
            kept.pParameter = parameter.as_mut_ptr().cast();
            kept.ulParameterLen = (*mechanism).ulParameterLen;
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), kept.pParameter.cast::<u8>(), bytes.len());
        }
    }
    if !shared_module::keep_parameter(session, parameter) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    in_turn(|functions, shared| match shared_module::may_sign(shared) {
        true => call!(functions, C_SignInit(session, &raw mut kept, key)),
        false => CKR_USER_NOT_LOGGED_IN,
    })
}

/// What p11-kit passes as pointer and length.
///
/// # Safety
/// `from` is null or points to `count` values.
unsafe fn copied<T: Copy>(from: *const T, count: CK_ULONG) -> Vec<T> {
    match usize::try_from(count) {
        // SAFETY: the caller's promise.
        Ok(count) if !from.is_null() => unsafe { std::slice::from_raw_parts(from, count) }.to_vec(),
        _ => Vec::new(),
    }
}

extern "C" fn C_CloseSession(session: CK_SESSION_HANDLE) -> CK_RV {
    if !is_own(session) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    in_turn(|functions, shared| shared_module::close(functions, shared, |own| own.handle == session))
}

extern "C" fn C_CloseAllSessions(slot: CK_SLOT_ID) -> CK_RV {
    in_turn(|functions, shared| shared_module::close(functions, shared, |own| own.slot == slot))
}

extern "C" fn C_Login(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut CK_UTF8CHAR,
    length: CK_ULONG,
) -> CK_RV {
    if !is_own(session) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    // SAFETY: p11-kit's buffer of that length.
    let pin = unsafe { copied(pin, length) };
    in_turn(|functions, shared| shared_module::login(functions, shared, session, user, pin))
}

extern "C" fn C_Logout(session: CK_SESSION_HANDLE) -> CK_RV {
    if !is_own(session) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    in_turn(|functions, shared| shared_module::logout(functions, shared, session))
}

/// Functions that are refused.
macro_rules! refused {
    ($($name:ident($($type:ty),*);)*) => {$(
        #[allow(clippy::too_many_arguments, reason = "PKCS#11 declares it so")]
        extern "C" fn $name($(_: $type),*) -> CK_RV {
            CKR_FUNCTION_NOT_SUPPORTED
        }
    )*};
}

type Session = CK_SESSION_HANDLE;
type Object = CK_OBJECT_HANDLE;
type Bytes = *mut CK_BYTE;
type Length = *mut CK_ULONG;
type Mechanism = *mut CK_MECHANISM;
type Template = *mut CK_ATTRIBUTE;

// What changes the token; what blocks until a token is changed; and what no TLS client asks a token for.
refused! {
    C_GetFunctionList(*mut *mut CK_FUNCTION_LIST);
    C_InitToken(CK_SLOT_ID, *mut CK_UTF8CHAR, CK_ULONG, *mut CK_UTF8CHAR);
    C_InitPIN(Session, *mut CK_UTF8CHAR, CK_ULONG);
    C_SetPIN(Session, *mut CK_UTF8CHAR, CK_ULONG, *mut CK_UTF8CHAR, CK_ULONG);
    C_GetOperationState(Session, Bytes, Length);
    C_SetOperationState(Session, Bytes, CK_ULONG, Object, Object);
    C_CreateObject(Session, Template, CK_ULONG, *mut Object);
    C_CopyObject(Session, Object, Template, CK_ULONG, *mut Object);
    C_DestroyObject(Session, Object);
    C_SetAttributeValue(Session, Object, Template, CK_ULONG);
    C_EncryptInit(Session, Mechanism, Object);
    C_Encrypt(Session, Bytes, CK_ULONG, Bytes, Length);
    C_EncryptUpdate(Session, Bytes, CK_ULONG, Bytes, Length);
    C_EncryptFinal(Session, Bytes, Length);
    C_DecryptInit(Session, Mechanism, Object);
    C_Decrypt(Session, Bytes, CK_ULONG, Bytes, Length);
    C_DecryptUpdate(Session, Bytes, CK_ULONG, Bytes, Length);
    C_DecryptFinal(Session, Bytes, Length);
    C_DigestInit(Session, Mechanism);
    C_Digest(Session, Bytes, CK_ULONG, Bytes, Length);
    C_DigestUpdate(Session, Bytes, CK_ULONG);
    C_DigestKey(Session, Object);
    C_DigestFinal(Session, Bytes, Length);
    C_SignRecoverInit(Session, Mechanism, Object);
    C_SignRecover(Session, Bytes, CK_ULONG, Bytes, Length);
    C_VerifyInit(Session, Mechanism, Object);
    C_Verify(Session, Bytes, CK_ULONG, Bytes, CK_ULONG);
    C_VerifyUpdate(Session, Bytes, CK_ULONG);
    C_VerifyFinal(Session, Bytes, CK_ULONG);
    C_VerifyRecoverInit(Session, Mechanism, Object);
    C_VerifyRecover(Session, Bytes, CK_ULONG, Bytes, Length);
    C_DigestEncryptUpdate(Session, Bytes, CK_ULONG, Bytes, Length);
    C_DecryptDigestUpdate(Session, Bytes, CK_ULONG, Bytes, Length);
    C_SignEncryptUpdate(Session, Bytes, CK_ULONG, Bytes, Length);
    C_DecryptVerifyUpdate(Session, Bytes, CK_ULONG, Bytes, Length);
    C_GenerateKey(Session, Mechanism, Template, CK_ULONG, *mut Object);
    C_GenerateKeyPair(Session, Mechanism, Template, CK_ULONG, Template, CK_ULONG, *mut Object, *mut Object);
    C_WrapKey(Session, Mechanism, Object, Object, Bytes, Length);
    C_UnwrapKey(Session, Mechanism, Object, Bytes, CK_ULONG, Template, CK_ULONG, *mut Object);
    C_DeriveKey(Session, Mechanism, Object, Template, CK_ULONG, *mut Object);
    C_GetFunctionStatus(Session);
    C_CancelFunction(Session);
    C_WaitForSlotEvent(CK_FLAGS, *mut CK_SLOT_ID, *mut c_void);
}

/// Fills in PKCS#11's list.
macro_rules! list {
    ($($name:ident)*) => {
        CK_FUNCTION_LIST { version: CK_VERSION { major: 2, minor: 40 }, $($name: Some($name)),* }
    };
}

static FUNCTIONS: CK_FUNCTION_LIST = list! {
    C_Initialize C_Finalize C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo C_GetTokenInfo C_GetMechanismList
    C_GetMechanismInfo C_InitToken C_InitPIN C_SetPIN C_OpenSession C_CloseSession C_CloseAllSessions C_GetSessionInfo
    C_GetOperationState C_SetOperationState C_Login C_Logout C_CreateObject C_CopyObject C_DestroyObject C_GetObjectSize
    C_GetAttributeValue C_SetAttributeValue C_FindObjectsInit C_FindObjects C_FindObjectsFinal C_EncryptInit C_Encrypt
    C_EncryptUpdate C_EncryptFinal C_DecryptInit C_Decrypt C_DecryptUpdate C_DecryptFinal C_DigestInit C_Digest
    C_DigestUpdate C_DigestKey C_DigestFinal C_SignInit C_Sign C_SignUpdate C_SignFinal C_SignRecoverInit C_SignRecover
    C_VerifyInit C_Verify C_VerifyUpdate C_VerifyFinal C_VerifyRecoverInit C_VerifyRecover C_DigestEncryptUpdate
    C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate C_GenerateKey C_GenerateKeyPair C_WrapKey C_UnwrapKey
    C_DeriveKey C_SeedRandom C_GenerateRandom C_GetFunctionStatus C_CancelFunction C_WaitForSlotEvent
};
