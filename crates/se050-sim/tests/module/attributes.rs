//! C_GetAttributeValue, with the answers that NXP's module 4.2 has.

use std::ptr::null_mut;

use crate::bench::{Bench, Client, EC_CERTIFICATE, EC_KEY, RSA_CERTIFICATE, RSA_KEY, bytes, c};
use cryptoki_sys::*;

fn ulong(value: CK_ULONG) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

#[test]
fn attributes_have_their_values() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let cases = [
        ("class of a key pair", RSA_KEY, CKA_CLASS, ulong(CKO_PRIVATE_KEY)),
        ("class of a certificate", RSA_CERTIFICATE, CKA_CLASS, ulong(CKO_CERTIFICATE)),
        ("RSA", RSA_KEY, CKA_KEY_TYPE, ulong(CKK_RSA)),
        ("EC", EC_KEY, CKA_KEY_TYPE, ulong(CKK_EC)),
        ("label", RSA_KEY, CKA_LABEL, b"sss:100100F0".to_vec()),
        ("id", RSA_KEY, CKA_ID, vec![0x10, 0x01, 0x00, 0xF0]),
        ("on the token", RSA_KEY, CKA_TOKEN, vec![1]),
        ("not private", RSA_KEY, CKA_PRIVATE, vec![0]),
        ("sensitive", RSA_KEY, CKA_SENSITIVE, vec![1]),
        ("not extractable", RSA_KEY, CKA_EXTRACTABLE, vec![0]),
        ("signs", EC_KEY, CKA_SIGN, vec![1]),
        ("RSA decrypts", RSA_KEY, CKA_DECRYPT, vec![1]),
        ("EC does not", EC_KEY, CKA_DECRYPT, vec![0]),
        ("EC derives", EC_KEY, CKA_DERIVE, vec![1]),
        ("no PIN each time", RSA_KEY, CKA_ALWAYS_AUTHENTICATE, vec![0]),
        ("modulus bits", RSA_KEY, CKA_MODULUS_BITS, ulong(2048)),
        ("exponent", RSA_KEY, CKA_PUBLIC_EXPONENT, vec![1, 0, 1]),
        ("curve", EC_KEY, CKA_EC_PARAMS, vec![0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]),
        ("certificate type", RSA_CERTIFICATE, CKA_CERTIFICATE_TYPE, ulong(CKC_X_509)),
    ];
    for (case, id, attribute, expected) in cases {
        assert_eq!(client.attribute(id.into(), attribute), (CKR_OK, expected), "{case}");
    }
    assert_eq!(client.attribute(RSA_KEY.into(), CKA_MODULUS).1.len(), 256);
    let point = client.attribute(EC_KEY.into(), CKA_EC_POINT).1;
    assert_eq!((point.len(), &point[..3]), (67, &[0x04, 0x41, 0x04][..]));
    let garbage = 0x7F56_0000_0000 | CK_OBJECT_HANDLE::from(RSA_KEY);
    assert_eq!(client.attribute(garbage, CKA_MODULUS).1.len(), 256, "the upper half is ignored");
}

#[test]
fn refusals_are_nxps() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let unavailable = CK_UNAVAILABLE_INFORMATION;
    let cases = [
        ("unknown", RSA_KEY, CKA_PUBLIC_KEY_INFO, CKR_ATTRIBUTE_SENSITIVE, unavailable),
        ("unique id", RSA_KEY, CKA_UNIQUE_ID, CKR_ATTRIBUTE_SENSITIVE, unavailable),
        ("issuer", RSA_CERTIFICATE, CKA_ISSUER, CKR_ATTRIBUTE_SENSITIVE, unavailable),
        ("serial number", RSA_CERTIFICATE, CKA_SERIAL_NUMBER, CKR_ATTRIBUTE_SENSITIVE, unavailable),
        ("modulus of EC", EC_KEY, CKA_MODULUS, CKR_ARGUMENTS_BAD, unavailable),
        ("modulus of a certificate", RSA_CERTIFICATE, CKA_MODULUS, CKR_ARGUMENTS_BAD, unavailable),
        ("point of RSA", RSA_KEY, CKA_EC_POINT, CKR_FUNCTION_FAILED, 0),
        ("curve of RSA", RSA_KEY, CKA_EC_PARAMS, CKR_FUNCTION_FAILED, 0),
        ("key type of a certificate", RSA_CERTIFICATE, CKA_KEY_TYPE, CKR_ATTRIBUTE_VALUE_INVALID, 8),
        ("value of RSA", RSA_KEY, CKA_VALUE, CKR_ARGUMENTS_BAD, 0),
        ("value of EC", EC_KEY, CKA_VALUE, CKR_ATTRIBUTE_SENSITIVE, 0),
        ("no such object", 0x1234, CKA_VALUE, CKR_FUNCTION_FAILED, 0),
    ];
    for (case, id, kind, expected, length) in cases {
        let mut value = [0; 512];
        let mut attribute = bytes(kind, &mut value);
        let answer = c!(client, C_GetAttributeValue(1, id.into(), &mut attribute, 1));
        assert_eq!((answer, attribute.ulValueLen), (expected, length), "{case}");
    }
}

#[test]
fn the_first_refusal_ends_the_loop() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let (mut a, mut b, mut d) = ([0; 8], [0; 8], [7; 8]);
    let mut template =
        [bytes(CKA_KEY_TYPE, &mut a), bytes(CKA_UNIQUE_ID, &mut b), bytes(CKA_MODULUS_BITS, &mut d)];
    let answer = c!(client, C_GetAttributeValue(1, RSA_KEY.into(), template.as_mut_ptr(), 3));
    assert_eq!(answer, CKR_ATTRIBUTE_SENSITIVE);
    assert_eq!(template.map(|attribute| attribute.ulValueLen), [8, CK_UNAVAILABLE_INFORMATION, 8]);
    assert_eq!(d, [7; 8], "not reached");
}

#[test]
fn a_certificate_is_given_as_it_is_stored() {
    let bench = Bench::new();
    let stored = bench.chip.certificate(RSA_CERTIFICATE).unwrap();
    let client = Client::open(&bench.chip);
    assert_eq!(client.attribute(RSA_CERTIFICATE.into(), CKA_VALUE), (CKR_OK, stored.clone()));

    // Bytes behind the certificate are part of the object.
    let padded = [&stored[..], &[0]].concat();
    bench.chip.install_certificate(EC_CERTIFICATE, &padded).unwrap();
    assert_eq!(client.attribute(EC_CERTIFICATE.into(), CKA_VALUE), (CKR_OK, padded));
    assert_eq!(client.attribute(EC_CERTIFICATE.into(), CKA_CLASS).1, ulong(CKO_CERTIFICATE));

    let mut attribute = CK_ATTRIBUTE { type_: CKA_VALUE, pValue: null_mut(), ulValueLen: 0 };
    let handle = CK_OBJECT_HANDLE::from(RSA_CERTIFICATE);
    assert_eq!(c!(client, C_GetAttributeValue(1, handle, &mut attribute, 1)), CKR_OK);
    assert_eq!(attribute.ulValueLen as usize, stored.len());
    let mut small = vec![0; stored.len() - 1];
    let mut attribute = bytes(CKA_VALUE, &mut small);
    assert_eq!(c!(client, C_GetAttributeValue(1, handle, &mut attribute, 1)), CKR_BUFFER_TOO_SMALL);
    assert_eq!(attribute.ulValueLen, CK_UNAVAILABLE_INFORMATION);
}

#[test]
fn an_object_above_2048_bytes_cannot_be_read() {
    let bench = Bench::new();
    let mut long = bench.chip.certificate(RSA_CERTIFICATE).unwrap();
    let client = Client::open(&bench.chip);
    for (length, value, class) in [(2048, CKR_OK, CKO_CERTIFICATE), (2049, CKR_FUNCTION_FAILED, CKO_DATA)] {
        long.resize(length, 0);
        bench.chip.install_certificate(RSA_CERTIFICATE, &long).unwrap();
        assert_eq!(client.attribute(RSA_CERTIFICATE.into(), CKA_VALUE).0, value, "{length} bytes");
        assert_eq!(client.attribute(RSA_CERTIFICATE.into(), CKA_CLASS).1, ulong(class), "{length} bytes");
    }
    bench.chip.install_certificate(RSA_CERTIFICATE, b"no certificate").unwrap();
    assert_eq!(client.attribute(RSA_CERTIFICATE.into(), CKA_CLASS).1, ulong(CKO_DATA));
}

#[test]
fn the_subject_can_be_read() {
    let bench = Bench::new();
    let client = Client::open(&bench.chip);
    let (answer, subject) = client.attribute(RSA_CERTIFICATE.into(), CKA_SUBJECT);
    assert_eq!((answer, subject[0]), (CKR_OK, 0x30));
    let stored = bench.chip.certificate(RSA_CERTIFICATE).unwrap();
    assert!(stored.windows(subject.len()).any(|window| window == subject));
    let text = String::from_utf8_lossy(&subject).into_owned();
    assert!(text.contains("RSA2K-Cloud-Connection-0-"), "{text}");
    assert_eq!(client.attribute(RSA_KEY.into(), CKA_SUBJECT).0, CKR_FUNCTION_FAILED);
}
