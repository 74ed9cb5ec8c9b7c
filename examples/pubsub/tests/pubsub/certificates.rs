//! Certificate files as they come from factories, OpenSSL and PowerShell.

use std::fs;
use std::path::Path;
use std::process::Command;

use se050_key::{Selector, Token};
use se050_sim::Chip;
use test_peers::{Mosquitto, TlsVersion, output_of, program};

use crate::how_to::device;
use crate::mosquitto::run_pubsub;

const KEY: &str = "sss:000100F0";

/// Fault 11: the server knows the root only, so that the intermediate has to come with the device's certificate.
#[test]
fn the_whole_chain_of_the_file_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let chip = quiet_chip(directory.path());
    let ca = |name: &str| fs::read_to_string(chip.directory().join("ca").join(name)).unwrap();
    let chain = directory.path().join("deviceCertAndCACert.pem");
    let own = Token::open(chip.module()).unwrap().certificate(&KEY.parse::<Selector>().unwrap()).unwrap();
    fs::write(&chain, own.to_pem() + &ca("intermediate.pem")).unwrap();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let Some(broker) = Mosquitto::start(&ca("root.pem"), version) else { return };
        run_pubsub(&broker, directory.path(), |pubsub| {
            pubsub.arg("--pkcs11-lib").arg(chip.module()).args(["--key-label", KEY]);
            pubsub.arg("--cert").arg(&chain);
        });
    }
}

/// Fault 11: `openssl x509 -req` makes X.509 version 1 where no extension is asked for. The server judges it, not we.
#[test]
fn a_certificate_of_version_1_is_for_the_server_to_judge() {
    let Some(openssl) = program("openssl") else { return };
    let directory = tempfile::tempdir().unwrap();
    let chip = quiet_chip(directory.path());
    let key = chip.directory().join("objects/F0000100.key.pem");
    let run = |arguments: &[&str]| {
        output_of(Command::new(&openssl).args(arguments).arg(&key).current_dir(directory.path()))
    };
    run(&["req", "-new", "-subj", "/CN=v1", "-out", "v1.csr", "-key"]);
    let pem = run(&["x509", "-req", "-in", "v1.csr", "-days", "30", "-signkey"]);
    let file = directory.path().join("v1.pem");
    fs::write(&file, &pem).unwrap();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let Some(broker) = Mosquitto::start(&String::from_utf8(pem.clone()).unwrap(), version) else {
            return;
        };
        run_pubsub(&broker, directory.path(), |pubsub| {
            pubsub.arg("--pkcs11-lib").arg(chip.module()).args(["--key-label", KEY]).arg("--cert").arg(&file);
        });
    }
}

#[test]
fn text_around_a_certificate_is_taken_and_what_is_none_is_told_in_words() {
    let device = device();
    let pem = fs::read_to_string(device.directory.path().join("device_cert.pem")).unwrap();
    let run = |content: &[u8], flag: &str| {
        fs::write(device.directory.path().join("file.pem"), content).unwrap();
        let mut pubsub = Command::new(env!("CARGO_BIN_EXE_pubsub"));
        pubsub.env_clear().current_dir(device.directory.path()).args(["--client-id", "dev1", "--count", "1"]);
        pubsub.args(["--endpoint", device.cloud.endpoint(), "--port", &device.cloud.port().to_string()]);
        pubsub
            .args(["--key-label", "sss:100100F0", flag, "file.pem", "--pkcs11-lib"])
            .arg(device.chip.module());
        if flag != "--ca-file" {
            pubsub.args(["--ca-file", "AmazonRootCA1.pem"]);
        }
        let output = pubsub.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (name, text) in [
        ("Bag Attributes", format!("Bag Attributes\n    localKeyID: 01\n\n{pem}")),
        ("byte order mark", format!("\u{feff}{pem}")),
        ("comment", format!("# from the factory\n{pem}")),
        ("line ends of Windows", pem.replace('\n', "\r\n")),
    ] {
        let (good, error) = run(text.as_bytes(), "--cert");
        assert!(good, "{name}: {error}");
    }
    let utf16: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(pem.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let base64 = pem.lines().filter(|line| !line.starts_with("---")).collect::<Vec<_>>().join("\n");
    for (name, content, says) in [
        ("UTF-16", &utf16[..], "UTF-16"),
        ("empty", b"", "it is empty"),
        ("base64", base64.as_bytes(), "base64 without"),
        ("truncated", &pem.as_bytes()[..pem.len() - 40], "cut short"),
    ] {
        for flag in ["--cert", "--ca-file"] {
            let (good, error) = run(content, flag);
            assert!(!good && error.contains("file.pem") && error.contains(says), "{flag}, {name}: {error}");
            assert!(!error.contains("ASN.1") && !error.contains("DER"), "{flag}, {name}: {error}");
        }
    }
}

/// A chip whose module does not log to standard output.
fn quiet_chip(directory: &Path) -> Chip {
    let chip = Chip::create(&directory.join("chip")).unwrap();
    chip.set_log_to_stdout(false).unwrap();
    chip
}
