//! PKCS#11's C interface: the functions that a client calls, and what their pointers point to.
//!
//! Each function counts itself, catches panics, takes the lock, reads the client's memory, asks
//! [`Module`](crate::module::Module), and writes the answer into the client's memory. Nothing is decided here.
//!
//! Every `// SAFETY:` below rests on one promise: the client passes pointers as PKCS#11 wants them, null or good for
//! what the function reads and writes there. Null is looked for.
#![allow(non_snake_case, reason = "PKCS#11 names the functions")]

mod general;
mod memory;
mod refused;
mod session;

use std::cell::Cell;
use std::ffi::{CStr, OsStr, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError, TryLockError};

use cryptoki_sys::*;

use crate::chip::{Chip, Counter, OVERLAP};
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
static MODULE: LazyLock<Mutex<Module>> = LazyLock::new(|| Mutex::new(Module::new(directory().as_deref())));

/// Outside the lock: a call is counted when it comes, and not when it is its turn.
static COUNTER: LazyLock<Option<Counter>> = LazyLock::new(|| Chip::open(&directory()?).ok()?.counter());

thread_local! {
    /// Whether this thread is counted.
    static KNOWN: Cell<bool> = const { Cell::new(false) };
}

/// Runs one C function's body. A panic must not unwind into C.
fn call(function: &str, body: impl FnOnce(&mut Module) -> Answer<()>) -> CK_RV {
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let counter = COUNTER.as_ref();
        counter.inspect(|counter| {
            counter.count(function);
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
                counter.inspect(|counter| counter.count(OVERLAP));
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
    C_OpenSession: Some(session::C_OpenSession),
    C_CloseSession: Some(session::C_CloseSession),
    C_CloseAllSessions: Some(session::C_CloseAllSessions),
    C_GetSessionInfo: Some(session::C_GetSessionInfo),
    C_Login: Some(session::C_Login),
    C_Logout: Some(session::C_Logout),
    C_GetObjectSize: Some(session::C_GetObjectSize),
    C_GetAttributeValue: Some(session::C_GetAttributeValue),
    C_FindObjectsInit: Some(session::C_FindObjectsInit),
    C_FindObjects: Some(session::C_FindObjects),
    C_FindObjectsFinal: Some(session::C_FindObjectsFinal),
    C_SignInit: Some(session::C_SignInit),
    C_Sign: Some(session::C_Sign),
    C_SeedRandom: Some(session::C_SeedRandom),
    C_GenerateRandom: Some(session::C_GenerateRandom),
    ..refused::FUNCTIONS
};

/// The directory of the file that this code was loaded from. No environment variable is involved, so one process can
/// have several chips, each with its own copy of the module.
fn directory() -> Option<PathBuf> {
    let own_code = directory as fn() -> Option<PathBuf> as *const c_void;
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: any address may be asked for, and `info` may be written to.
    if unsafe { libc::dladdr(own_code, &mut info) } == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the loader's own string, which lives as long as the module is loaded.
    let file = unsafe { CStr::from_ptr(info.dli_fname) };
    let file = Path::new(OsStr::from_bytes(file.to_bytes()));
    // Now, not later: a relative path means the working directory that the client loaded the module from.
    file.canonicalize().ok()?.parent().map(Path::to_owned)
}
