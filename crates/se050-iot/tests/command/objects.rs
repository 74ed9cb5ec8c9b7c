//! `se050-iot objects` and `se050-iot cert show`.

use se050_sim::{Chip, Fault, Version};
use serde_json::Value;

use crate::support::{Operator, text};

#[test]
fn the_factory_objects_are_listed_with_the_label_that_the_module_writes() {
    let device = Operator::new(Vec::new());
    let chip = Chip::create(&device.path("chip")).unwrap();
    let module = chip.module().display().to_string();
    for (version, label) in [(Version::V4_2, "sss:100100F0"), (Version::V4_7, "sss:F0000110")] {
        chip.set_version(version).unwrap();
        let (answer, status) = device.json(&["objects", "--pkcs11-lib", &module]);
        assert_eq!(status, Some(0));
        let objects = answer["objects"].as_array().unwrap();
        assert_eq!(objects.len(), 12);
        let of = |id: &str| objects.iter().find(|object| object["id"] == id).unwrap();
        let key = of("0xF0000110");
        assert_eq!(
            (&key["label"], &key["kind"], &key["type"]),
            (&label.into(), &"RSA-2048".into(), &"key".into())
        );
        assert_eq!(key["name"], "cloud-connection-0-rsa2048");
        let certificate = of("0xF0000111");
        let der = chip.certificate(0xF000_0111).unwrap();
        assert_eq!(certificate["bytes"], Value::from(der.len()));
        assert!(certificate["subject"].as_str().unwrap().contains("CN="), "{certificate}");
        assert!(certificate["notAfter"].as_str().unwrap().ends_with('Z'), "{certificate}");
        let absent = of("0xF0000120");
        assert_eq!((&absent["present"], &absent["kind"]), (&false.into(), &Value::Null));
    }
    let printed = device.good(&["objects", "--pkcs11-lib", &module]);
    assert_eq!(printed.lines().count(), 12, "{printed}");
    assert!(printed.contains("not present") && printed.contains("RSA-2048 key pair"), "{printed}");
}

#[test]
fn what_is_no_certificate_is_listed_as_unusable_and_a_silent_chip_is_an_error() {
    let device = Operator::new(Vec::new());
    let chip = Chip::create(&device.path("chip")).unwrap();
    let module = chip.module().display().to_string();
    chip.install_certificate(0xF000_0111, b"hello").unwrap();
    let printed = device.good(&["objects", "--pkcs11-lib", &module]);
    assert!(printed.contains("unusable: "), "{printed}");
    // Not a list on which nothing is there.
    chip.set_fault(Fault::Absent).unwrap();
    let output = device.run(&["objects", "--pkcs11-lib", &module]);
    assert!(!output.status.success() && output.stdout.is_empty(), "{}", text(&output.stdout));
}

#[test]
fn a_certificate_is_shown_and_exported_in_both_forms() {
    let device = Operator::new(Vec::new());
    let chip = Chip::create(&device.path("chip")).unwrap();
    let module = chip.module().display().to_string();
    let key = ["--pkcs11-lib", &module, "--key-label", "0xF0000100"];
    let der = chip.certificate(0xF000_0101).unwrap();

    let show = [&["cert", "show"], &key[..]].concat();
    let (shown, _) = device.json(&show);
    let printed = device.good(&show);
    for member in ["subject", "issuer", "serial", "notBefore", "notAfter", "certificateId"] {
        assert!(printed.contains(shown[member].as_str().unwrap()), "{member}: {printed}");
    }

    let export = [&["cert", "export"], &key[..]].concat();
    for output in [&["--format", "der"][..], &["--format", "der", "--output", "-"]] {
        let printed = device.run(&[&export, output].concat());
        assert_eq!(printed.stdout, der, "{output:?}: {}", text(&printed.stderr));
    }
    assert!(!device.path("-").exists());
    device.run(&[&export, &["--format", "der", "--output", "device.der"][..]].concat());
    assert_eq!(std::fs::read(device.path("device.der")).unwrap(), der);
    let pem = device.run(&[&export, &["--output", "-"][..]].concat()).stdout;
    assert_eq!(pem::parse(pem).unwrap().contents(), der);
}
