//! From the chip to the cloud and back: enrolled, registered, connects and publishes; deprovisioned, stays outside.

use std::process::Command;

use aws_iot_sim::AwsIotSim;
use se050_sim::Chip;
use test_peers::program;

use crate::support::{Device, Operator, text};

#[test]
fn the_chips_proof_holds_for_its_own_certificate() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::new(sim.environment());
    let chip = Chip::create(&operator.path("chip")).unwrap();
    let module = chip.module().display().to_string();
    // The factory's RSA-2048 and EC P-256 keys.
    for label in ["sss:100100F0", "sss:000100F0"] {
        let bundle = format!("{}.json", label.replace(':', "-"));
        let enrolled = operator.run(&[
            "enroll",
            "--pkcs11-lib",
            &module,
            "--key-label",
            label,
            "--serial",
            "0001",
            "--nonce",
            "order 7",
            "--output",
            &bundle,
        ]);
        assert!(enrolled.status.success(), "{label}: {}", text(&enrolled.stderr));
        let written: serde_json::Value =
            serde_json::from_slice(&std::fs::read(operator.path(&bundle)).unwrap()).unwrap();
        assert_eq!(written["objects"]["key"], label, "to the letter, as the device's programs want it");
        let thing = format!("gw-{}", &label[4..]);
        let plan = ["provision", "plan", "--certificate", &bundle, "--thing-name", &thing, "--nonce"];
        let good = operator.good(&[&plan[..], &["order 7"]].concat());
        assert!(good.contains("proof of possession holds, issuer not verified"), "{good}");
        let apply = ["provision", "--certificate", &bundle, "--thing-name", &thing];
        let printed = operator.good(&[&apply[..], &["--nonce", "order 7"]].concat());
        assert!(printed.contains(&format!(" --key-label {label} --pkcs11-lib {module}\n")), "{printed}");
        let printed = operator.good(&[&apply[..], &["--device-config", "device.toml"]].concat());
        assert!(printed.contains("pubsub --config device.toml"), "{printed}");
        let config = std::fs::read_to_string(operator.path("device.toml")).unwrap();
        assert!(config.contains(&format!("label = \"{label}\"\n")), "{config}");
        let refused = operator.run(&[&plan[..], &["order 8"]].concat());
        assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
    }
}

#[test]
fn a_registered_device_gets_in_and_a_deprovisioned_one_does_not() {
    let sim = AwsIotSim::start().unwrap();
    let Some(mosquitto_pub) = program("mosquitto_pub") else { return };
    let (operator, device) = (Operator::new(sim.environment()), Device::new());
    operator.write("device.pem", device.certificate.to_pem());
    operator.write("device.key", device.key.serialize_pem());
    let publish = |topic: &str| {
        let mut command = Command::new(&mosquitto_pub);
        command.args([
            "-h",
            sim.endpoint(),
            "-p",
            &sim.port().to_string(),
            "-V",
            "mqttv5",
            "-q",
            "1",
            "-i",
            "dev1",
        ]);
        command.args(["-t", topic, "-m", "hello", "--cafile"]).arg(sim.ca_file());
        command.arg("--cert").arg(operator.path("device.pem")).arg("--key").arg(operator.path("device.key"));
        command.output().unwrap().status.success()
    };
    assert!(!publish("dev1/t"), "not registered");
    operator.good(&["provision", "--certificate", "device.pem", "--thing-name", "dev1"]);
    let before = sim.statistics();
    assert!(publish("dev1/t"), "registered");
    assert_ne!(sim.statistics(), before);

    let asked = operator.run(&["deprovision", "--thing-name", "dev1"]);
    assert_eq!(asked.status.code(), Some(5), "nobody is there to say yes: {}", text(&asked.stderr));
    assert!(publish("dev1/t"), "nothing was changed");
    let taken = operator.good(&["deprovision", "--thing-name", "dev1", "--yes"]);
    assert!(taken.contains("- thing dev1") && taken.contains("- policy se050-device"), "{taken}");
    assert!(!publish("dev1/t"), "deprovisioned");
    let again = operator.good(&["deprovision", "--thing-name", "dev1", "--yes"]);
    assert!(again.contains("there is nothing to remove"), "{again}");
}
