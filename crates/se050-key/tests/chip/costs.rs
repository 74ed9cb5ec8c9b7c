//! What the use of a key costs: calls of the module.

use se050_key::{Scheme, Token};

use crate::bench::{EC_KEY, RSA_KEY, on_each_version, open, selector};

#[test]
fn an_object_that_is_named_by_id_is_not_searched() {
    on_each_version(|chip, version| {
        let token = open(chip);
        for (name, attributes) in [
            // The certificate, and what it is compared with: the modulus, or the point.
            ("0xF0000110", 2),
            ("cloud-connection-0-ecc256", 2),
            // Whether the object with the bytes reversed exists, too.
            ("sss:100100F0", 3),
        ] {
            let before = chip.calls().unwrap();
            token.identity(&selector(name), None).unwrap();
            token.identity(&selector(name), None).unwrap();
            let after = chip.calls().unwrap();
            for (function, calls) in after.functions() {
                let expected = if function == "C_GetAttributeValue" { attributes + 2 } else { 0 };
                assert_eq!(calls - before.of(function), expected, "{version:?} {name}: {function}");
            }
            assert_eq!(after.signatures(), before.signatures());
        }
    });
}

#[test]
fn the_first_connection_costs_fourteen_apdus() {
    on_each_version(|chip, version| {
        let before = chip.calls().unwrap();
        let (key, _) = open(chip).identity(&selector("cloud-connection-0-rsa2048"), None).unwrap();
        let scheme =
            if key.token_info().rsa_pss_is_costly() { Scheme::RsaPkcs1Sha256 } else { Scheme::RsaPssSha256 };
        key.sign(scheme, b"a message").unwrap();
        // PKCS #1 v1.5 takes three more than PSS: docs of se050-sim, cost.rs.
        let expected = if scheme == Scheme::RsaPssSha256 { 14 } else { 17 };
        assert_eq!(chip.calls().unwrap().apdus() - before.apdus(), expected, "{version:?}");
    });
}

#[test]
fn a_later_signature_is_one_sign_init_and_one_sign() {
    on_each_version(|chip, _| {
        let token = open(chip);
        let (key, _) = token.identity(&selector(RSA_KEY), None).unwrap();
        let before = chip.calls().unwrap();
        for _ in 0..3 {
            key.sign(Scheme::RsaPssSha256, b"a message").unwrap();
        }
        let after = chip.calls().unwrap();
        assert_eq!(after.signatures() - before.signatures(), 3, "a length query would double it");
        for (function, calls) in after.functions() {
            let expected = if ["C_SignInit", "C_Sign"].contains(&function) { 3 } else { 0 };
            assert_eq!(calls - before.of(function), expected, "{function}");
        }
    });
}

#[test]
fn pkcs1_is_cheap_in_every_version_and_pss_as_the_token_info_says() {
    on_each_version(|chip, version| {
        let token = open(chip);
        let (key, _) = token.identity(&selector(RSA_KEY), None).unwrap();
        let apdus = |scheme| {
            let before = chip.calls().unwrap();
            key.sign(scheme, b"a message").unwrap();
            let after = chip.calls().unwrap();
            (after.apdus() - before.apdus(), after.nvm_objects() - before.nvm_objects())
        };
        assert_eq!(apdus(Scheme::RsaPkcs1Sha256).1, 0, "{version:?}");
        let slow = apdus(Scheme::RsaPssSha256) == (50, 2);
        assert_eq!(slow, token.info().rsa_pss_is_costly(), "{version:?}");
    });
}

#[test]
fn one_process_has_one_session_however_often_it_opens_the_token() {
    on_each_version(|chip, _| {
        let first = open(chip);
        let second = open(chip);
        // By another name, from another thread.
        let link = chip.directory().join("link.so");
        std::os::unix::fs::symlink(chip.module(), &link).unwrap();
        let open_by_link = || Token::builder(&link).back_off(crate::bench::NEVER).open().unwrap();
        let third = std::thread::scope(|scope| scope.spawn(open_by_link).join().unwrap());
        for token in [&first, &second, &third] {
            token.identity(&selector(EC_KEY), None).unwrap();
        }
        let calls = chip.calls().unwrap();
        assert_eq!((calls.of("C_Initialize"), calls.of("C_OpenSession")), (1, 1));

        let other = Token::builder(chip.module()).open().err().unwrap().to_string();
        assert!(other.contains("another back-off"), "{other}");

        drop((first, second));
        assert_eq!(chip.calls().unwrap().of("C_CloseSession"), 0);
        drop(third);
        let calls = chip.calls().unwrap();
        assert_eq!((calls.of("C_CloseSession"), calls.of("C_Finalize")), (1, 1));
        // And again from the beginning.
        open(chip).identity(&selector(EC_KEY), None).unwrap();
    });
}
