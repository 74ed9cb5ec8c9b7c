//! C_FindObjects, with the habits that NXP's module 4.2 has.

use std::ptr::null_mut;

use crate::bench::{Bench, Client, EC_KEY, Label, RSA_CERTIFICATE, RSA_KEY, RSA_LABEL, bytes, c};
use cryptoki_sys::*;
use se050_sim::WOULD_CRASH;

#[test]
fn labels_find_objects() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let key: &[u32] = &[RSA_KEY];
    let cases: &[(&str, &str, CK_RV, &[u32])] = &[
        ("little-endian", RSA_LABEL, CKR_OK, key),
        ("certificate", "sss:110100F0", CKR_OK, &[RSA_CERTIFICATE]),
        ("lower case", "sss:100100f0", CKR_OK, key),
        ("0x", "sss:0x100100F0", CKR_OK, key),
        ("rubbish behind", "sss:100100F0zz", CKR_OK, key),
        ("more than eight digits", "sss:1100100F0", CKR_OK, key),
        ("fewer digits", "sss:100100F", CKR_OK, &[]),
        ("big-endian", "sss:F0000110", CKR_OK, &[]),
        ("prefix in capitals", "SSS:100100F0", CKR_OK, &[]),
        ("a name", "device", CKR_OK, &[]),
        ("value zero", "sss:00000000", CKR_ARGUMENTS_BAD, &[]),
        ("no digits", "sss:", CKR_ARGUMENTS_BAD, &[]),
        ("empty", "", CKR_FUNCTION_FAILED, &[]),
        ("31 bytes", "sss:100100F0..................", CKR_OK, key),
    ];
    for (case, label, answer, found) in cases {
        let mut label = Label::new(label);
        let found: Vec<CK_OBJECT_HANDLE> = found.iter().map(|id| (*id).into()).collect();
        assert_eq!(client.find(&mut [label.attribute()]), (*answer, found), "{case}");
    }
}

#[test]
fn a_failed_search_leaves_the_count_untouched() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let mut label = Label::new("sss:0");
    assert_eq!(client.find_init(&mut [label.attribute()]), CKR_OK);
    let (mut handle, mut count) = (0, 4711);
    assert_eq!(c!(client, C_FindObjects(1, &mut handle, 1, &mut count)), CKR_ARGUMENTS_BAD);
    assert_eq!(count, 4711);
}

#[test]
fn a_named_object_is_found_by_its_hash() {
    let bench = Bench::new();
    // The last four bytes of SHA-512("device").
    bench.chip.install_certificate(0xC5A9_93FB, b"data").unwrap();
    let client = Client::open(&bench.chip);
    let mut label = Label::new("device");
    assert_eq!(client.find(&mut [label.attribute()]), (CKR_OK, vec![0xC5A9_93FB]));
}

#[test]
fn a_label_without_its_nul_is_found_out() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let cases: &[(&str, &[u8], usize)] = &[
        ("something else follows", b"sss:100100F0#\0", 12),
        ("cut in the middle", b"sss:100100F0\0", 6),
        ("longer than 31 bytes", b"sss:100100F0....................\0", 32),
    ];
    for (case, memory, length) in cases {
        let mut memory = [*memory, &[0; 40]].concat();
        let mut label = bytes(CKA_LABEL, &mut memory);
        label.ulValueLen = *length as CK_ULONG;
        assert_eq!(client.find_init(&mut [label]), CKR_FUNCTION_FAILED, "{case}");
    }
    // A NUL that is counted does no harm.
    let mut memory = *b"sss:100100F0\0";
    assert_eq!(client.find(&mut [bytes(CKA_LABEL, &mut memory)]).1, vec![CK_OBJECT_HANDLE::from(RSA_KEY)]);
}

#[test]
fn label_and_id_win_over_all_else() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let mut label = Label::new(RSA_LABEL);
    let mut id = RSA_KEY.to_ne_bytes();
    let mut other_id = EC_KEY.to_ne_bytes();
    let mut class = CKO_CERTIFICATE.to_ne_bytes();
    let mut yes = [CK_TRUE];

    let mut by_label = [bytes(CKA_CLASS, &mut class), label.attribute(), bytes(CKA_ID, &mut other_id)];
    assert_eq!(client.find(&mut by_label), (CKR_OK, vec![RSA_KEY.into()]));
    let mut by_id = [bytes(CKA_CLASS, &mut class), bytes(CKA_ID, &mut id), bytes(CKA_PRIVATE, &mut yes)];
    assert_eq!(client.find(&mut by_id), (CKR_OK, vec![RSA_KEY.into()]));
    // The id's bytes the other way round are another id.
    id.reverse();
    assert_eq!(client.find(&mut [bytes(CKA_ID, &mut id)]), (CKR_OK, vec![]));
}

#[test]
fn a_hit_is_delivered_once() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let mut label = Label::new(RSA_LABEL);
    assert_eq!(client.find_init(&mut [label.attribute()]), CKR_OK);
    assert_eq!(client.find_next(1), (CKR_OK, vec![RSA_KEY.into()]));
    assert_eq!(client.find_next(1), (CKR_OK, vec![]));
    assert_eq!(c!(client, C_FindObjectsFinal(1)), CKR_OK);
    assert_eq!(c!(client, C_FindObjectsFinal(1)), CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(client.find_next(1).0, CKR_OPERATION_NOT_INITIALIZED);
}

#[test]
fn a_search_that_was_not_ended_leaks_into_the_next() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let (mut label, mut id) = (Label::new(RSA_LABEL), EC_KEY.to_ne_bytes());
    assert_eq!(client.find_init(&mut [label.attribute()]), CKR_OK);
    assert_eq!(client.find_init(&mut [bytes(CKA_ID, &mut id)]), CKR_OK, "a second one is not refused");
    assert_eq!(client.find_next(1), (CKR_OK, vec![RSA_KEY.into()]), "the old label wins over the new id");

    // And a hit that was delivered counts for the next search.
    assert_eq!(client.find_init(&mut [label.attribute()]), CKR_OK);
    assert_eq!(client.find_next(1), (CKR_OK, vec![]));
}

#[test]
fn enumeration_fills_half_of_each_handle() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let (mut certificates, mut public) = (CKO_CERTIFICATE.to_ne_bytes(), CKO_PUBLIC_KEY.to_ne_bytes());
    let mut private = CKO_PRIVATE_KEY.to_ne_bytes();
    let cases: [(&str, &mut [u8], &[u64]); 3] = [
        ("certificates", &mut certificates, &[0x101, 0x103, 0x111, 0x113]),
        ("public keys", &mut public, &[]),
        ("private keys", &mut private, &[0x100, 0x102, 0x110, 0x112]),
    ];
    for (case, class, expected) in cases {
        assert_eq!(client.find_init(&mut [bytes(CKA_CLASS, class)]), CKR_OK, "{case}");
        let handles = all_pages(&client);
        assert_eq!(c!(client, C_FindObjectsFinal(1)), CKR_OK, "{case}");
        let low: Vec<u64> = handles.iter().map(|handle| handle & 0xFFFF_FFFF).collect();
        let ids: Vec<u64> = expected.iter().map(|id| 0xF000_0000 | id).collect();
        assert_eq!(low, ids, "{case}");
        assert!(handles.iter().all(|handle| handle >> 32 != 0), "{case}: {handles:x?}");
    }

    // All; a key pair appears once.
    assert_eq!(c!(client, C_FindObjectsInit(1, null_mut(), 0)), CKR_OK);
    assert_eq!(all_pages(&client).len(), 8);
    assert_eq!(c!(client, C_FindObjectsFinal(1)), CKR_OK);
}

/// What a running enumeration gives: one object a call, however much room there is.
fn all_pages(client: &Client) -> Vec<CK_OBJECT_HANDLE> {
    let pages = std::iter::repeat_with(|| client.find_next(3).1).take_while(|page| !page.is_empty());
    pages.inspect(|page| assert_eq!(page.len(), 1)).flatten().collect()
}

#[test]
fn a_running_search_hides_other_objects() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let mut label = Label::new(RSA_LABEL);
    assert_eq!(client.find_init(&mut [label.attribute()]), CKR_OK);
    let before = client.attribute(RSA_KEY.into(), CKA_KEY_TYPE).0;
    assert_eq!(before, WOULD_CRASH, "nothing found yet");
    assert_eq!(client.find_next(1).1, vec![CK_OBJECT_HANDLE::from(RSA_KEY)]);
    assert_eq!(client.attribute(RSA_KEY.into(), CKA_KEY_TYPE).0, CKR_OK);
    assert_eq!(client.attribute(RSA_CERTIFICATE.into(), CKA_VALUE).0, CKR_FUNCTION_FAILED);
    assert_eq!(c!(client, C_FindObjectsFinal(1)), CKR_OK);
    assert_eq!(client.attribute(RSA_CERTIFICATE.into(), CKA_VALUE).0, CKR_OK);
}

#[test]
fn bad_arguments_are_refused() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let mut label = Label::new(RSA_LABEL);
    let (mut handle, mut count) = (0, 0);
    let mut attribute = label.attribute();
    assert_eq!(c!(client, C_FindObjectsInit(2, &mut attribute, 1)), CKR_SESSION_HANDLE_INVALID);
    assert_eq!(client.find_init(&mut [label.attribute()]), CKR_OK);
    assert_eq!(c!(client, C_FindObjects(1, &mut handle, 0, &mut count)), CKR_ARGUMENTS_BAD);
    assert_eq!(c!(client, C_FindObjects(1, null_mut(), 1, &mut count)), CKR_ARGUMENTS_BAD);
    assert_eq!(c!(client, C_FindObjects(1, &mut handle, 1, null_mut())), CKR_ARGUMENTS_BAD);
}
