//! Signatures that come out wrong, and sessions that break.

use cryptoki_sys::{
    CKR_DEVICE_ERROR, CKR_FUNCTION_FAILED, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID,
};
use se050_key::{Error, Scheme};
use se050_sim::{Fault, ShortEcdsa, Version};

use crate::bench::{EC_KEY, RSA_KEY, RSA_KEY_ID, calls, new_chip, on_each_version, open, selector};

#[test]
fn ecdsa_signatures_of_the_wrong_length_are_made_again() {
    on_each_version(|chip, _| {
        let (key, _) = open(chip).identity(&selector(EC_KEY), None).unwrap();
        chip.set_short_ecdsa(ShortEcdsa::OneIn(2)).unwrap();
        let before = calls(chip, "C_Sign");
        for number in 0..10_u8 {
            // Every other one is short, so the second of them is not.
            key.sign(Scheme::EcdsaP256Sha256, &[number]).unwrap();
        }
        assert!(calls(chip, "C_Sign") - before > 10);

        chip.set_short_ecdsa(ShortEcdsa::OneIn(1)).unwrap();
        let before = calls(chip, "C_Sign");
        let error = key.sign(Scheme::EcdsaP256Sha256, b"a message").unwrap_err();
        assert!(matches!(error, Error::BadSignature { .. }), "{error:?}");
        assert_eq!(calls(chip, "C_Sign") - before, 4, "it is given up in the end");
    });
}

#[test]
fn a_signature_with_one_wrong_bit_does_not_get_out() {
    on_each_version(|chip, _| {
        let token = open(chip);
        for (label, scheme) in [(RSA_KEY, Scheme::RsaPkcs1Sha256), (EC_KEY, Scheme::EcdsaP256Sha256)] {
            let (key, _) = token.identity(&selector(label), None).unwrap();
            chip.set_fault(Fault::CorruptSignatures).unwrap();
            let error = key.sign(scheme, b"a message").unwrap_err();
            assert!(
                matches!(error, Error::BadSignature { .. }) && error.is_transient(),
                "{label}: {error:?}"
            );
            chip.set_fault(Fault::None).unwrap();
            key.sign(scheme, b"a message").unwrap();
        }
    });
}

#[test]
fn a_session_that_a_failed_signature_broke_is_replaced_and_the_signature_made() {
    for answer in [CKR_FUNCTION_FAILED, CKR_KEY_HANDLE_INVALID, CKR_DEVICE_ERROR] {
        on_each_version(|chip, version| {
            let (key, _) = open(chip).identity(&selector("0xF0000110"), None).unwrap();
            chip.set_fault(Fault::FailNextSign(answer)).unwrap();
            key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap();
            assert_eq!(calls(chip, "C_OpenSession"), 2, "{version:?}, {answer:#x}");
            assert_eq!(calls(chip, "C_CloseSession"), 1);
            key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap();
            assert_eq!(calls(chip, "C_OpenSession"), 2);
        });
    }
}

/// Fault 10: after a failed C_Sign, NXP's module up to 4.3 can sign no more in that session, with whatever key.
#[test]
fn a_key_that_cannot_sign_does_not_keep_another_from_it() {
    on_each_version(|chip, version| {
        let token = open(chip);
        let (bad, _) = token.identity(&selector(EC_KEY), None).unwrap();
        // RSA: NXP's module spoils one ECDSA signature in some hundred, which is then made again.
        let (good, _) = token.identity(&selector(RSA_KEY), None).unwrap();
        // It is not made again, so the good key is the next to need the session.
        chip.set_fault(Fault::FailNextSign(CKR_KEY_FUNCTION_NOT_PERMITTED)).unwrap();
        let error = bad.sign(Scheme::EcdsaP256Sha256, b"a message").unwrap_err();
        assert!(matches!(error, Error::Call { .. }), "{version:?}: {error:?}");
        let before = ["C_SignInit", "C_Sign"].map(|function| calls(chip, function));
        good.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap();
        let after = ["C_SignInit", "C_Sign"].map(|function| calls(chip, function));
        assert_eq!(after, before.map(|calls| calls + 1), "{version:?}");
    });
}

/// Fault 7: what the key may not or cannot do is not tried again, and does not look like a matter of time.
#[test]
fn permanent_codes_are_permanent() {
    for answer in [
        cryptoki_sys::CKR_KEY_FUNCTION_NOT_PERMITTED,
        cryptoki_sys::CKR_MECHANISM_INVALID,
        cryptoki_sys::CKR_BUFFER_TOO_SMALL,
        cryptoki_sys::CKR_KEY_TYPE_INCONSISTENT,
    ] {
        let (chip, _directory) = new_chip();
        let (key, _) = open(&chip).identity(&selector(RSA_KEY), None).unwrap();
        chip.set_fault(Fault::FailEach { function: "C_Sign", answer }).unwrap();
        let error = key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err();
        let Error::Call { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!((source.function(), source.ckr()), ("C_Sign", answer));
        assert!(!error.is_transient(), "{error:?}");
        assert_eq!(calls(&chip, "C_Sign"), 1, "{error:?}");
    }
}

/// Fault 17: one failed transfer is no wrong certificate, and no wrong key.
#[test]
fn what_cannot_be_read_is_read_once_more() {
    on_each_version(|chip, _| {
        let token = open(chip);
        for function in ["C_GetAttributeValue", "C_FindObjects"] {
            chip.set_fault(Fault::FailNext { function, answer: CKR_DEVICE_ERROR }).unwrap();
            token.identity(&selector("0xF0000110"), None).unwrap();
            token.key(&selector(EC_KEY), None).unwrap();
        }
        // A wrong bit in the certificate, and in what it is compared with.
        for key in ["0xF0000110", EC_KEY] {
            for _ in 0..4 {
                chip.set_fault(Fault::CorruptNextRead).unwrap();
                token.identity(&selector(key), None).unwrap();
            }
            let certificate = token.certificate(&selector(key)).unwrap();
            chip.set_fault(Fault::CorruptNextRead).unwrap();
            token.key(&selector(key), &certificate).unwrap();
        }
        chip.set_fault(Fault::CorruptNextSignature).unwrap();
        let (key, _) = token.identity(&selector(RSA_KEY), None).unwrap();
        key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap();
    });
}

#[test]
fn a_new_session_that_does_not_help_is_not_opened_again_and_again() {
    let (chip, _directory) = new_chip();
    let (key, _) = open(&chip).identity(&selector(RSA_KEY), None).unwrap();
    let pkcs8 = |file: &str| {
        let text = std::fs::read(chip.directory().join("objects").join(file)).unwrap();
        pem::parse(text).unwrap().into_contents()
    };
    let (rsa, ec) = (pkcs8("F0000110.key.pem"), pkcs8("F0000100.key.pem"));
    // The chip answers, the key is found, and cannot sign: whatever session it is asked on.
    chip.install_key(RSA_KEY_ID, &ec).unwrap();
    for _ in 0..30 {
        let error = key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err();
        assert!(matches!(error, Error::Call { .. }), "{error:?}");
    }
    // Each new session that did not help doubles the pause before the next, from a second on.
    assert!(calls(&chip, "C_OpenSession") <= 6, "{}", calls(&chip, "C_OpenSession"));
    chip.install_key(RSA_KEY_ID, &rsa).unwrap();
    crate::bench::eventually(|| key.sign(Scheme::RsaPkcs1Sha256, b"a message").ok());
}

#[test]
fn a_key_that_is_gone_is_looked_up_again_and_not_found() {
    on_each_version(|chip, _| {
        let (key, _) = open(chip).identity(&selector(RSA_KEY), None).unwrap();
        std::fs::remove_file(chip.directory().join("objects/F0000110.key.pem")).unwrap();
        for _ in 0..5 {
            let error = key.sign(Scheme::RsaPkcs1Sha256, b"a message").unwrap_err();
            assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
        }
        // One for the first request's second try, and one for each later request.
        assert_eq!(calls(chip, "C_OpenSession"), 5);
    });
}

#[test]
fn the_wrong_scheme_and_a_foreign_certificate_are_refused_at_once() {
    on_each_version(|chip, version| {
        let token = open(chip);
        let (key, certificate) = token.identity(&selector(EC_KEY), None).unwrap();
        let signed = calls(chip, "C_SignInit");
        assert!(matches!(key.sign(Scheme::RsaPssSha256, b""), Err(Error::SchemeDoesNotFit { .. })));
        assert_eq!(calls(chip, "C_SignInit"), signed);

        for other in [RSA_KEY, "cloud-connection-1-ecc256"] {
            let error = token.key(&selector(other), &certificate).unwrap_err();
            let Error::KeyMismatch { key_fingerprint, certificate_fingerprint, .. } = &error else {
                panic!("{version:?} {other}: {error:?}")
            };
            let own = token.key(&selector(other), None).unwrap();
            assert_eq!(*key_fingerprint, own.public_key().fingerprint());
            assert_eq!(*certificate_fingerprint, certificate.public_key().fingerprint());
            assert!(matches!(own.check_certificate(&certificate), Err(Error::KeyMismatch { .. })));
        }
        if version == Version::V4_2 {
            let (rsa, _) = token.identity(&selector(RSA_KEY), None).unwrap();
            assert!(matches!(rsa.sign(Scheme::EcdsaP256Sha256, b""), Err(Error::SchemeDoesNotFit { .. })));
        }
    });
}
