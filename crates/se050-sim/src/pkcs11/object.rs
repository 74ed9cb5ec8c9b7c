//! Finding objects, and reading their attributes.

use cryptoki_sys::*;

use super::{call, memory};

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
