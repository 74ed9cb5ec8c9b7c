//! The same suite on every token: simulated chips of each version, SoftHSM2, and the module that `SE050_TEST_MODULE` names.

use std::fs;
use std::path::Path;
use std::process::Command;

use se050_key::{Error, KeyKind, Pin, Scheme, Selector, Token, TokenBuilder};
use test_peers::{Pki, SoftHsm, TOKEN_LABEL, USER_PIN, output_of, program};

use crate::bench::{EC_KEY, RSA_KEY, builder, child, child_argument, on_each_version, selector};

/// A token and what is on it.
struct Subject {
    builder: TokenBuilder,
    /// Each with a certificate of its own.
    keys: Vec<(Selector, KeyKind)>,
}

#[test]
fn simulated_chips_of_every_version() {
    on_each_version(|chip, _| {
        let keys = vec![
            (selector(RSA_KEY), KeyKind::Rsa { bits: 2048 }),
            (selector("cloud-connection-1-rsa2048"), KeyKind::Rsa { bits: 2048 }),
            (selector(EC_KEY), KeyKind::EcP256),
            (selector("pkcs11:object=sss:020100F0;type=private"), KeyKind::EcP256),
        ];
        suite(&Subject { builder: builder(chip), keys });
    });
}

#[test]
fn softhsm2() {
    // SoftHSM2 reads its configuration once in a process: this test is its own child, with the variable set.
    if let Some(module) = child_argument() {
        return softhsm2_suite(Path::new(&module));
    }
    let Some(token) = SoftHsm::new() else { return };
    let Some(openssl) = program("openssl") else { return };
    let directory = tempfile::tempdir().unwrap();
    let pki = Pki::new();
    for (number, (label, _, options)) in SOFTHSM_KEYS.into_iter().enumerate() {
        let file = directory.path().join(format!("{label}.pem"));
        let mut generate = Command::new(&openssl);
        output_of(generate.args(["genpkey", "-quiet"]).args(options).arg("-out").arg(&file));
        let mut public = Command::new(&openssl);
        let public = output_of(public.args(["pkey", "-pubout", "-outform", "DER", "-in"]).arg(&file));
        let id = format!("{:02}", number + 1);
        token.import_key(&file, label, &id);
        token.import_certificate(&pki.certify(&public, label), label, &id);
        if label == "p256" {
            for id in ["91", "92"] {
                token.import_key(&file, "twin", id);
            }
        }
    }
    let mut command = child("matrix::softhsm2", token.module().to_str().unwrap());
    let (variable, value) = token.environment();
    let output = command.env(variable, value).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

const SOFTHSM_KEYS: [(&str, KeyKind, [&str; 4]); 5] = [
    ("p256", KeyKind::EcP256, ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p384", KeyKind::EcP384, ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("rsa2048", KeyKind::Rsa { bits: 2048 }, ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ("rsa3072", KeyKind::Rsa { bits: 3072 }, ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"]),
    ("rsa4096", KeyKind::Rsa { bits: 4096 }, ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"]),
];

fn softhsm2_suite(module: &Path) {
    let with_pin = |pin: &str| Token::builder(module).token_label(TOKEN_LABEL).pin(Pin::new(pin.into()));

    // A wrong PIN reaches the token once: three of them lock it for good.
    let refused = with_pin("0000").open().err().unwrap().to_string();
    assert!(refused.contains("logging in"), "{refused}");
    for _ in 0..20 {
        let again = with_pin("0000").open().err().unwrap();
        assert!(matches!(again, Error::PinRefused { .. }), "{again:?}");
        assert!(!again.to_string().contains("0000"));
    }
    assert!(matches!(Token::open(module).err().unwrap(), Error::PinMissing { .. }));
    let other = Token::builder(module).token_label("other").open().err().unwrap();
    assert!(matches!(other, Error::NoSingleToken { .. }), "{other:?}");

    let token = with_pin(USER_PIN).open().unwrap();
    let twins = token.key(&selector("twin"), None).unwrap_err();
    let Error::Ambiguous { objects, .. } = &twins else { panic!("{twins:?}") };
    assert!(objects.len() == 2 && twins.to_string().contains("\"91\""), "{twins}");
    // By its id, each of them is one.
    token.key(&selector("pkcs11:object=twin;id=%91"), None).unwrap();
    let wrong_class = token.key(&selector("pkcs11:object=p256;type=cert"), None).unwrap_err();
    assert!(matches!(wrong_class, Error::NotThisToken { attribute: "type", .. }), "{wrong_class:?}");
    drop(token);

    let pin_file = tempfile::NamedTempFile::new().unwrap();
    fs::write(pin_file.path(), USER_PIN).unwrap();
    let uri = format!("pkcs11:token={TOKEN_LABEL}?pin-source={}", pin_file.path().display());
    let builder = Token::builder(module).select(&selector(&uri)).unwrap();
    let mut keys: Vec<_> = SOFTHSM_KEYS.iter().map(|(label, kind, _)| (selector(label), *kind)).collect();
    keys.push((selector("pkcs11:token=throwaway;object=p384;id=%02;type=private"), KeyKind::EcP384));
    suite(&Subject { builder, keys });
}

#[test]
fn the_module_that_the_environment_names() {
    let Ok(module) = std::env::var("SE050_TEST_MODULE") else {
        return test_peers::skip("SE050_TEST_MODULE names no module (a real chip's, say)");
    };
    let builder = Token::builder(module).pin(Pin::find(None).unwrap());
    let names = std::env::var("SE050_TEST_KEYS").unwrap_or_else(|_| format!("{RSA_KEY} {EC_KEY}"));
    let token = builder.clone().open().unwrap();
    let keys = names.split_whitespace().map(selector);
    let keys = keys.map(|key| (key.clone(), token.certificate(&key).unwrap().public_key().kind())).collect();
    suite(&Subject { builder, keys });
}

fn suite(subject: &Subject) {
    let token = subject.builder.clone().open().unwrap();
    for (selector, kind) in &subject.keys {
        let (key, certificate) = token.identity(selector, None).unwrap();
        assert_eq!(key.public_key().kind(), *kind, "{selector}");
        assert_eq!(token.key(selector, None).unwrap().public_key(), key.public_key(), "{selector}");
        key.check_certificate(&certificate).unwrap();
        crate::certificate_requests::openssl_takes(&key, "a", "CN=a");
        for (scheme, hash, options) in SCHEMES {
            let signature = key.sign(scheme, b"a message");
            if !scheme.fits(*kind) {
                assert!(matches!(signature, Err(Error::SchemeDoesNotFit { .. })), "{selector} {scheme}");
                continue;
            }
            openssl_verifies(certificate.to_pem().as_bytes(), hash, options, &signature.unwrap());
        }
    }
    let ((first, _), (last, _)) = (subject.keys.first().unwrap(), subject.keys.last().unwrap());
    let certificate = token.certificate(last).unwrap();
    if token.certificate(first).unwrap() != certificate {
        let mismatch = token.key(first, &certificate).unwrap_err();
        assert!(matches!(mismatch, Error::KeyMismatch { .. }), "{mismatch:?}");
    }
    let missing = if token.info().is_se050 { "0x7BFFFFF0" } else { "no such key" };
    assert!(matches!(token.key(&selector(missing), None), Err(Error::NotFound { .. })));
    assert!(matches!(token.certificate(&selector(missing)), Err(Error::NotFound { .. })));
    hammer(&token, &subject.keys);
}

/// Twenty-four threads, each with all keys.
fn hammer(token: &Token, keys: &[(Selector, KeyKind)]) {
    std::thread::scope(|scope| {
        for number in 0..24_u8 {
            scope.spawn(move || {
                for (selector, kind) in keys {
                    let (key, _) = token.identity(selector, None).unwrap();
                    let (scheme, ..) = SCHEMES.into_iter().find(|(scheme, ..)| scheme.fits(*kind)).unwrap();
                    key.sign(scheme, &[number]).unwrap();
                }
            });
        }
    });
}

const PSS: &[&str] = &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
const SCHEMES: [(Scheme, &str, &[&str]); 8] = [
    (Scheme::RsaPkcs1Sha256, "-sha256", &[]),
    (Scheme::RsaPkcs1Sha384, "-sha384", &[]),
    (Scheme::RsaPkcs1Sha512, "-sha512", &[]),
    (Scheme::RsaPssSha256, "-sha256", PSS),
    (Scheme::RsaPssSha384, "-sha384", PSS),
    (Scheme::RsaPssSha512, "-sha512", PSS),
    (Scheme::EcdsaP256Sha256, "-sha256", &[]),
    (Scheme::EcdsaP384Sha384, "-sha384", &[]),
];

/// OpenSSL takes the public key from the certificate and judges.
fn openssl_verifies(certificate: &[u8], hash: &str, options: &[&str], signature: &[u8]) {
    let Some(openssl) = program("openssl") else { return };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("message"), b"a message").unwrap();
    fs::write(at("signature"), signature).unwrap();
    fs::write(at("certificate"), certificate).unwrap();
    let mut public = Command::new(&openssl);
    let public = output_of(public.args(["x509", "-noout", "-pubkey", "-in"]).arg(at("certificate")));
    fs::write(at("key"), public).unwrap();
    let mut verify = Command::new(&openssl);
    verify.args(["dgst", hash, "-verify"]).arg(at("key")).args(options);
    let said = output_of(verify.arg("-signature").arg(at("signature")).arg(at("message")));
    assert_eq!(said, b"Verified OK\n", "{hash} {options:?}");
}
