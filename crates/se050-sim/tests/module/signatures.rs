//! C_SignInit and C_Sign, with the habits that NXP's module 4.2 has. That the signatures are right is shown in
//! `pkcs11_tool.rs`, where OpenSSL verifies them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Client, EC_KEY, RSA_CERTIFICATE, RSA_KEY, SHA256_DIGEST_INFO, c};
use cryptoki_sys::*;
use se050_sim::Fault;

const DIGEST: [u8; 32] = [0x5A; 32];

fn digest_info() -> Vec<u8> {
    [&SHA256_DIGEST_INFO[..], &DIGEST].concat()
}

#[test]
fn a_length_query_is_a_whole_signature() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    assert_eq!(client.sign_init(CKM_RSA_PKCS, RSA_KEY), CKR_OK);
    assert_eq!(bench.chip.calls().unwrap().signatures(), 0);
    assert_eq!(client.sign_length(&digest_info()), (CKR_OK, 256));
    assert_eq!(bench.chip.calls().unwrap().signatures(), 1);
    assert_eq!(client.sign(&digest_info()).0, CKR_OK);
    let calls = bench.chip.calls().unwrap();
    assert_eq!((calls.signatures(), calls.of("C_Sign"), calls.of("C_SignInit")), (2, 2, 1));
}

#[test]
fn nothing_is_checked_before_sign() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let cases: &[(&str, CK_MECHANISM_TYPE, u32, &[u8], CK_RV)] = &[
        ("no such mechanism", CKM_RSA_X_509, RSA_KEY, &[0; 256], CKR_MECHANISM_INVALID),
        ("hash of a later version", CKM_ECDSA_SHA256, EC_KEY, b"message", CKR_MECHANISM_INVALID),
        ("no such key", CKM_RSA_PKCS, 0x1234, &DIGEST, CKR_KEY_HANDLE_INVALID),
        ("no such EC key", CKM_ECDSA, 0x1234, &DIGEST, CKR_FUNCTION_FAILED),
        ("an RSA key for ECDSA", CKM_ECDSA, RSA_KEY, &DIGEST, CKR_FUNCTION_FAILED),
        ("an EC key for RSA", CKM_RSA_PKCS, EC_KEY, &DIGEST, CKR_MECHANISM_INVALID),
        ("a certificate", CKM_RSA_PKCS, RSA_CERTIFICATE, &DIGEST, CKR_FUNCTION_FAILED),
        ("PSS without its parameters", CKM_RSA_PKCS_PSS, RSA_KEY, &DIGEST, CKR_ARGUMENTS_BAD),
        ("too long for the modulus", CKM_RSA_PKCS, RSA_KEY, &[0; 246], CKR_MECHANISM_INVALID),
        ("longest for the modulus", CKM_RSA_PKCS, RSA_KEY, &[1; 245], CKR_OK),
        ("no digest's length", CKM_ECDSA, EC_KEY, &[1; 33], CKR_DATA_LEN_RANGE),
        ("shorter than a digest", CKM_ECDSA, EC_KEY, &[1; 8], CKR_OK),
    ];
    for (case, mechanism, key, data, expected) in cases {
        assert_eq!(client.sign_init(*mechanism, *key), CKR_OK, "{case}: C_SignInit");
        assert_eq!(client.sign(data).0, *expected, "{case}");
        client.reopen();
    }
}

#[test]
fn sign_without_init_is_an_invalid_mechanism() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    assert_eq!(client.sign(&DIGEST).0, CKR_MECHANISM_INVALID);
    assert_eq!(c!(client, C_SignUpdate(1, std::ptr::null_mut(), 0)), CKR_FUNCTION_NOT_SUPPORTED);
}

/// What wedges a session: it then answers CKR_SESSION_HANDLE_INVALID to C_SignInit until it is closed.
#[test]
fn some_failures_wedge_the_session() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let mut sha256 = CK_RSA_PKCS_PSS_PARAMS { hashAlg: CKM_SHA256, mgf: CKG_MGF1_SHA256, sLen: 32 };
    type Case<'a> = (&'a str, &'a mut dyn FnMut() -> CK_RV, CK_RV, bool);
    let cases: [Case<'_>; 8] = [
        (
            "small buffer",
            &mut || {
                client.sign_init(CKM_RSA_PKCS, RSA_KEY);
                let (answer, length, _) = client.sign_into(&digest_info(), 255);
                assert_eq!(length, 256, "the length is told");
                answer
            },
            CKR_BUFFER_TOO_SMALL,
            true,
        ),
        (
            "missing key",
            &mut || {
                client.sign_init(CKM_RSA_PKCS, 0x1234);
                client.sign(&DIGEST).0
            },
            CKR_KEY_HANDLE_INVALID,
            true,
        ),
        (
            "wrong digest for PSS",
            &mut || {
                client.sign_init_pss(&mut sha256, RSA_KEY);
                client.sign(&[0; 20]).0
            },
            CKR_DATA_LEN_RANGE,
            true,
        ),
        (
            "refused by the chip",
            &mut || {
                client.sign_init(CKM_ECDSA, RSA_KEY);
                client.sign(&DIGEST).0
            },
            CKR_FUNCTION_FAILED,
            true,
        ),
        ("never signed", &mut || client.sign_init(CKM_RSA_PKCS, RSA_KEY), CKR_OK, true),
        (
            "length query only",
            &mut || {
                client.sign_init(CKM_RSA_PKCS, RSA_KEY);
                client.sign_length(&digest_info()).0
            },
            CKR_OK,
            true,
        ),
        (
            "no such mechanism",
            &mut || {
                client.sign_init(CKM_RSA_X_509, RSA_KEY);
                client.sign(&DIGEST).0
            },
            CKR_MECHANISM_INVALID,
            false,
        ),
        (
            "success",
            &mut || {
                client.sign_init(CKM_ECDSA, EC_KEY);
                client.sign(&DIGEST).0
            },
            CKR_OK,
            false,
        ),
    ];
    for (case, run, expected, wedged) in cases {
        assert_eq!(run(), expected, "{case}");
        let next = client.sign_init(CKM_RSA_PKCS, RSA_KEY);
        assert_eq!(next, if wedged { CKR_SESSION_HANDLE_INVALID } else { CKR_OK }, "after {case}");
        client.reopen();
        assert_eq!(client.sign_init(CKM_RSA_PKCS, RSA_KEY), CKR_OK, "after {case} and a new session");
        assert_eq!(client.sign(&digest_info()).0, CKR_OK);
    }
}

#[test]
fn pss_parameters_are_read_when_it_signs() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let mut parameters = CK_RSA_PKCS_PSS_PARAMS { hashAlg: CKM_SHA256, mgf: CKG_MGF1_SHA256, sLen: 32 };
    assert_eq!(client.sign_init_pss(&mut parameters, RSA_KEY), CKR_OK);
    // The client's block changes after C_SignInit: the module sees it, as it kept the pointer only.
    let block = std::ptr::from_mut(&mut parameters);
    // SAFETY: our own variable. Volatile, since the module reads it behind the compiler's back.
    unsafe { (&raw mut (*block).hashAlg).write_volatile(CKM_SHA512) };
    assert_eq!(client.sign(&[1; 64]).0, CKR_OK);
    assert_eq!(parameters.hashAlg, CKM_SHA512);

    parameters.hashAlg = CKM_MD5;
    assert_eq!(client.sign_init_pss(&mut parameters, RSA_KEY), CKR_OK);
    assert_eq!(client.sign(&[1; 16]).0, CKR_MECHANISM_INVALID);
}

/// About one ECDSA signature in 256 is too short to be of use.
#[test]
fn some_ecdsa_signatures_are_short() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let mut lengths = BTreeMap::new();
    // None in 8192 would happen once in 10^13 runs.
    for _ in 0..8192 {
        assert_eq!(client.sign_init(CKM_ECDSA, EC_KEY), CKR_OK);
        let (answer, signature) = client.sign(&DIGEST);
        assert_eq!(answer, CKR_OK);
        *lengths.entry(signature.len()).or_insert(0) += 1;
        if lengths.len() > 1 {
            break;
        }
    }
    assert!(lengths.contains_key(&64) || lengths.len() == 1, "{lengths:?}");
    assert!(lengths.keys().any(|length| *length < 64 && length % 2 == 0), "{lengths:?}");
}

#[test]
fn calls_of_two_threads_at_a_time_are_counted() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    assert_eq!((client.random(), client.random()), (CKR_OK, CKR_OK));
    assert_eq!(bench.chip.calls().unwrap().overlaps(), 0);
    bench.chip.set_fault(Fault::Held).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| client.random());
        scope.spawn(|| client.random());
        // One is held at the chip, the other one finds it there. Without that, the counts below are wrong.
        let begun = Instant::now();
        while bench.chip.calls().unwrap().overlaps() == 0 && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        bench.chip.set_fault(Fault::None).unwrap();
    });
    let calls = bench.chip.calls().unwrap();
    assert_eq!((calls.overlaps(), calls.of("C_GenerateRandom")), (1, 4));
}

#[test]
fn threads_with_a_session_each_work_side_by_side() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let sessions = [1, client.open_session().1, client.open_session().1];
    std::thread::scope(|scope| {
        for session in sessions {
            let client = &client;
            scope.spawn(move || {
                for _ in 0..20 {
                    let mut mechanism = CK_MECHANISM { mechanism: CKM_ECDSA, ..CK_MECHANISM::default() };
                    assert_eq!(c!(client, C_SignInit(session, &mut mechanism, EC_KEY.into())), CKR_OK);
                    let (mut digest, mut signature, mut length) = (DIGEST, [0; 64], 64);
                    let (data, output) = (digest.as_mut_ptr(), signature.as_mut_ptr());
                    assert_eq!(c!(client, C_Sign(session, data, 32, output, &mut length)), CKR_OK);
                }
            });
        }
    });
    let calls = bench.chip.calls().unwrap();
    assert_eq!((calls.signatures(), calls.of("C_Sign"), calls.of("C_SignInit")), (60, 60, 60));
}
