//! The `se050-sim` command, and a chip's directory.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::bench::{Bench, Client, EC_KEY, c};
use cryptoki_sys::*;
use se050_sim::{Chip, Error, Version};

fn se050_sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_se050-sim")).args(arguments).output().unwrap()
}

#[test]
fn new_makes_a_chip_and_never_overwrites_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a chip");
    let path = path.to_str().unwrap();
    let output = se050_sim(&["new", path]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains(&format!("{path}/libsss_pkcs11.so")), "{shown}");

    let before = Chip::open(Path::new(path)).unwrap().certificate(0xF000_0111).unwrap();
    let output = se050_sim(&["new", path]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("already holds a simulated chip"), "{error}");
    assert_eq!(Chip::open(Path::new(path)).unwrap().certificate(0xF000_0111).unwrap(), before);
}

#[test]
fn calls_are_shown() {
    let bench = Bench::new();
    let path = bench.chip.directory().to_str().unwrap();
    {
        let client = Client::open(&bench.chip);
        assert_eq!(client.sign_init(CKM_ECDSA, EC_KEY), CKR_OK);
        assert_eq!(client.sign(&[1; 32]).0, CKR_OK);
        assert_eq!(c!(client, C_CloseSession(1)), CKR_OK);
    }
    let text = String::from_utf8(se050_sim(&["calls", path]).stdout).unwrap();
    assert!(text.contains("       1  C_Sign\n"), "{text}");
    assert!(text.ends_with("       1  chip signatures\n"), "{text}");

    let json: serde_json::Value =
        serde_json::from_slice(&se050_sim(&["calls", path, "--json"]).stdout).unwrap();
    assert_eq!(json["chip_signatures"], 1);
    assert_eq!(json["functions"]["C_SignInit"], 1);
    assert_eq!(json["functions"]["chip signature"], serde_json::Value::Null);
}

#[test]
fn wrong_use_says_what_is_right() {
    let output = se050_sim(&["make"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("usage: se050-sim new DIR [--rsa-4096]"));
    let output = se050_sim(&["calls", "/nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error, "se050-sim: /nowhere holds no simulated chip; make one with `se050-sim new`\n");
}

#[test]
fn a_chip_is_set_by_hand() {
    let bench = Bench::new();
    let path = bench.chip.directory().to_str().unwrap();
    let run = |arguments: &[&str]| {
        let output = se050_sim(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty());
    };
    run(&["set", path, "version", "4.7"]);
    run(&["set", path, "short-ecdsa", "2"]);
    run(&["set", path, "latency", "published"]);
    run(&["set", path, "latency", "none"]);
    run(&["set", path, "time-scale", "0.01"]);
    run(&["set", path, "crashes", "off"]);
    run(&["set", path, "processes-disturb", "off"]);
    assert_eq!(bench.chip.version().unwrap(), Version::V4_7);
    let client = Client::open(&bench.chip);
    assert_eq!(client.sign_init(CKM_ECDSA, EC_KEY), CKR_OK);
    assert_eq!(client.sign(&[1; 32]).1.len(), 63);
    let breaks: [&[&str]; 2] = [&["power-cycle", path], &["disturb", path]];
    for arguments in breaks {
        run(arguments);
        assert_eq!(client.random(), CKR_FUNCTION_FAILED, "{arguments:?}");
        client.reopen();
        assert_eq!(client.random(), CKR_OK, "{arguments:?}");
    }
    run(&["set", path, "fault", "fail-next-sign:0x30"]);
    assert_eq!(client.sign_init(CKM_ECDSA, EC_KEY), CKR_OK);
    assert_eq!(client.sign(&[1; 32]).0, CKR_DEVICE_ERROR);

    let wrong = [
        (["version", "4.4"], "the simulated chip has no module version 4.4; there are 3.3, 4.2, 4.3 and 4.7"),
        (["fault", "gone"], "the simulated chip cannot have the fault \"gone\""),
        (["log", "yes"], "\"yes\" is neither on nor off"),
        (["short-ecdsa", "some"], "\"some\" is none of natural, never, a number"),
        (["latency", "some"], "\"some\" is neither none nor published"),
        (["time-scale", "fast"], "\"fast\" is no number, such as 0.01"),
        (["colour", "blue"], "\"colour\" cannot be set; `se050-sim help` lists what can"),
    ];
    for ([what, value], expected) in wrong {
        let output = se050_sim(&["set", path, what, value]);
        assert_eq!(output.status.code(), Some(1), "{what}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(&format!("se050-sim: {expected}")), "{error}");
    }
}

#[test]
fn private_keys_are_their_owners_alone() {
    let bench = Bench::new();
    let copy = bench.copy("copy");
    for chip in [&bench.chip, &copy] {
        let keys: Vec<_> = std::fs::read_dir(chip.directory().join("objects"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_name().to_str().unwrap().ends_with(".key.pem"))
            .collect();
        assert_eq!(keys.len(), 4);
        for key in keys {
            assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", key.path());
        }
    }
    let ca: Vec<_> = std::fs::read_dir(bench.chip.directory().join("ca")).unwrap().collect();
    assert_eq!(ca.len(), 2, "the authority's private keys are not kept");
}

#[test]
fn chips_differ_and_copies_do_not() {
    let one = Bench::new();
    let other = Chip::create(&one.path().join("other")).unwrap();
    assert_ne!(one.chip.certificate(0xF000_0111).unwrap(), other.certificate(0xF000_0111).unwrap());
    assert_ne!(one.chip.ca_pem().unwrap(), other.ca_pem().unwrap());
    let copy = one.copy("copy");
    assert_eq!(one.chip.certificate(0xF000_0111).unwrap(), copy.certificate(0xF000_0111).unwrap());
    assert!(matches!(one.chip.duplicate(copy.directory()), Err(Error::ChipExists(_))));

    // Two modules in one process, each with its own state.
    let (first, second) = (Client::open(&one.chip), Client::open(&copy));
    assert_eq!(first.open_session(), (CKR_OK, 2));
    assert_eq!(second.open_session(), (CKR_OK, 2));
    assert_eq!(copy.calls().unwrap().of("C_OpenSession"), 2);
}

#[test]
fn an_installed_key_signs() {
    let bench = Bench::new();
    let other = Chip::create(&bench.path().join("other")).unwrap();
    let file = other.directory().join("objects/F0000100.key.pem");
    let pem = std::fs::read_to_string(file).unwrap();
    let pkcs8 = pem::parse(pem).unwrap().into_contents();
    bench.chip.install_key(0x7DCC_0001, &pkcs8).unwrap();
    bench.chip.install_certificate(0x7DCC_0002, &other.certificate(0xF000_0101).unwrap()).unwrap();
    let client = Client::open(&bench.chip);
    assert_eq!(client.sign_init(CKM_ECDSA, 0x7DCC_0001), CKR_OK);
    assert_eq!(client.sign(&[1; 32]).0, CKR_OK);

    assert!(matches!(bench.chip.install_key(1, b"no key"), Err(Error::Content { .. })));
    assert!(matches!(bench.chip.certificate(0xF000_0110), Err(Error::NoObject { id: 0xF000_0110, .. })));
}
