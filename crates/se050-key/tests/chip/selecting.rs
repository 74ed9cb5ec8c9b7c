//! How keys and certificates are named and found.

use se050_key::{ByteOrder, Error, KeyKind, ObjectId, Selector, Token};
use se050_sim::Version;

use crate::bench::{
    EC_KEY, RSA_CERTIFICATE, RSA_KEY, RSA_KEY_ID, calls, new_chip, on_each_version, open, selector,
};

#[test]
fn every_written_form_of_the_id_is_found_in_every_version() {
    on_each_version(|chip, _| {
        let token = open(chip);
        assert!(token.info().is_se050);
        for text in [
            RSA_KEY,
            "sss:100100f0",
            "0xF0000110",
            "F0000110",
            "cloud-connection-0-rsa2048",
            "pkcs11:object=sss:100100F0",
            "sss:F0000110",
            "pkcs11:object=sss:F0000110",
            "pkcs11:object=0xF0000110",
            "pkcs11:object=cloud-connection-0-rsa2048",
            "pkcs11:token=SSS_PKCS11;slot-id=1;object=sss:100100F0;type=private",
            "pkcs11:id=%10%01%00%F0",
            "pkcs11:id=%F0%00%01%10",
            "pkcs11:object=sss:100100F0;id=%F0%00%01%10",
        ] {
            let key = token.key(&selector(text), None).unwrap();
            assert_eq!(key.public_key().kind(), KeyKind::Rsa { bits: 2048 }, "{text}");
        }
        for text in [
            RSA_KEY,
            "sss:F0000110",
            "cloud-connection-0-rsa2048",
            "pkcs11:object=sss:100100F0;type=private",
            "pkcs11:id=%10%01%00%F0",
        ] {
            let certificate = token.certificate(&selector(text)).unwrap();
            assert_eq!(certificate.as_der(), chip.certificate(RSA_CERTIFICATE).unwrap(), "{text}");
        }
        let certificate = token.certificate(&selector("cloud-connection-0-rsa2048-cert")).unwrap();
        assert_eq!(certificate.as_der(), chip.certificate(RSA_CERTIFICATE).unwrap());
    });
}

#[test]
fn the_byte_order_is_found_out_and_remembered() {
    on_each_version(|chip, version| {
        let expected = match version {
            Version::V4_2 | Version::V4_3 => ByteOrder::LittleEndian,
            _ => ByteOrder::BigEndian,
        };
        let token = open(chip);
        token.key(&selector(RSA_KEY), None).unwrap();
        assert_eq!(token.info().label_byte_order(), Some(expected));
    });
}

#[test]
fn a_byte_swapped_namesake_is_told_apart() {
    on_each_version(|chip, _| {
        let namesake = std::fs::read(chip.directory().join("objects/F0000100.key.pem")).unwrap();
        chip.install_key(RSA_KEY_ID.swap_bytes(), pem::parse(namesake).unwrap().contents()).unwrap();
        // Both are there, and `sss:` may mean either.
        let error = open(chip).key(&selector(RSA_KEY), None).unwrap_err().to_string();
        assert!(error.contains("0xF0000110") && error.contains("0x100100F0"), "{error}");
        assert_eq!(
            open(chip).key(&selector("0x100100F0"), None).unwrap().public_key().kind(),
            KeyKind::EcP256
        );

        std::fs::remove_file(chip.directory().join("objects/F0000110.key.pem")).unwrap();
        let error = open(chip).key(&selector("0xF0000110"), None).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
        // Only one of them is there now: that is what the label means.
        assert_eq!(open(chip).key(&selector(RSA_KEY), None).unwrap().public_key().kind(), KeyKind::EcP256);
    });
}

#[test]
fn not_found_is_said_only_of_a_chip_that_answers() {
    on_each_version(|chip, _| {
        let token = open(chip);
        let before = calls(chip, "C_GenerateRandom");
        let error = token.key(&selector("0xF0000199"), None).unwrap_err().to_string();
        assert!(error.contains("0xF0000199") && error.contains("the chip answers"), "{error}");
        assert!(calls(chip, "C_GenerateRandom") > before, "nobody asked the chip");
        let error = token.certificate(&selector("0xF0000199")).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");

        chip.set_fault(se050_sim::Fault::Absent).unwrap();
        let error = token.key(&selector("0xF0000199"), None).unwrap_err();
        assert!(matches!(error, Error::ChipUnreachable { .. }), "{error:?}");
    });
}

#[test]
fn a_uri_for_another_token_or_class_is_refused_before_anything_is_searched() {
    let (chip, _directory) = new_chip();
    let token = open(&chip);
    let before = calls(&chip, "C_FindObjectsInit");
    for (text, attribute) in [
        ("pkcs11:token=other;object=sss:100100F0", "token"),
        ("pkcs11:manufacturer=other;object=sss:100100F0", "manufacturer"),
        ("pkcs11:model=other;object=sss:100100F0", "model"),
        ("pkcs11:serial=other;object=sss:100100F0", "serial"),
        ("pkcs11:slot-id=2;object=sss:100100F0", "slot-id"),
        ("pkcs11:object=sss:100100F0;type=cert", "type"),
        ("pkcs11:object=sss:100100F0;id=%00%01%00%F0", "id"),
        ("pkcs11:id=%01", "id"),
        ("pkcs11:token=SSS_PKCS11", "object or id"),
    ] {
        match token.key(&selector(text), None).unwrap_err() {
            Error::NotThisToken { attribute: named, .. } => assert_eq!(named, attribute, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let long = selector("a-label-of-more-than-31-bytes-xxx");
    assert!(matches!(token.key(&long, None), Err(Error::InvalidSelector { .. })));
    assert_eq!(calls(&chip, "C_FindObjectsInit"), before);
}

#[test]
fn a_uri_opens_its_module() {
    let (chip, _directory) = new_chip();
    let text = format!(
        "pkcs11:token=SSS_PKCS11;object={EC_KEY};type=private?module-path={}",
        chip.module().display()
    );
    let key = selector(&text);
    let module = key.uri().unwrap().module_path().unwrap();
    let token = Token::builder(module).select(&key).unwrap().open().unwrap();
    assert_eq!(token.key(&key, None).unwrap().public_key().kind(), KeyKind::EcP256);
    // The module that is open is not the one that this names.
    let other = selector(&format!("pkcs11:object={EC_KEY}?module-path=/nonexistent"));
    assert!(matches!(token.key(&other, None), Err(Error::NotThisToken { attribute: "module-path", .. })));
}

#[test]
fn only_a_factory_keys_certificate_is_found_by_itself() {
    let (chip, _directory) = new_chip();
    let token = open(&chip);
    for text in ["0x00001000", "some-label"] {
        let error = token.identity(&selector(text), None).unwrap_err();
        assert!(matches!(error, Error::NotFound { class: "private key", .. }), "{error:?}");
    }
    let pem = std::fs::read(chip.directory().join("objects/F0000100.key.pem")).unwrap();
    chip.install_key(0x1000, pem::parse(pem).unwrap().contents()).unwrap();
    let own = selector("0x00001000");
    let error = token.identity(&own, None).unwrap_err();
    assert!(matches!(error, Error::NoCertificateKnown { .. }), "{error:?}");
    // By name it is taken: a factory key's name stands for its certificate.
    token.identity(&own, &selector("0xF0000101")).unwrap();
    token.identity(&own, &selector(EC_KEY)).unwrap();
    let error = token.identity(&own, &selector(RSA_KEY)).unwrap_err();
    assert!(matches!(error, Error::KeyMismatch { .. }), "{error:?}");
    assert_eq!(Selector::from(ObjectId::new(RSA_KEY_ID)).to_string(), "0xF0000110");
}
