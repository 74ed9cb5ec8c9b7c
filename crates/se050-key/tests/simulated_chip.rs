//! The key provider on the simulated chip (module 4.2), with its signatures judged by OpenSSL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

use se050_key::{Certificate, Error, KeyKind, Scheme, Selector, Token};
use se050_sim::Chip;
use tempfile::TempDir;
use test_peers::{output_of, program};

const RSA_KEY: &str = "sss:100100F0";
const RSA_CERTIFICATE: u32 = 0xF000_0111;
const EC_KEY: &str = "sss:000100F0";

/// A new chip in a directory of the test's own.
fn new_chip() -> (Chip, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let chip = Chip::create(&directory.path().join("chip")).unwrap();
    // Its log belongs on standard output as NXP's does; here it would only be in the way.
    chip.set_log_to_stdout(false).unwrap();
    (chip, directory)
}

fn selector(text: &str) -> Selector {
    text.parse().unwrap()
}

#[test]
fn key_and_certificate_are_found_by_every_written_form_of_the_id() {
    let (chip, _directory) = new_chip();
    let token = Token::open(chip.module()).unwrap();
    assert!(token.info().is_se050);
    assert_eq!(token.info().firmware_version.0, 4);
    for text in [RSA_KEY, "sss:100100f0", "0xF0000110", "F0000110"] {
        let key = token.key(&selector(text)).unwrap();
        assert_eq!(key.public_key().kind(), KeyKind::Rsa { bits: 2048 }, "{text}");
        let certificate = token.certificate_of_key(&selector(text)).unwrap();
        assert_eq!(certificate.as_der(), chip.certificate(RSA_CERTIFICATE).unwrap(), "{text}");
        key.check_certificate(&certificate).unwrap();
    }
}

#[test]
fn openssl_verifies_a_signature_of_every_scheme() {
    let Some(openssl) = program("openssl") else { return };
    let (chip, directory) = new_chip();
    let token = Token::open(chip.module()).unwrap();
    let pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
    let cases: [(&str, Scheme, &str, &[&str]); 7] = [
        (RSA_KEY, Scheme::RsaPkcs1Sha256, "-sha256", &[]),
        (RSA_KEY, Scheme::RsaPkcs1Sha384, "-sha384", &[]),
        (RSA_KEY, Scheme::RsaPkcs1Sha512, "-sha512", &[]),
        (RSA_KEY, Scheme::RsaPssSha256, "-sha256", &pss),
        (RSA_KEY, Scheme::RsaPssSha384, "-sha384", &pss),
        (RSA_KEY, Scheme::RsaPssSha512, "-sha512", &pss),
        (EC_KEY, Scheme::EcdsaP256Sha256, "-sha256", &[]),
    ];
    let at = |name: &str| directory.path().join(name);
    fs::write(at("message"), b"a message").unwrap();
    for (label, scheme, hash, options) in cases {
        let key = token.key(&selector(label)).unwrap();
        fs::write(at("signature"), key.sign(scheme, b"a message").unwrap()).unwrap();
        fs::write(at("key.der"), key.public_key().as_spki_der()).unwrap();
        let mut verify = Command::new(&openssl);
        verify.args(["dgst", hash, "-keyform", "DER", "-verify"]).arg(at("key.der")).args(options);
        let said = output_of(verify.arg("-signature").arg(at("signature")).arg(at("message")));
        assert_eq!(said, b"Verified OK\n", "{scheme}");
    }
}

#[test]
fn a_signature_is_one_operation_of_the_private_key() {
    let (chip, _directory) = new_chip();
    let token = Token::open(chip.module()).unwrap();
    let key = token.key(&selector(RSA_KEY)).unwrap();
    let before = chip.calls().unwrap();
    for _ in 0..3 {
        key.sign(Scheme::RsaPssSha256, b"a message").unwrap();
    }
    let after = chip.calls().unwrap();
    assert_eq!(after.signatures() - before.signatures(), 3);
    for (function, calls) in after.functions() {
        let expected = if ["C_SignInit", "C_Sign"].contains(&function) { 3 } else { 0 };
        assert_eq!(calls - before.of(function), expected, "{function}");
    }
}

#[test]
fn the_certificate_is_read_in_one_call() {
    let (chip, _directory) = new_chip();
    let token = Token::open(chip.module()).unwrap();
    let before = chip.calls().unwrap().of("C_GetAttributeValue");
    token.certificate_of_key(&selector(RSA_KEY)).unwrap();
    assert_eq!(chip.calls().unwrap().of("C_GetAttributeValue") - before, 1);
}

#[test]
fn shortened_ecdsa_signatures_are_made_again() {
    let (chip, _directory) = new_chip();
    let token = Token::open(chip.module()).unwrap();
    let key = token.key(&selector(EC_KEY)).unwrap();
    // One in some 200 comes out short. That none of 5000 does has a probability of one in 10^10.
    let shortened = (1..=5000).find(|made| {
        key.sign(Scheme::EcdsaP256Sha256, &u32::to_be_bytes(*made)).unwrap();
        made % 100 == 0 && chip.calls().unwrap().signatures() > u64::from(*made)
    });
    assert!(shortened.is_some(), "the simulated chip made no short signature");
}

#[test]
fn bytes_after_the_certificate_are_cut_off_and_pem_is_taken() {
    let (chip, _directory) = new_chip();
    let der = chip.certificate(RSA_CERTIFICATE).unwrap();
    let token = Token::open(chip.module()).unwrap();
    let pem = token.certificate_of_key(&selector(RSA_KEY)).unwrap().to_pem().into_bytes();
    for (name, stored) in [("zeros behind it", [&der[..], &[0; 7]].concat()), ("PEM", pem)] {
        chip.install_certificate(RSA_CERTIFICATE, &stored).unwrap();
        assert_eq!(token.certificate_of_key(&selector(RSA_KEY)).unwrap().as_der(), der, "{name}");
    }
    for (name, stored) in [("cut short", &der[..der.len() - 1]), ("garbage", &b"no certificate"[..])] {
        chip.install_certificate(RSA_CERTIFICATE, stored).unwrap();
        let error = token.certificate_of_key(&selector(RSA_KEY)).unwrap_err();
        assert!(matches!(error, Error::NotACertificate { .. }), "{name}: {error:?}");
    }
}

#[test]
fn errors_name_the_object_and_the_next_step() {
    let (chip, directory) = new_chip();
    let token = Token::open(chip.module()).unwrap();

    let missing = token.key(&selector("0xF0000199")).unwrap_err().to_string();
    assert!(missing.contains("0xF0000199") && missing.contains("does not answer"), "{missing}");

    let ec_certificate = token.certificate_of_key(&selector(EC_KEY)).unwrap();
    let mismatch = token.key(&selector(RSA_KEY)).unwrap().check_certificate(&ec_certificate).unwrap_err();
    assert!(mismatch.to_string().contains(&ec_certificate.public_key().fingerprint()), "{mismatch}");

    let key = token.key(&selector(EC_KEY)).unwrap();
    assert!(matches!(key.sign(Scheme::RsaPssSha256, b""), Err(Error::SchemeDoesNotFit { .. })));

    let absent = Token::open(directory.path().join("no-module.so")).err().unwrap();
    assert!(absent.to_string().contains("plug-and-trust"), "{absent}");
    let foreign = Token::open("/lib/x86_64-linux-gnu/libc.so.6").err().map(|error| error.to_string());
    assert!(foreign.is_some(), "a library that is no PKCS#11 module");
}

#[test]
fn the_session_is_closed_with_the_last_handle() {
    let (chip, _directory) = new_chip();
    let token = Token::open(chip.module()).unwrap();
    let key = token.key(&selector(EC_KEY)).unwrap();
    drop(token);
    key.sign(Scheme::EcdsaP256Sha256, b"still open").unwrap();
    assert_eq!(chip.calls().unwrap().of("C_CloseSession"), 0);
    drop(key);
    let calls = chip.calls().unwrap();
    assert_eq!((calls.of("C_OpenSession"), calls.of("C_CloseSession"), calls.of("C_Finalize")), (1, 1, 1));
}

#[test]
fn a_certificate_comes_from_a_file_in_pem_or_der() {
    let (chip, directory) = new_chip();
    let der = chip.certificate(RSA_CERTIFICATE).unwrap();
    let file = directory.path().join("certificate");
    fs::write(&file, &der).unwrap();
    let certificate = Certificate::from_file(&file).unwrap();
    fs::write(&file, certificate.to_pem()).unwrap();
    assert_eq!(Certificate::from_file(&file).unwrap(), certificate);
    assert!(Certificate::from_file(Path::new("/nonexistent")).is_err());
}
