use proptest::prelude::*;

use super::*;

/// Enough like a certificate for this reader: a SEQUENCE of 200 bytes.
fn der(filling: u8) -> Vec<u8> {
    [&[0x30, 0x81, 200][..], &[filling; 200]].concat()
}

fn pem_of(tag: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}

fn certificate(filling: u8) -> String {
    pem_of("CERTIFICATE", &der(filling))
}

fn read(bytes: impl AsRef<[u8]>) -> Result<Vec<StoredCertificate>, String> {
    StoredCertificate::all_from_bytes(bytes.as_ref())
}

/// Fault 11: what OpenSSL takes is taken, from a file and from the chip alike.
#[test]
fn a_certificate_is_found_whatever_stands_around_it() {
    let pem = certificate(1);
    let cases: [(&str, Vec<u8>, Option<usize>); 12] = [
        ("binary", der(1), None),
        ("binary, padded", [&der(1)[..], &[0; 7]].concat(), None),
        ("plain", pem.clone().into(), Some(1)),
        ("padded as in the chip", [pem.as_bytes(), &[0; 5]].concat(), Some(1)),
        ("Bag Attributes", format!("Bag Attributes\n    localKeyID: 01\n\n{pem}").into(), Some(4)),
        ("BOM", format!("\u{feff}{pem}").into(), Some(1)),
        ("comment", format!("# from the factory\n{pem}").into(), Some(2)),
        ("text of another encoding", [&b"\xe9\x8f\n"[..], pem.as_bytes()].concat(), Some(2)),
        ("Windows", format!("\r\n{}", pem.replace('\n', "\r\n")).into(), Some(2)),
        ("carriage returns alone", format!("x\r{}", pem.replace('\n', "\r")).into(), Some(2)),
        ("behind a key", (pem_of("PRIVATE KEY", &[1; 40]) + &pem).into(), Some(4)),
        ("-trustout", pem_of("TRUSTED CERTIFICATE", &[&der(1)[..], &[9; 20]].concat()).into(), Some(1)),
    ];
    for (name, bytes, line) in cases {
        let expected = StoredCertificate { der: der(1), number: 1, line };
        assert_eq!(read(bytes), Ok(vec![expected]), "{name}");
    }
    let two = read(certificate(1) + "text\n" + &certificate(2)).unwrap();
    assert_eq!(two.iter().map(|found| found.der.clone()).collect::<Vec<_>>(), [der(1), der(2)]);
    assert_eq!(two.last().unwrap().to_string(), "certificate 2 (line 9)");
}

#[test]
fn what_is_no_certificate_is_told_in_words() {
    let pem = certificate(1);
    let body = pem.lines().filter(|line| !line.starts_with("---")).collect::<Vec<_>>().join("\n");
    let utf16 =
        |bom: &[u8]| [bom, &pem.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat();
    let real = format!("MII{}", "A".repeat(200));
    let cases: [(&str, Vec<u8>, &str); 13] = [
        ("empty", vec![], "it is empty"),
        ("an erased object", vec![0; 20], "it is empty"),
        ("UTF-16", utf16(b"\xff\xfe"), "UTF-16"),
        ("UTF-16 without its mark", utf16(b""), "UTF-16"),
        ("plain base64", real.into(), "base64 without the lines"),
        ("text", b"hello".to_vec(), "no line -----BEGIN CERTIFICATE-----"),
        ("a key", pem_of("EC PRIVATE KEY", &[1; 40]).into(), "it holds EC PRIVATE KEY, and no CERTIFICATE"),
        ("no line ends", pem.replace('\n', "\\n").into(), "does not stand alone"),
        ("cut short", pem.as_bytes()[..80].to_vec(), "certificate 1 (line 1) has no END line"),
        ("a line missing", pem.replacen(&body[..64], "", 1).into(), "it is"),
        ("cut short, binary", der(1)[..50].to_vec(), "it is cut short: 50 of 203 bytes are there"),
        ("garbage", b"\x01\x02\x00\x03".to_vec(), "neither text nor a certificate"),
        ("no base64", pem.replace(&body[..8], "!!!!!!!!").into(), "certificate 1 (line 1) is damaged"),
    ];
    for (name, bytes, says) in cases {
        let reason = read(bytes).expect_err(name);
        assert!(reason.contains(says), "{name}: {reason}");
        assert!(!reason.contains("ASN.1") && !reason.contains("DER"), "{name}: {reason}");
    }
}

#[test]
fn one_damaged_certificate_of_many_is_named_by_number_and_line() {
    let [first, second, third] = [1, 2, 3].map(certificate);
    let damaged = second.replacen("MI", "M?", 1);
    for (name, bundle) in [
        ("damaged", format!("{first}# second\n{damaged}{third}")),
        ("no END line", format!("{first}# second\n{}\n{third}", &second[..70])),
        ("other END line", format!("{first}# second\n{}{third}", second.replace("END C", "END X509 C"))),
    ] {
        let reason = read(bundle).expect_err(name);
        assert!(reason.starts_with("certificate 2 (line 9) is damaged: "), "{name}: {reason}");
    }
}

proptest! {
    #[test]
    fn nothing_that_a_chip_may_hold_panics(stored in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(stored);
    }

    #[test]
    fn nothing_that_begins_like_pem_panics(text in "-----BEGIN (CERTIFICATE|[A-Z]{0,12})-----[\\PC\n\r]{0,80}(-----END CERTIFICATE-----)?") {
        let _ = read(text);
    }
}
