//! OpenSC's pkcs11-tool on each version of the module: what works there, and what fails as it does on NXP's.

use crate::peers::{Case, EC, Input, PSS, Peers, RSA, case};
use se050_sim::Version;

/// Labels and ids of EC key 0xF0000100 and RSA key 0xF0000110, as pkcs11-tool is to be given them.
struct Names {
    ec_label: &'static str,
    ec_id: &'static str,
    rsa_id: &'static str,
}

fn names(version: Version) -> Names {
    match version {
        Version::V3_3 => Names { ec_label: "sss:F0000100", ec_id: "000100f0", rsa_id: "100100f0" },
        Version::V4_7 => Names { ec_label: "sss:F0000100", ec_id: "f0000100", rsa_id: "f0000110" },
        _ => Names { ec_label: "sss:000100F0", ec_id: EC.0, rsa_id: RSA.0 },
    }
}

/// Runs it, expecting that it fails: what it writes.
fn fails(peers: &Peers, arguments: &[&str]) -> String {
    let output = peers.tool().args(arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn objects_are_listed_but_on_4_3() {
    for version in Version::ALL {
        let Some(peers) = Peers::of(version) else { return };
        assert!(peers.tool_says(&["--list-slots"]).contains(&format!("firmware version   : {version}")));
        if version == Version::V4_3 {
            let said = fails(&peers, &["--list-objects"]);
            assert!(said.contains("C_FindObjects failed: rv = CKR_ARGUMENTS_BAD"), "{version}: {said}");
            continue;
        }
        let said = peers.tool_says(&["--list-objects"]);
        assert_eq!(said.matches("Private Key Object").count(), 4, "{version}: {said}");
        assert_eq!(said.matches("Certificate Object; type = X.509 cert").count(), 4, "{version}: {said}");
        assert!(said.contains(names(version).ec_label), "{version}: {said}");
    }
}

#[test]
fn a_key_is_chosen_by_its_id_but_on_3_3() {
    for version in Version::ALL {
        let Some(peers) = Peers::of(version) else { return };
        let names = names(version);
        let ec = (names.ec_id, EC.1);
        peers.sign_and_verify(&case("ECDSA of a SHA-256 digest", "ECDSA", ec, Input::Digest, "sha256"));
        if version == Version::V3_3 {
            // The id is not looked at, and the first private key is the EC key: C_Sign fails, and pkcs11-tool goes on
            // to try in parts.
            let input = peers.write("input", &[1; 32]);
            let said = fails(
                &peers,
                &[
                    "--sign",
                    "--mechanism",
                    "RSA-PKCS",
                    "--id",
                    names.rsa_id,
                    "--input-file",
                    input.to_str().unwrap(),
                ],
            );
            assert!(said.contains("C_SignUpdate failed: rv = CKR_FUNCTION_NOT_SUPPORTED"), "{said}");
            continue;
        }
        let rsa = (names.rsa_id, RSA.1);
        peers.sign_and_verify(&case("PKCS#1 v1.5", "RSA-PKCS", rsa, Input::DigestInfo, "sha256"));
        peers.sign_and_verify(&Case {
            options: &["--hash-algorithm", "SHA256", "--mgf", "MGF1-SHA256", "--salt-len", "32"],
            verify: PSS,
            ..case("PSS", "RSA-PKCS-PSS", rsa, Input::Digest, "sha256")
        });
    }
}

#[test]
fn messages_are_hashed_but_on_4_3() {
    for version in [Version::V4_2, Version::V4_3, Version::V4_7] {
        let Some(peers) = Peers::of(version) else { return };
        let rsa = (names(version).rsa_id, RSA.1);
        let whole = case("PKCS#1 v1.5 of a message", "SHA256-RSA-PKCS", rsa, Input::Message, "sha256");
        if version == Version::V4_3 {
            let input = peers.write("input", b"a message");
            let said = fails(
                &peers,
                &[
                    "--sign",
                    "--mechanism",
                    whole.mechanism,
                    "--id",
                    whole.key,
                    "--input-file",
                    input.to_str().unwrap(),
                ],
            );
            // C_Sign fails, and pkcs11-tool begins again to try in parts, which there is not: the session is not wedged.
            assert!(said.contains("C_SignUpdate failed: rv = CKR_FUNCTION_NOT_SUPPORTED"), "{said}");
        } else {
            peers.sign_and_verify(&whole);
        }
        if version == Version::V4_7 {
            let ec = (names(version).ec_id, EC.1);
            peers.sign_and_verify(&case("ECDSA of a message", "ECDSA-SHA256", ec, Input::Message, "sha256"));
        }
    }
}

/// pkcs11-tool looks for any private key then, and not for the label.
#[test]
fn signing_by_label_takes_the_first_key_or_none() {
    let cases = [
        (Version::V3_3, None),
        (Version::V4_2, None),
        (Version::V4_3, Some("CKR_ARGUMENTS_BAD")),
        (Version::V4_7, Some("Private key not found")),
    ];
    for (version, expected) in cases {
        let Some(peers) = Peers::of(version) else { return };
        let input = peers.write("input", &[1; 32]);
        let label = names(version).ec_label;
        let input = input.to_str().unwrap();
        let arguments = ["--sign", "--mechanism", "ECDSA", "--label", label, "--input-file", input];
        match expected {
            None => {
                let output = peers.file("output");
                let output = output.to_str().unwrap();
                peers.tool_says(&[&arguments[..], &["--output-file", output]].concat());
            }
            Some(text) => {
                let said = fails(&peers, &arguments);
                assert!(said.contains(text), "{version}: {said}");
            }
        }
    }
}

#[test]
fn mechanisms_are_listed() {
    for (version, listed) in
        [(Version::V3_3, 232), (Version::V4_2, 240), (Version::V4_3, 240), (Version::V4_7, 39)]
    {
        let Some(peers) = Peers::of(version) else { return };
        let said = peers.tool_says(&["--list-mechanisms"]);
        // The first line is a heading.
        let lines = said.lines().filter(|line| line.starts_with("  ")).count();
        assert_eq!(lines, listed, "{version}: {said}");
    }
}
