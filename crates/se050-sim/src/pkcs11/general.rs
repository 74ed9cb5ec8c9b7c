//! The module itself, its slot and its token: answered without the chip.

use std::ffi::c_void;

use cryptoki_sys::*;

use super::{call, memory};
use crate::module::{self, SLOT};

pub(super) unsafe extern "C" fn C_Initialize(arguments: *mut c_void) -> CK_RV {
    call("C_Initialize", |module| {
        // SAFETY: the client's pointer, null for "no arguments".
        let arguments = unsafe { memory::read(arguments.cast::<CK_C_INITIALIZE_ARGS>()) };
        module.initialize(arguments.as_ref().ok())
    })
}

pub(super) extern "C" fn C_Finalize(reserved: *mut c_void) -> CK_RV {
    call("C_Finalize", |module| if reserved.is_null() { module.finalize() } else { Err(CKR_ARGUMENTS_BAD) })
}

pub(super) unsafe extern "C" fn C_GetInfo(info: *mut CK_INFO) -> CK_RV {
    call("C_GetInfo", |module| {
        let answer = module::module_info(module.version());
        // SAFETY: the client's pointer.
        unsafe { memory::write(info, answer) }
    })
}

/// Gives the one slot whether a token is asked for or not, on most versions before C_Initialize, too.
pub(super) unsafe extern "C" fn C_GetSlotList(
    _token_present: CK_BBOOL,
    list: *mut CK_SLOT_ID,
    count: *mut CK_ULONG,
) -> CK_RV {
    call("C_GetSlotList", |module| {
        module.check_initialized()?;
        // SAFETY: the client's pointers; `list` has room for `count` ids.
        unsafe {
            let room = memory::read(count)?;
            if list.is_null() {
                return memory::write(count, 1);
            }
            if room < 1 {
                return Err(CKR_BUFFER_TOO_SMALL);
            }
            memory::write(list, SLOT)?;
            memory::write(count, 1)
        }
    })
}

pub(super) unsafe extern "C" fn C_GetSlotInfo(slot: CK_SLOT_ID, info: *mut CK_SLOT_INFO) -> CK_RV {
    call("C_GetSlotInfo", |module| {
        let answer = module::slot_info(slot, module.version())?;
        // SAFETY: the client's pointer.
        unsafe { memory::write(info, answer) }
    })
}

pub(super) unsafe extern "C" fn C_GetTokenInfo(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO) -> CK_RV {
    call("C_GetTokenInfo", |module| {
        module.check_slot(slot)?;
        let answer = module::token_info(module.version());
        // SAFETY: the client's pointer.
        unsafe { memory::write(info, answer) }
    })
}

pub(super) unsafe extern "C" fn C_GetMechanismList(
    slot: CK_SLOT_ID,
    list: *mut CK_MECHANISM_TYPE,
    count: *mut CK_ULONG,
) -> CK_RV {
    call("C_GetMechanismList", |module| {
        module.check_slot(slot)?;
        let mechanisms = module::mechanism_list(module.version());
        let length = mechanisms.len() as CK_ULONG;
        // SAFETY: the client's pointers; `list` has room for `count` mechanisms.
        unsafe {
            let room = memory::read(count)?;
            memory::write(count, length)?;
            if list.is_null() {
                return Ok(());
            }
            if room < length {
                return Err(CKR_BUFFER_TOO_SMALL);
            }
            memory::array_mut(list, length)?.copy_from_slice(&mechanisms);
        }
        Ok(())
    })
}

pub(super) unsafe extern "C" fn C_GetMechanismInfo(
    slot: CK_SLOT_ID,
    mechanism: CK_MECHANISM_TYPE,
    info: *mut CK_MECHANISM_INFO,
) -> CK_RV {
    call("C_GetMechanismInfo", |module| {
        module.check_slot(slot)?;
        let answer = module::mechanism_info(mechanism, module.version())?;
        // SAFETY: the client's pointer.
        unsafe { memory::write(info, answer) }
    })
}
