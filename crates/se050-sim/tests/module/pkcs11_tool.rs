//! The simulated chip in the hands of parts that know nothing of it: OpenSC's pkcs11-tool uses it, OpenSSL verifies.

use crate::peers::{Case, EC, Input, PSS, Peers, RSA, case};

#[test]
fn lists_slot_mechanisms_and_objects() {
    let Some(peers) = Peers::new() else { return };
    let slots = peers.tool_says(&["--list-slots"]);
    for expected in ["(0x1)", "SSS_PKCS11", "NXP SIMULATED, DEV ONLY", "firmware version   : 4.2"] {
        assert!(slots.contains(expected), "{expected} in {slots}");
    }
    let mechanisms = peers.tool_says(&["--list-mechanisms"]);
    for expected in ["RSA-PKCS, keySize={1024,4096}", "RSA-PKCS-PSS,", "ECDSA, keySize={192,521}"] {
        assert!(mechanisms.contains(expected), "{expected} in {mechanisms}");
    }
    let objects = peers.tool_says(&["--list-objects"]);
    for id in ["00", "02", "10", "12"] {
        assert!(objects.contains(&format!("sss:{id}0100F0")), "{objects}");
    }
    for id in ["01", "03", "11", "13"] {
        assert!(objects.contains(&format!("sss:{id}0100F0")), "{objects}");
    }
    assert_eq!(objects.matches("Private Key Object").count(), 4, "{objects}");
    assert_eq!(objects.matches("Certificate Object; type = X.509 cert").count(), 4, "{objects}");
    assert!(!objects.contains("App   :"), "the log was turned off: {objects}");
    peers.bench.chip.set_log_to_stdout(true).unwrap();
    assert!(
        peers.tool_says(&["--list-objects"]).contains("\x1b[0;33mApp   :WARN :"),
        "NXP's module logs here"
    );
}

#[test]
fn certificates_are_read_and_chain_to_the_ca() {
    let Some(peers) = Peers::new() else { return };
    let ca = peers.bench.chip.directory().join("ca");
    for (id, object) in [("010100f0", 0xF000_0101), ("030100f0", 0xF000_0103), ("110100f0", 0xF000_0111)] {
        let read = peers.file("read.der");
        let arguments =
            ["--read-object", "--type", "cert", "--id", id, "--output-file", read.to_str().unwrap()];
        peers.tool_says(&arguments);
        assert_eq!(std::fs::read(&read).unwrap(), peers.bench.chip.certificate(object).unwrap());

        peers.openssl(&["x509", "-inform", "DER", "-in", "read.der", "-out", "read.pem"]);
        let root = ca.join("root.pem");
        let intermediate = ca.join("intermediate.pem");
        let chain =
            ["-CAfile", root.to_str().unwrap(), "-untrusted", intermediate.to_str().unwrap(), "read.pem"];
        let verdict = peers.openssl(&[&["verify", "-x509_strict"], &chain[..]].concat());
        assert_eq!(String::from_utf8(verdict).unwrap().trim(), "read.pem: OK");
        // Old enough for a slow clock, and with more than twenty years to go.
        peers.openssl(&["x509", "-in", "read.pem", "-noout", "-checkend", "631152000"]);
    }
    let bundle = peers.bench.chip.ca_pem().unwrap();
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 2);
}

#[test]
fn openssl_verifies_the_signatures() {
    let Some(peers) = Peers::new() else { return };
    let cases = [
        case("PKCS#1 v1.5 of a DigestInfo", "RSA-PKCS", RSA, Input::DigestInfo, "sha256"),
        Case {
            options: &["--hash-algorithm", "SHA256", "--mgf", "MGF1-SHA256", "--salt-len", "32"],
            verify: PSS,
            ..case("PSS SHA-256", "RSA-PKCS-PSS", RSA, Input::Digest, "sha256")
        },
        Case {
            options: &["--hash-algorithm", "SHA384", "--mgf", "MGF1-SHA384", "--salt-len", "48"],
            verify: PSS,
            ..case("PSS SHA-384", "RSA-PKCS-PSS", RSA, Input::Digest, "sha384")
        },
        Case {
            options: &["--hash-algorithm", "SHA512", "--mgf", "MGF1-SHA512", "--salt-len", "64"],
            verify: PSS,
            ..case("PSS SHA-512", "RSA-PKCS-PSS", RSA, Input::Digest, "sha512")
        },
        Case {
            options: &["--hash-algorithm", "SHA256", "--mgf", "MGF1-SHA1", "--salt-len", "20"],
            verify: PSS,
            ..case("PSS with mgf and salt length ignored", "RSA-PKCS-PSS", RSA, Input::Digest, "sha256")
        },
        Case {
            verify: PSS,
            ..case("PSS of a message", "SHA256-RSA-PKCS-PSS", RSA, Input::Message, "sha256")
        },
        case("PKCS#1 v1.5 of a message", "SHA256-RSA-PKCS", RSA, Input::Message, "sha256"),
        case("PKCS#1 v1.5 of a message, SHA-1", "SHA1-RSA-PKCS", RSA, Input::Message, "sha1"),
        case("PKCS#1 v1.5 of a message, SHA-224", "SHA224-RSA-PKCS", RSA, Input::Message, "sha224"),
        case("PKCS#1 v1.5 of a message, SHA-384", "SHA384-RSA-PKCS", RSA, Input::Message, "sha384"),
        case("PKCS#1 v1.5 of a message, SHA-512", "SHA512-RSA-PKCS", RSA, Input::Message, "sha512"),
        case("ECDSA of a SHA-256 digest", "ECDSA", EC, Input::Digest, "sha256"),
        case("ECDSA of a SHA-384 digest", "ECDSA", EC, Input::Digest, "sha384"),
        case("ECDSA of a message", "ECDSA-SHA1", EC, Input::Message, "sha1"),
    ];
    for case in cases {
        peers.sign_and_verify(&case);
    }
    assert!(peers.bench.chip.calls().unwrap().signatures() >= 14);
}

#[test]
fn several_processes_are_counted_together() {
    let Some(peers) = Peers::new() else { return };
    let input = peers.write("input", &[1; 32]);
    let clients: Vec<_> = (0..6)
        .map(|number| {
            let mut command = peers.tool();
            command.args(["--sign", "--mechanism", "ECDSA", "--id", EC.0, "--input-file"]).arg(&input);
            command.arg("--output-file").arg(peers.file(&format!("output-{number}")));
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    for mut client in clients {
        assert!(client.wait().unwrap().success());
    }
    let calls = peers.bench.chip.calls().unwrap();
    assert_eq!(calls.of("C_SignInit"), 6);
    assert_eq!(calls.signatures(), calls.of("C_Sign"));
    assert_eq!(calls.of("C_OpenSession"), calls.of("C_CloseSession"));
}
