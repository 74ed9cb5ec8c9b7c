//! What a chip may hold in the place of a certificate.

use std::fs;
use std::path::Path;

use se050_key::{Certificate, Error, KeyKind};
use se050_sim::Fault;
use test_peers::{output_of, program};

use crate::bench::{RSA_CERTIFICATE, RSA_KEY, calls, new_chip, on_each_version, open, selector};

#[test]
fn bytes_after_the_certificate_are_cut_off_and_pem_is_taken() {
    on_each_version(|chip, _| {
        let der = chip.certificate(RSA_CERTIFICATE).unwrap();
        let token = open(chip);
        let own = token.certificate(&selector(RSA_KEY)).unwrap();
        let pem = own.to_pem().into_bytes();
        for (name, stored) in [
            ("zeros behind it", [&der[..], &[0; 7]].concat()),
            ("PEM", pem.clone()),
            ("PEM with zeros behind it", [&pem[..], &[0; 5]].concat()),
            ("PEM with text before it", [b"Bag Attributes\n", &pem[..]].concat()),
            ("PEM with a byte order mark", [b"\xef\xbb\xbf", &pem[..]].concat()),
        ] {
            chip.install_certificate(RSA_CERTIFICATE, &stored).unwrap();
            let read = token.certificate(&selector(RSA_KEY)).unwrap();
            assert_eq!(read.as_der(), &der[..], "{name}");
        }
        for (name, stored) in [("cut short", &der[..der.len() - 1]), ("garbage", &b"no certificate"[..])] {
            chip.install_certificate(RSA_CERTIFICATE, stored).unwrap();
            let error = token.certificate(&selector(RSA_KEY)).unwrap_err();
            assert!(matches!(error, Error::NotACertificate { .. }), "{name}: {error:?}");
            assert!(!error.to_string().contains("ASN.1"), "{name}: {error}");
        }
    });
}

#[test]
fn a_certificate_over_2048_bytes_names_the_limit() {
    on_each_version(|chip, _| {
        let token = open(chip);
        let der = chip.certificate(RSA_CERTIFICATE).unwrap();
        chip.install_certificate(RSA_CERTIFICATE, &[&der[..], &[0; 2048]].concat()).unwrap();
        let error = token.certificate(&selector(RSA_KEY)).unwrap_err();
        assert!(matches!(error, Error::Call { .. }) && error.to_string().contains("2048"), "{error:?}");
        // The session is none the worse, and was not replaced.
        assert_eq!(calls(chip, "C_OpenSession"), 1);

        chip.set_fault(Fault::Absent).unwrap();
        let error = token.certificate(&selector(RSA_KEY)).unwrap_err();
        assert!(matches!(error, Error::ChipUnreachable { .. }), "{error:?}");
    });
}

#[test]
fn openssl_reads_the_same_from_the_certificate() {
    let Some(openssl) = program("openssl") else { return };
    let (chip, directory) = new_chip();
    let (key, certificate) = open(&chip).identity(&selector(RSA_KEY), None).unwrap();
    let file = directory.path().join("certificate.pem");
    fs::write(&file, certificate.to_pem()).unwrap();
    let mut command = std::process::Command::new(openssl);
    command.args(["x509", "-noout", "-serial", "-subject", "-issuer", "-dates", "-fingerprint", "-sha256"]);
    command.args(["-nameopt", "RFC2253", "-dateopt", "iso_8601", "-in"]).arg(&file);
    let said = String::from_utf8(output_of(&mut command)).unwrap();
    let after = |field: &str| -> String {
        let line = said.lines().find(|line| line.to_lowercase().starts_with(field));
        line.unwrap_or_else(|| panic!("{said}")).split_once('=').unwrap().1.trim().to_owned()
    };
    assert_eq!(
        certificate.serial().trim_start_matches('0'),
        after("serial").to_lowercase().trim_start_matches('0')
    );
    assert_eq!(certificate.subject(), after("subject"));
    assert_eq!(certificate.issuer(), after("issuer"));
    assert_eq!(certificate.not_before().to_string(), after("notbefore").replace(' ', "T"));
    assert_eq!(certificate.not_after().to_string(), after("notafter").replace(' ', "T"));
    assert_eq!(certificate.fingerprint(), after("sha256").replace(':', "").to_lowercase());
    assert_eq!(certificate.public_key().kind(), KeyKind::Rsa { bits: 2048 });
    assert_eq!(key.public_key(), certificate.public_key());
    assert!(certificate.not_before().system_time() < certificate.not_after().system_time());
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
    let error = Certificate::from_file(Path::new("/nonexistent")).unwrap_err().to_string();
    assert!(error.contains("/nonexistent") && error.contains("cannot be read"), "{error}");

    // A chain: the first is the device's own.
    let intermediate = fs::read_to_string(chip.directory().join("ca/intermediate.pem")).unwrap();
    fs::write(&file, certificate.to_pem() + &intermediate).unwrap();
    let chain = Certificate::from_file(&file).unwrap();
    assert_eq!(chain, certificate);
    assert_eq!(chain.intermediates(), [pem::parse(intermediate).unwrap().contents()]);
    assert_eq!(chain.to_pem(), certificate.to_pem());
}
