//! The simulated chip in the hands of parts that know nothing of it: OpenSC's pkcs11-tool uses it, OpenSSL verifies.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{Bench, SHA256_DIGEST_INFO};
use test_peers::{output_of, program};

const MESSAGE: &[u8] = b"a device's private key never leaves its chip";

/// A simulated chip, and the two programs.
struct Peers {
    bench: Bench,
    pkcs11_tool: PathBuf,
    openssl: PathBuf,
}

impl Peers {
    /// `None`, and a skip written down, where a program is missing.
    fn new() -> Option<Self> {
        Some(Self { pkcs11_tool: program("pkcs11-tool")?, openssl: program("openssl")?, bench: Bench::new() })
    }

    fn tool(&self) -> Command {
        let mut command = Command::new(&self.pkcs11_tool);
        command.arg("--module").arg(self.bench.chip.module());
        command
    }

    fn tool_says(&self, arguments: &[&str]) -> String {
        String::from_utf8(output_of(self.tool().args(arguments))).unwrap()
    }

    fn openssl(&self, arguments: &[&str]) -> Vec<u8> {
        output_of(Command::new(&self.openssl).args(arguments).current_dir(self.bench.path()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.bench.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

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

/// How one kind of signature is made with pkcs11-tool, and checked with OpenSSL.
struct Case {
    name: &'static str,
    mechanism: &'static str,
    key: &'static str,
    certificate: u32,
    options: &'static [&'static str],
    input: Input,
    hash: &'static str,
    verify: &'static [&'static str],
}

enum Input {
    Message,
    Digest,
    DigestInfo,
}

const RSA: (&str, u32) = ("100100f0", 0xF000_0111);
const EC: (&str, u32) = ("000100f0", 0xF000_0101);
const PSS: &[&str] = &["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];

const fn case(
    name: &'static str,
    mechanism: &'static str,
    (key, certificate): (&'static str, u32),
    input: Input,
    hash: &'static str,
) -> Case {
    Case { name, mechanism, key, certificate, options: &[], input, hash, verify: &[] }
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

impl Peers {
    fn sign_and_verify(&self, case: &Case) {
        self.write("message", MESSAGE);
        self.write("device.der", &self.bench.chip.certificate(case.certificate).unwrap());
        let public = self.openssl(&["x509", "-inform", "DER", "-in", "device.der", "-pubkey", "-noout"]);
        self.write("public.pem", &public);
        let hash = format!("-{}", case.hash);
        let digest = self.openssl(&["dgst", &hash, "-binary", "message"]);
        let input = match case.input {
            Input::Message => MESSAGE.to_vec(),
            Input::Digest => digest,
            Input::DigestInfo => [&SHA256_DIGEST_INFO[..], &digest].concat(),
        };
        let input = self.write("input", &input);

        let mut signature = self.sign(case, &input);
        if case.key == EC.0 {
            // One in 256 is short, as the chip's are; as for the chip, the cure is to sign again.
            while signature.len() != 64 {
                signature = self.sign(case, &input);
            }
            signature = ecdsa_der(&signature);
        }
        self.write("signature", &signature);
        let check = ["-verify", "public.pem", "-signature", "signature", "message"];
        let verdict = self.openssl(&[&["dgst", &hash][..], case.verify, &check].concat());
        assert_eq!(String::from_utf8(verdict).unwrap().trim(), "Verified OK", "{}", case.name);
    }

    fn sign(&self, case: &Case, input: &Path) -> Vec<u8> {
        let output = self.file("output");
        let mut command = self.tool();
        command.args(["--sign", "--mechanism", case.mechanism, "--id", case.key]).args(case.options);
        command.arg("--input-file").arg(input).arg("--output-file").arg(&output);
        output_of(&mut command);
        std::fs::read(output).unwrap()
    }
}

/// r and s as OpenSSL wants them: two DER integers in a sequence.
fn ecdsa_der(raw: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let mut number = number[zeros..].to_vec();
        if number.first().is_none_or(|byte| *byte >= 0x80) {
            number.insert(0, 0);
        }
        [&[0x02, number.len() as u8][..], &number].concat()
    };
    let (r, s) = raw.split_at(raw.len() / 2);
    let content = [integer(r), integer(s)].concat();
    [&[0x30, content.len() as u8][..], &content].concat()
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
