//! C_SignInit and C_Sign.

use cryptoki_sys::*;

use super::{call, memory};
use crate::module::{Operation, Parameter};

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
