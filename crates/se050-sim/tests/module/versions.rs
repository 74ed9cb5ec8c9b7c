//! What differs from version to version in attributes, signatures, and what the module says of itself.

use std::ptr::null_mut;

use crate::bench::{Bench, Client, EC_KEY, RSA_KEY, SHA256_DIGEST_INFO, c};
use crate::quirk::{Seen, all, see};
use cryptoki_sys::*;
use se050_sim::{Chip, Version};

const DIGEST: [u8; 32] = [0x5A; 32];

fn digest_info() -> Vec<u8> {
    [&SHA256_DIGEST_INFO[..], &DIGEST].concat()
}

fn signed(client: &Client, mechanism: CK_MECHANISM_TYPE, key: u32, data: &[u8]) -> Seen {
    assert_eq!(client.sign_init(mechanism, key), CKR_OK);
    let (answer, signature) = client.sign(data);
    (answer, signature.len() as u64)
}

#[test]
fn attributes() {
    const NONE: Seen = (CKR_FUNCTION_NOT_SUPPORTED, 0);
    see(&[
        (
            "the curve of an EC key",
            |c| {
                let (answer, curve) = c.attribute(EC_KEY.into(), CKA_EC_PARAMS);
                (answer, curve.len() as u64)
            },
            [(CKR_OK, 10), (CKR_OK, 10), (CKR_OK, 10), (CKR_DEVICE_ERROR, 0)],
        ),
        (
            "an object's size",
            |c| {
                let mut size = 0;
                let answer = c!(c, C_GetObjectSize(c.session(), RSA_KEY.into(), &mut size));
                (answer, size)
            },
            [NONE, NONE, NONE, (CKR_OK, 256)],
        ),
    ]);
}

#[test]
fn signing() {
    const INVALID: Seen = (CKR_MECHANISM_INVALID, 0);
    const NO_HASH: Seen = (CKR_DEVICE_ERROR, 0);
    see(&[
        ("PKCS#1 v1.5", |c| signed(c, CKM_RSA_PKCS, RSA_KEY, &digest_info()), all((CKR_OK, 256))),
        (
            "PKCS#1 v1.5 of a message",
            |c| signed(c, CKM_SHA256_RSA_PKCS, RSA_KEY, b"m"),
            [(CKR_OK, 256), (CKR_OK, 256), NO_HASH, (CKR_OK, 256)],
        ),
        (
            "PSS of a message",
            |c| signed(c, CKM_SHA256_RSA_PKCS_PSS, RSA_KEY, b"m"),
            [(CKR_OK, 256), (CKR_OK, 256), NO_HASH, (CKR_OK, 256)],
        ),
        (
            "PSS without parameters",
            |c| signed(c, CKM_RSA_PKCS_PSS, RSA_KEY, &DIGEST),
            [(CKR_ARGUMENTS_BAD, 0), (CKR_ARGUMENTS_BAD, 0), (CKR_ARGUMENTS_BAD, 0), INVALID],
        ),
        (
            "ECDSA with SHA-1",
            |c| (signed(c, CKM_ECDSA_SHA1, EC_KEY, b"m").0, 0),
            [(CKR_OK, 0), (CKR_OK, 0), NO_HASH, (CKR_OK, 0)],
        ),
        (
            "ECDSA with SHA-256",
            |c| (signed(c, CKM_ECDSA_SHA256, EC_KEY, b"m").0, 0),
            [INVALID, INVALID, INVALID, (CKR_OK, 0)],
        ),
        ("RSA_X_509", |c| signed(c, CKM_RSA_X_509, RSA_KEY, &[0; 256]), all(INVALID)),
        (
            "no such RSA key",
            |c| signed(c, CKM_RSA_PKCS, 0x1234, &digest_info()),
            [
                (CKR_KEY_HANDLE_INVALID, 0),
                (CKR_KEY_HANDLE_INVALID, 0),
                (CKR_KEY_HANDLE_INVALID, 0),
                (CKR_FUNCTION_FAILED, 0),
            ],
        ),
        (
            "a session after a failure",
            |c| {
                signed(c, CKM_RSA_PKCS, 0x1234, &digest_info());
                (c.sign_init(CKM_RSA_PKCS, RSA_KEY), 0)
            },
            [
                (CKR_SESSION_HANDLE_INVALID, 0),
                (CKR_SESSION_HANDLE_INVALID, 0),
                (CKR_SESSION_HANDLE_INVALID, 0),
                (CKR_OK, 0),
            ],
        ),
        (
            "a session after a mechanism that hashes",
            |c| {
                signed(c, CKM_SHA256_RSA_PKCS, RSA_KEY, b"m");
                (c.sign_init(CKM_RSA_PKCS, RSA_KEY), 0)
            },
            all((CKR_OK, 0)),
        ),
        (
            "a length query is answered",
            |c| {
                assert_eq!(c.sign_init(CKM_RSA_PKCS, RSA_KEY), CKR_OK);
                let (answer, length) = c.sign_length(&digest_info());
                (answer, length as u64)
            },
            all((CKR_OK, 256)),
        ),
        (
            "a small buffer learns the length",
            |c| {
                assert_eq!(c.sign_init(CKM_RSA_PKCS, RSA_KEY), CKR_OK);
                let (answer, length, _) = c.sign_into(&digest_info(), 255);
                assert_eq!(c.sign(&digest_info()).0, CKR_OK, "the operation goes on");
                (answer, length as u64)
            },
            [
                (CKR_BUFFER_TOO_SMALL, 256),
                (CKR_BUFFER_TOO_SMALL, 256),
                (CKR_BUFFER_TOO_SMALL, 256),
                (CKR_BUFFER_TOO_SMALL, 255),
            ],
        ),
        (
            "a key's handle with garbage above",
            |c| {
                let mut mechanism = CK_MECHANISM { mechanism: CKM_ECDSA, ..CK_MECHANISM::default() };
                let handle = (0x7F56_0000_0000 | u64::from(EC_KEY)) as CK_OBJECT_HANDLE;
                assert_eq!(c!(c, C_SignInit(c.session(), &mut mechanism, handle)), CKR_OK);
                (c.sign(&DIGEST).0, 0)
            },
            [(CKR_OK, 0), (CKR_OK, 0), (CKR_OK, 0), (CKR_FUNCTION_FAILED, 0)],
        ),
    ]);
}

#[test]
fn the_module_about_itself() {
    see(&[
        (
            "version",
            |c| {
                let mut token = CK_TOKEN_INFO::default();
                let answer = c!(c, C_GetTokenInfo(1, &mut token));
                (answer, u64::from(token.firmwareVersion.major) * 10 + u64::from(token.firmwareVersion.minor))
            },
            [(CKR_OK, 33), (CKR_OK, 42), (CKR_OK, 43), (CKR_OK, 47)],
        ),
        (
            "length of the mechanism list",
            |c| {
                let mut count = 0;
                (c!(c, C_GetMechanismList(1, null_mut(), &mut count)), count)
            },
            [(CKR_OK, 232), (CKR_OK, 240), (CKR_OK, 240), (CKR_OK, 39)],
        ),
        (
            "zeros in the mechanism list",
            |c| {
                let (mut list, mut count) = ([u64::MAX as CK_MECHANISM_TYPE; 240], 240);
                let answer = c!(c, C_GetMechanismList(1, list.as_mut_ptr(), &mut count));
                (answer, list[..count as usize].iter().filter(|mechanism| **mechanism == 0).count() as u64)
            },
            // One of them is CKM_RSA_PKCS_KEY_PAIR_GEN, which is zero indeed.
            [(CKR_OK, 204), (CKR_OK, 211), (CKR_OK, 211), (CKR_OK, 1)],
        ),
        (
            "ECDSA_SHA256 is known",
            |c| {
                let mut info = CK_MECHANISM_INFO::default();
                (c!(c, C_GetMechanismInfo(1, CKM_ECDSA_SHA256, &mut info)), 0)
            },
            [(CKR_MECHANISM_INVALID, 0), (CKR_MECHANISM_INVALID, 0), (CKR_MECHANISM_INVALID, 0), (CKR_OK, 0)],
        ),
        (
            "a NUL in the slot's manufacturer",
            |c| {
                let mut slot = CK_SLOT_INFO::default();
                (c!(c, C_GetSlotInfo(1, &mut slot)), slot.manufacturerID.contains(&0).into())
            },
            [(CKR_OK, 1), (CKR_OK, 1), (CKR_OK, 1), (CKR_OK, 0)],
        ),
        (
            "the library's texts are blank",
            |c| {
                let mut info = CK_INFO::default();
                (c!(c, C_GetInfo(&mut info)), (info.libraryDescription == [b' '; 32]).into())
            },
            [(CKR_OK, 1), (CKR_OK, 1), (CKR_OK, 1), (CKR_OK, 0)],
        ),
    ]);
}

#[test]
fn an_older_chips_settings_are_read() {
    let bench = Bench::new();
    let file = bench.chip.directory().join("chip.json");
    std::fs::write(file, r#"{ "version": "4.2", "log_to_stdout": false }"#).unwrap();
    assert_eq!(Chip::open(bench.chip.directory()).unwrap().version().unwrap(), Version::V4_2);
}
