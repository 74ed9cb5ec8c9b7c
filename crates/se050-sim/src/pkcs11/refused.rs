//! The functions that the module refuses. Some of them NXP's has: the README's table says which.

use std::ffi::c_void;

use cryptoki_sys::*;

use super::call;

macro_rules! refused {
    ($($answer:ident: { $($name:ident($($type:ty),*);)* })*) => {
        $($(
            #[allow(clippy::too_many_arguments, reason = "PKCS#11 declares it so")]
            extern "C" fn $name($(_: $type),*) -> CK_RV {
                call(stringify!($name), |_| Err($answer))
            }
        )*)*

        /// The list with these functions alone.
        pub(super) const FUNCTIONS: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
            $($($name: Some($name),)*)*
            // SAFETY: all bytes zero is a list without functions.
            ..unsafe { std::mem::zeroed() }
        };
    };
}

type Session = CK_SESSION_HANDLE;
type Object = CK_OBJECT_HANDLE;
type Length = *mut CK_ULONG;
type Bytes = *mut CK_BYTE;
type Mechanism = *mut CK_MECHANISM;
type Template = *mut CK_ATTRIBUTE;

refused! {
CKR_FUNCTION_NOT_SUPPORTED: {
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
    C_SignUpdate(Session, Bytes, CK_ULONG);
    C_SignFinal(Session, Bytes, Length);
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
    C_WaitForSlotEvent(CK_FLAGS, *mut CK_SLOT_ID, *mut c_void);
}
CKR_FUNCTION_NOT_PARALLEL: {
    C_GetFunctionStatus(Session);
    C_CancelFunction(Session);
}
}
