//! Sessions, and what the module does not ask a session for.

use std::ffi::c_void;

use cryptoki_sys::*;
use rsa::rand_core::{OsRng, RngCore as _};

use super::{call, memory};

pub(super) unsafe extern "C" fn C_OpenSession(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    _application: *mut c_void,
    _notify: CK_NOTIFY,
    session: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    call("C_OpenSession", |module| {
        if session.is_null() {
            return Err(CKR_ARGUMENTS_BAD);
        }
        let opened = module.open_session(slot, flags);
        let handle = opened.as_ref().map_or_else(|failed| failed.dangling, |handle| Some(*handle));
        if let Some(handle) = handle {
            // SAFETY: the client's pointer.
            unsafe { memory::write(session, handle)? };
        }
        opened.map(drop).map_err(|failed| failed.answer)
    })
}

pub(super) extern "C" fn C_CloseSession(session: CK_SESSION_HANDLE) -> CK_RV {
    call("C_CloseSession", |module| module.close_session(session))
}

pub(super) extern "C" fn C_CloseAllSessions(slot: CK_SLOT_ID) -> CK_RV {
    call("C_CloseAllSessions", |module| module.close_all_sessions(slot))
}

pub(super) unsafe extern "C" fn C_GetSessionInfo(
    _session: CK_SESSION_HANDLE,
    info: *mut CK_SESSION_INFO,
) -> CK_RV {
    call("C_GetSessionInfo", |module| {
        let answer = module.session_info()?;
        // SAFETY: the client's pointer.
        unsafe { memory::write(info, answer) }
    })
}

/// Always well, with any PIN, any user and any session handle. Nothing changes by it.
pub(super) extern "C" fn C_Login(
    _session: CK_SESSION_HANDLE,
    _user: CK_USER_TYPE,
    _pin: *mut CK_UTF8CHAR,
    _pin_length: CK_ULONG,
) -> CK_RV {
    call("C_Login", |_| Ok(()))
}

pub(super) extern "C" fn C_Logout(_session: CK_SESSION_HANDLE) -> CK_RV {
    call("C_Logout", |_| Ok(()))
}

pub(super) extern "C" fn C_SeedRandom(
    _session: CK_SESSION_HANDLE,
    _seed: *mut CK_BYTE,
    _seed_length: CK_ULONG,
) -> CK_RV {
    call("C_SeedRandom", |_| Ok(()))
}

/// The cheapest question whether the chip answers. The session's handle is not looked at.
pub(super) unsafe extern "C" fn C_GenerateRandom(
    _session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
) -> CK_RV {
    call("C_GenerateRandom", |module| {
        // SAFETY: the client's buffer of that length.
        let data = unsafe { memory::array_mut(data, length)? };
        if !data.is_empty() {
            module.ask_for_random()?;
        }
        OsRng.try_fill_bytes(data).map_err(|_| CKR_FUNCTION_FAILED)
    })
}
