//! Certificate signing requests, judged by OpenSSL.

use std::fs;
use std::process::Command;

use se050_key::{Error, Key};
use test_peers::{output_of, program};

use crate::bench::{EC_KEY, RSA_KEY, builder, on_each_version, selector};

#[test]
fn openssl_takes_the_request_of_a_key_without_a_certificate() {
    on_each_version(|chip, _| {
        let token = builder(chip).open().unwrap();
        for key in [RSA_KEY, EC_KEY] {
            let key = token.key(&selector(key), None).unwrap();
            openssl_takes(&key, "gateway 1, \u{5de5}\u{5834}", r"CN=gateway 1\, 工場");
        }
    });
}

#[test]
fn a_text_that_is_no_common_name_is_refused_before_anything_is_signed() {
    let (chip, _directory) = crate::bench::new_chip();
    let key = builder(&chip).open().unwrap().key(&selector(EC_KEY), None).unwrap();
    for text in ["", "a\nb", "nul\0", &"a".repeat(65)] {
        let error = key.certificate_request(text).unwrap_err();
        assert!(matches!(error, Error::CommonName { .. }), "{text:?}: {error:?}");
    }
    assert_eq!(crate::bench::calls(&chip, "C_Sign"), 0);
    key.certificate_request(&"\u{5de5}".repeat(64)).unwrap();
}

pub(crate) fn openssl_takes(key: &Key, common_name: &str, subject: &str) {
    let pem = key.certificate_request(common_name).unwrap();
    let Some(openssl) = program("openssl") else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("request.pem");
    fs::write(&file, pem).unwrap();
    let mut verify = Command::new(openssl);
    verify.args(["req", "-verify", "-noout", "-subject", "-nameopt", "RFC2253,utf8,-esc_msb", "-in"]);
    let said = String::from_utf8(output_of(verify.arg(file).arg("-pubkey"))).unwrap();
    assert!(said.contains(&format!("subject={subject}\n")), "{said}");
    let public = pem::parse(&said[said.find("-----BEGIN").unwrap()..]).unwrap();
    assert_eq!(public.contents(), key.public_key().as_spki_der(), "{said}");
}
