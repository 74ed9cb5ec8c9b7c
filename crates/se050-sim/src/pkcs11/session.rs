//! Sessions, and what is done in one: finding objects, reading their attributes, signing.

use std::ffi::c_void;

use cryptoki_sys::*;
use rsa::rand_core::{OsRng, RngCore as _};

use super::{call, memory};
use crate::module::{Operation, Parameter};

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

pub(super) unsafe extern "C" fn C_FindObjectsInit(
    session: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    call("C_FindObjectsInit", |module| {
        let (session, _) = module.session(session)?;
        let template = if template.is_null() {
            None
        } else {
            // SAFETY: the client's template of that length, and its attributes' values.
            Some(unsafe { memory::search_template(memory::array(template, count)?)? })
        };
        session.search.begin(template);
        Ok(())
    })
}

pub(super) unsafe extern "C" fn C_FindObjects(
    session: CK_SESSION_HANDLE,
    objects: *mut CK_OBJECT_HANDLE,
    max: CK_ULONG,
    count: *mut CK_ULONG,
) -> CK_RV {
    call("C_FindObjects", |module| {
        let (session, bus) = module.session_on_chip(session)?;
        if max == 0 || count.is_null() {
            return Err(CKR_ARGUMENTS_BAD);
        }
        // SAFETY: the client's array of that length.
        let places = unsafe { memory::array_mut(objects, max)? };
        let found = session.search.next(bus, places.len())?;
        for (place, handle) in places.iter_mut().zip(&found) {
            *place = *handle;
        }
        // SAFETY: the client's pointer. An error above leaves it as it was, as the real module does.
        unsafe { memory::write(count, found.len() as CK_ULONG) }
    })
}

pub(super) extern "C" fn C_FindObjectsFinal(session: CK_SESSION_HANDLE) -> CK_RV {
    call("C_FindObjectsFinal", |module| module.session(session)?.0.search.end())
}

/// The first attribute that is not given ends the loop: those behind it keep what the client passed in.
pub(super) unsafe extern "C" fn C_GetAttributeValue(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    call("C_GetAttributeValue", |module| {
        let (session, bus) = module.session_on_chip(session)?;
        // SAFETY: the client's template of that length.
        for attribute in unsafe { memory::array_mut(template, count)? } {
            let value = session.attribute(bus, object, attribute.type_).map_err(|refusal| {
                attribute.ulValueLen = refusal.length;
                refusal.answer
            })?;
            let length = value.len() as CK_ULONG;
            if !attribute.pValue.is_null() {
                if attribute.ulValueLen < length {
                    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
                    return Err(CKR_BUFFER_TOO_SMALL);
                }
                // SAFETY: the client's buffer, which has room for the value.
                unsafe { memory::array_mut(attribute.pValue.cast::<u8>(), length)? }.copy_from_slice(&value);
            }
            attribute.ulValueLen = length;
        }
        Ok(())
    })
}

pub(super) unsafe extern "C" fn C_GetObjectSize(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    size: *mut CK_ULONG,
) -> CK_RV {
    call("C_GetObjectSize", |module| {
        let answer = module.object_size(session, object)?;
        // SAFETY: the client's pointer.
        unsafe { memory::write(size, answer) }
    })
}

pub(super) unsafe extern "C" fn C_SignInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call("C_SignInit", |module| {
        let version = module.version();
        let (session, _) = module.session(session)?;
        // SAFETY: the client's pointer.
        let mechanism = unsafe { memory::read(mechanism)? };
        let parameter = (!mechanism.pParameter.is_null() && mechanism.ulParameterLen != 0)
            .then(|| Parameter { address: mechanism.pParameter.expose_provenance() });
        session.begin_signature(version, Operation { mechanism: mechanism.mechanism, parameter, key })
    })
}

/// Computes the whole signature each time, also for a client that only asks for its length.
pub(super) unsafe extern "C" fn C_Sign(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    data_length: CK_ULONG,
    signature: *mut CK_BYTE,
    signature_length: *mut CK_ULONG,
) -> CK_RV {
    call("C_Sign", |module| {
        let (session, bus) = module.session_on_chip(session)?;
        // SAFETY: the client's pointers.
        let arguments = unsafe { (memory::array(data, data_length), memory::read(signature_length)) };
        let (Ok(data), Ok(room)) = arguments else {
            session.end_operation();
            return Err(CKR_ARGUMENTS_BAD);
        };
        let operation = session.operation.as_ref();
        let pss_hash =
            operation.filter(|operation| operation.mechanism == CKM_RSA_PKCS_PSS).and_then(|pss| {
                let block =
                    std::ptr::with_exposed_provenance::<CK_RSA_PKCS_PSS_PARAMS>(pss.parameter?.address);
                // SAFETY: the block that C_SignInit was given. The real module reads it only now, too: a client whose
                // block is gone by now is wrong with either.
                unsafe { memory::read(block) }.ok().map(|parameters| parameters.hashAlg)
            });
        let result = session.sign(bus, data, pss_hash)?;

        let length = result.len() as CK_ULONG;
        let too_small = !signature.is_null() && room < length;
        if !too_small || bus.version().tells_needed_length() {
            // SAFETY: the client's pointer, which is not null.
            unsafe { memory::write(signature_length, length)? };
        }
        if too_small {
            // The operation stays, and so most versions' session can begin no other.
            return Err(CKR_BUFFER_TOO_SMALL);
        }
        if signature.is_null() {
            return Ok(());
        }
        // SAFETY: the client's buffer, which has room for the signature.
        unsafe { memory::array_mut(signature, length)? }.copy_from_slice(&result);
        session.end_operation();
        Ok(())
    })
}
