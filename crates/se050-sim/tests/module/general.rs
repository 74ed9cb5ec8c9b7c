//! Initialisation, slot, token, mechanisms and sessions, as a client of NXP's module 4.2 meets them.

use std::ptr::null_mut;

use crate::bench::{Bench, Client, c};
use cryptoki_sys::*;

#[test]
fn the_one_slot_is_there_before_initialize() {
    let bench = Bench::new();
    let client = Client::load(&bench.chip);
    let (mut slots, mut count) = ([0; 4], 4);
    assert_eq!(c!(client, C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &mut count)), CKR_OK);
    assert_eq!((count, slots[0]), (1, 1));
    count = 0;
    assert_eq!(c!(client, C_GetSlotList(CK_TRUE, null_mut(), &mut count)), CKR_OK);
    assert_eq!(count, 1);
    count = 0;
    assert_eq!(c!(client, C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &mut count)), CKR_BUFFER_TOO_SMALL);
    assert_eq!(c!(client, C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), null_mut())), CKR_ARGUMENTS_BAD);
    assert_eq!(client.open_session().0, CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_eq!(c!(client, C_Finalize(null_mut())), CKR_CRYPTOKI_NOT_INITIALIZED);
}

#[test]
fn slot_and_token_say_what_they_are() {
    let bench = Bench::new();
    let client = Client::initialized(&bench.chip);

    let mut token = CK_TOKEN_INFO::default();
    assert_eq!(c!(client, C_GetTokenInfo(1, &mut token)), CKR_OK);
    assert_eq!(&token.label, b"SSS_PKCS11                      ");
    assert_eq!(&token.manufacturerID, b"NXP SIMULATED, DEV ONLY         ");
    assert_eq!((&token.model, &token.serialNumber), (&[b' '; 16], &[b' '; 16]));
    assert_eq!(token.flags, 0x401);
    assert_eq!(token.ulMaxSessionCount, 1);
    assert_eq!((token.ulMinPinLen, token.ulMaxPinLen), (0, 10));
    assert_eq!((token.hardwareVersion.major, token.hardwareVersion.minor), (3, 1));
    assert_eq!((token.firmwareVersion.major, token.firmwareVersion.minor), (4, 2));
    assert_eq!(c!(client, C_GetTokenInfo(7, &mut token)), CKR_OK, "the slot is not looked at");

    let mut slot = CK_SLOT_INFO::default();
    assert_eq!(c!(client, C_GetSlotInfo(0, &mut slot)), CKR_SLOT_ID_INVALID);
    assert_eq!(c!(client, C_GetSlotInfo(1, &mut slot)), CKR_OK);
    assert_eq!(&slot.manufacturerID, b"NXP\0                            ", "a NUL in the padding");
    assert_ne!(slot.flags & CKF_TOKEN_PRESENT, 0);

    let mut info = CK_INFO::default();
    assert_eq!(c!(client, C_GetInfo(&mut info)), CKR_OK);
    assert_eq!((info.cryptokiVersion.major, info.cryptokiVersion.minor), (2, 40));
    assert_eq!((&info.manufacturerID, &info.libraryDescription), (&[b' '; 32], &[b' '; 32]));
}

#[test]
fn the_mechanism_list_is_counted_in_bytes() {
    let bench = Bench::new();
    let client = Client::initialized(&bench.chip);
    let mut count = 0;
    assert_eq!(c!(client, C_GetMechanismList(1, null_mut(), &mut count)), CKR_OK);
    assert_eq!(count, 240);
    let mut list = vec![u32::MAX.into(); 240];
    count = 30;
    assert_eq!(c!(client, C_GetMechanismList(1, list.as_mut_ptr(), &mut count)), CKR_BUFFER_TOO_SMALL);
    assert_eq!(count, 240);
    assert_eq!(c!(client, C_GetMechanismList(1, list.as_mut_ptr(), &mut count)), CKR_OK);
    assert_eq!(list[0], CKM_RSA_PKCS);
    assert_eq!(list.iter().filter(|mechanism| **mechanism != 0).count(), 29, "one of the 30 is itself zero");
    assert!(list[30..].iter().all(|mechanism| *mechanism == 0));
    assert!(!list.contains(&CKM_ECDSA_SHA256));

    let mut info = CK_MECHANISM_INFO::default();
    assert_eq!(c!(client, C_GetMechanismInfo(1, CKM_RSA_X_509, &mut info)), CKR_OK, "though it cannot sign");
    assert_eq!(c!(client, C_GetMechanismInfo(1, CKM_ECDSA_SHA256, &mut info)), CKR_MECHANISM_INVALID);
    assert_eq!(c!(client, C_GetMechanismInfo(1, CKM_ECDSA, &mut info)), CKR_OK);
    assert_eq!((info.ulMinKeySize, info.ulMaxKeySize), (192, 521));
}

#[test]
fn three_sessions_and_no_more() {
    let bench = Bench::new();
    let client = Client::initialized(&bench.chip);
    assert_eq!(client.open_session(), (CKR_OK, 1));
    assert_eq!(client.open_session(), (CKR_OK, 2));
    assert_eq!(client.open_session(), (CKR_OK, 3));
    assert_eq!(client.open_session().0, CKR_DEVICE_MEMORY);
    assert_eq!(c!(client, C_CloseAllSessions(1)), CKR_FUNCTION_NOT_SUPPORTED);
    assert_eq!(c!(client, C_CloseSession(2)), CKR_OK);
    assert_eq!(c!(client, C_CloseSession(2)), CKR_SESSION_HANDLE_INVALID);
    assert_eq!(c!(client, C_CloseSession(0)), CKR_SESSION_HANDLE_INVALID);
    assert_eq!(client.open_session(), (CKR_OK, 2), "the free place is used again");
}

#[test]
fn open_session_checks_slot_and_flags() {
    let bench = Bench::new();
    let client = Client::initialized(&bench.chip);
    let mut session = 0;
    let cases = [
        ("another slot", 2, CKF_SERIAL_SESSION, CKR_ARGUMENTS_BAD),
        ("not serial", 1, CKF_RW_SESSION, CKR_SESSION_PARALLEL_NOT_SUPPORTED),
        ("read and write", 1, CKF_SERIAL_SESSION | CKF_RW_SESSION, CKR_OK),
    ];
    for (case, slot, flags, expected) in cases {
        let answer = c!(client, C_OpenSession(slot, flags, null_mut(), None, &mut session));
        assert_eq!(answer, expected, "{case}");
    }
}

#[test]
fn login_is_always_well() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let mut pin = *b"wrong";
    for (session, user) in [(1, CKU_USER), (1, CKU_USER), (1, CKU_SO), (99, CKU_USER)] {
        assert_eq!(c!(client, C_Login(session, user, pin.as_mut_ptr(), 5)), CKR_OK);
        assert_eq!(c!(client, C_Login(session, user, null_mut(), 0)), CKR_OK);
    }
    let mut info = CK_SESSION_INFO::default();
    assert_eq!(c!(client, C_GetSessionInfo(1, &mut info)), CKR_OK);
    assert_eq!(info.state, CKS_RW_PUBLIC_SESSION, "nobody is logged in");
    assert_eq!(c!(client, C_Logout(1)), CKR_OK);
}

#[test]
fn random_numbers_tell_whether_the_chip_answers() {
    let bench = Bench::new();
    let client = Client::initialized(&bench.chip);
    let mut random = [0; 32];
    assert_eq!(c!(client, C_GenerateRandom(1, random.as_mut_ptr(), 32)), CKR_FUNCTION_FAILED);
    assert_eq!(client.open_session().0, CKR_OK);
    assert_eq!(c!(client, C_GenerateRandom(77, random.as_mut_ptr(), 32)), CKR_OK, "whatever the handle");
    assert_ne!(random, [0; 32]);
    assert_eq!(c!(client, C_GenerateRandom(1, null_mut(), 32)), CKR_ARGUMENTS_BAD);
}

#[test]
fn a_module_without_a_chip_does_not_open() {
    let bench = Bench::new();
    std::fs::remove_file(bench.chip.directory().join("chip.json")).unwrap();
    let client = Client::initialized(&bench.chip);
    assert_eq!(client.open_session().0, CKR_GENERAL_ERROR);
}
