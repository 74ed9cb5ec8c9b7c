//! Files of CA certificates.

use rustls_se050::roots_from_pem_file;
use test_peers::Pki;

#[test]
fn ca_certificates_are_found_whatever_stands_around_them() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("roots");
    let (one, two) = (Pki::new().ca_pem(), Pki::new().ca_pem());
    let cases: [(&str, Vec<u8>, usize); 3] = [
        ("text around them", format!("\u{feff}Bag Attributes\n{one}# the next\n{two}").into(), 2),
        ("line ends of Windows", one.replace('\n', "\r\n").into(), 1),
        ("DER", pem::parse(&one).unwrap().into_contents(), 1),
    ];
    for (name, content, roots) in cases {
        std::fs::write(&file, content).unwrap();
        assert_eq!(roots_from_pem_file(&file).unwrap().len(), roots, "{name}");
    }
}

#[test]
fn what_cannot_serve_is_told_by_file_number_and_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("roots.pem");
    let (one, two) = (Pki::new().ca_pem(), Pki::new().ca_pem());
    let lines = one.lines().count();
    let no_certificate =
        format!("-----BEGIN CERTIFICATE-----\nMIHI{}\n-----END CERTIFICATE-----\n", "A".repeat(268));
    let cases: [(&str, String, String); 6] = [
        ("empty", String::new(), "it is empty".into()),
        ("no PEM", "hello".into(), "no line -----BEGIN CERTIFICATE-----".into()),
        (
            "a key",
            Pki::new().server("localhost").key_pem,
            "it holds a PRIVATE KEY, and no CERTIFICATE".into(),
        ),
        (
            "damaged",
            one.clone() + &two.replacen("MII", "M!I", 1),
            format!("certificate 2 (line {}) is damaged", lines + 1),
        ),
        (
            "cut short",
            one.clone() + &two[..200],
            format!("certificate 2 (line {}) has no END line", lines + 1),
        ),
        (
            "no certificate in it",
            one.clone() + &no_certificate,
            format!("certificate 2 (line {}) is damaged, or no CA certificate", lines + 1),
        ),
    ];
    for (name, content, says) in cases {
        std::fs::write(&file, content).unwrap();
        let error = roots_from_pem_file(&file).unwrap_err().to_string();
        assert!(error.contains("roots.pem") && error.contains(&says), "{name}: {error}");
    }
    let absent = roots_from_pem_file(directory.path().join("absent.pem")).unwrap_err().to_string();
    assert!(absent.contains("absent.pem") && absent.contains("cannot be read"), "{absent}");
}
