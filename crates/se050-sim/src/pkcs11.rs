//! PKCS#11's C interface: the functions that a client calls, and what their pointers point to.
//!
//! Each function counts itself, catches panics, takes the lock, reads the client's memory, asks
//! [`Module`](crate::module::Module), and writes the answer into the client's memory. Nothing is decided here.
//!
//! Every `// SAFETY:` below rests on one promise: the client passes pointers as PKCS#11 wants them, null or good for
//! what the function reads and writes there. Null is looked for.
#![allow(non_snake_case, reason = "PKCS#11 names the functions")]

mod general;
mod location;
mod memory;
mod object;
mod refused;
mod session;
mod sign;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{LazyLock, Mutex, PoisonError, TryLockError};

use cryptoki_sys::*;

use crate::chip::{Chip, Counter};
use crate::module::{Answer, Module};

/// The functions, and the only symbol that the module exports: where a client begins.
///
/// # Safety
/// `list` is null or may be written to.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetFunctionList(list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    call("C_GetFunctionList", |_| {
        // SAFETY: the client's pointer. It gets a table that it only reads, as PKCS#11 says.
        unsafe { memory::write(list, (&raw const FUNCTIONS).cast_mut()) }
    })
}

/// One lock around every call, as the chip serves one command at a time: where threads meet in the real module, things
/// go wrong at random, and here they are counted. A loaded module is one chip's client, so its state is the process's.
static MODULE: LazyLock<Mutex<Module>> =
    LazyLock::new(|| Mutex::new(Module::new(location::directory().as_deref())));

/// Outside the lock: a call is counted when it comes, and not when it is its turn.
static COUNTER: LazyLock<Option<Counter>> = LazyLock::new(|| {
    let chip = Chip::open(&location::directory()?).ok()?;
    Counter::open(&chip).inspect_err(|error| eprintln!("se050-sim: {error}")).ok()
});

thread_local! {
    /// Whether this thread is counted.
    static KNOWN: Cell<bool> = const { Cell::new(false) };
}

/// Runs one C function's body. A panic must not unwind into C.
fn call(function: &str, body: impl FnOnce(&mut Module) -> Answer<()>) -> CK_RV {
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let counter = COUNTER.as_ref();
        counter.inspect(|counter| {
            counter.call(function);
            // Who loads a module need not be who uses it.
            if function != "C_GetFunctionList" && !KNOWN.replace(true) {
                // Not Rust's thread id: its thread-local data would outlive an unloaded module.
                // SAFETY: takes nothing and cannot fail.
                counter.thread(unsafe { libc::gettid() });
            }
        });
        let mut module = MODULE.try_lock().unwrap_or_else(|taken| match taken {
            TryLockError::Poisoned(module) => module.into_inner(),
            TryLockError::WouldBlock => {
                counter.inspect(|counter| counter.overlap());
                MODULE.lock().unwrap_or_else(PoisonError::into_inner)
            }
        });
        module.check_fault(function)?;
        body(&mut module)
    }));
    match answer {
        Ok(Ok(())) => CKR_OK,
        Ok(Err(answer)) => answer,
        Err(_) => CKR_GENERAL_ERROR,
    }
}

static FUNCTIONS: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
    version: crate::module::CRYPTOKI_VERSION,
    C_Initialize: Some(general::C_Initialize),
    C_Finalize: Some(general::C_Finalize),
    C_GetInfo: Some(general::C_GetInfo),
    C_GetFunctionList: Some(C_GetFunctionList),
    C_GetSlotList: Some(general::C_GetSlotList),
    C_GetSlotInfo: Some(general::C_GetSlotInfo),
    C_GetTokenInfo: Some(general::C_GetTokenInfo),
    C_GetMechanismList: Some(general::C_GetMechanismList),
    C_GetMechanismInfo: Some(general::C_GetMechanismInfo),
    C_InitToken: Some(refused::C_InitToken),
    C_InitPIN: Some(refused::C_InitPIN),
    C_SetPIN: Some(refused::C_SetPIN),
    C_OpenSession: Some(session::C_OpenSession),
    C_CloseSession: Some(session::C_CloseSession),
    C_CloseAllSessions: Some(session::C_CloseAllSessions),
    C_GetSessionInfo: Some(session::C_GetSessionInfo),
    C_GetOperationState: Some(refused::C_GetOperationState),
    C_SetOperationState: Some(refused::C_SetOperationState),
    C_Login: Some(session::C_Login),
    C_Logout: Some(session::C_Logout),
    C_CreateObject: Some(refused::C_CreateObject),
    C_CopyObject: Some(refused::C_CopyObject),
    C_DestroyObject: Some(refused::C_DestroyObject),
    C_GetObjectSize: Some(object::C_GetObjectSize),
    C_GetAttributeValue: Some(object::C_GetAttributeValue),
    C_SetAttributeValue: Some(refused::C_SetAttributeValue),
    C_FindObjectsInit: Some(object::C_FindObjectsInit),
    C_FindObjects: Some(object::C_FindObjects),
    C_FindObjectsFinal: Some(object::C_FindObjectsFinal),
    C_EncryptInit: Some(refused::C_EncryptInit),
    C_Encrypt: Some(refused::C_Encrypt),
    C_EncryptUpdate: Some(refused::C_EncryptUpdate),
    C_EncryptFinal: Some(refused::C_EncryptFinal),
    C_DecryptInit: Some(refused::C_DecryptInit),
    C_Decrypt: Some(refused::C_Decrypt),
    C_DecryptUpdate: Some(refused::C_DecryptUpdate),
    C_DecryptFinal: Some(refused::C_DecryptFinal),
    C_DigestInit: Some(refused::C_DigestInit),
    C_Digest: Some(refused::C_Digest),
    C_DigestUpdate: Some(refused::C_DigestUpdate),
    C_DigestKey: Some(refused::C_DigestKey),
    C_DigestFinal: Some(refused::C_DigestFinal),
    C_SignInit: Some(sign::C_SignInit),
    C_Sign: Some(sign::C_Sign),
    C_SignUpdate: Some(refused::C_SignUpdate),
    C_SignFinal: Some(refused::C_SignFinal),
    C_SignRecoverInit: Some(refused::C_SignRecoverInit),
    C_SignRecover: Some(refused::C_SignRecover),
    C_VerifyInit: Some(refused::C_VerifyInit),
    C_Verify: Some(refused::C_Verify),
    C_VerifyUpdate: Some(refused::C_VerifyUpdate),
    C_VerifyFinal: Some(refused::C_VerifyFinal),
    C_VerifyRecoverInit: Some(refused::C_VerifyRecoverInit),
    C_VerifyRecover: Some(refused::C_VerifyRecover),
    C_DigestEncryptUpdate: Some(refused::C_DigestEncryptUpdate),
    C_DecryptDigestUpdate: Some(refused::C_DecryptDigestUpdate),
    C_SignEncryptUpdate: Some(refused::C_SignEncryptUpdate),
    C_DecryptVerifyUpdate: Some(refused::C_DecryptVerifyUpdate),
    C_GenerateKey: Some(refused::C_GenerateKey),
    C_GenerateKeyPair: Some(refused::C_GenerateKeyPair),
    C_WrapKey: Some(refused::C_WrapKey),
    C_UnwrapKey: Some(refused::C_UnwrapKey),
    C_DeriveKey: Some(refused::C_DeriveKey),
    C_SeedRandom: Some(session::C_SeedRandom),
    C_GenerateRandom: Some(session::C_GenerateRandom),
    C_GetFunctionStatus: Some(refused::C_GetFunctionStatus),
    C_CancelFunction: Some(refused::C_CancelFunction),
    C_WaitForSlotEvent: Some(refused::C_WaitForSlotEvent),
};
