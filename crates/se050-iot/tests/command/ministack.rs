//! An independent AWS IoT Core (ministack): a device that was registered by us gets in with its own topics and not with
//! another's.

use std::process::Command;

use test_peers::{Ministack, aws_cli, output_of, program};

use crate::support::{Operator, aws, strings, text};

#[test]
fn a_device_gets_in_with_its_own_topics_and_not_with_anothers() {
    let (Some(ministack), Some(openssl)) = (Ministack::start(), program("openssl")) else { return };
    let Some(mosquitto_pub) = program("mosquitto_pub") else { return };
    let operator = Operator::new(ministack.environment());
    for (thing, key) in [("rsa-1", "rsa:2048"), ("ec-1", "ec -pkeyopt ec_paramgen_curve:P-256")] {
        let arguments = format!(
            "req -x509 -newkey {key} -nodes -sha256 -days 30 -keyout {thing}.key -out {thing}.pem -subj /CN={thing}"
        );
        output_of(Command::new(&openssl).current_dir(operator.path("")).args(arguments.split(' ')));
        let publish = |client_id: &str, topic: &str| {
            let mut command = Command::new(&mosquitto_pub);
            command.current_dir(operator.path("")).args([
                "-h",
                "localhost",
                "-p",
                &ministack.mqtt_port().to_string(),
            ]);
            command
                .args(["-V", "mqttv5", "-q", "1", "-i", client_id, "-t", topic, "-m", "hello", "--cafile"]);
            command.arg(ministack.ca_file());
            command.args(["--cert", &format!("{thing}.pem"), "--key", &format!("{thing}.key")]);
            let output = command.output().unwrap();
            // A refused PUBLISH (PUBACK 0x87) is only a warning to mosquitto_pub.
            let said = text(&output.stderr);
            (output.status.success() && !said.contains("failed"), said)
        };
        assert!(!publish(thing, &format!("{thing}/t")).0, "{thing} is not registered yet");
        operator.good(&["provision", "--certificate", &format!("{thing}.pem"), "--thing-name", thing]);
        let (is_in, said) = publish(thing, &format!("{thing}/t"));
        assert!(is_in, "{thing}: {said}");
        assert!(!publish(thing, "another/t").0, "{thing} on another's topic");
        assert!(!publish("another", &format!("{thing}/t")).0, "{thing} under another's client id");
    }

    let Some(cli) = aws_cli(ministack.environment()) else { return };
    assert_eq!(strings(&aws(&cli, &["list-things"]), "things", "thingName"), ["ec-1", "rsa-1"]);
    let certificates = aws(&cli, &["list-certificates"]);
    assert_eq!(strings(&certificates, "certificates", "status"), ["ACTIVE", "ACTIVE"]);
    let targets = aws(&cli, &["list-targets-for-policy", "--policy-name", "se050-device"]);
    assert_eq!(strings(&targets, "targets", ""), strings(&certificates, "certificates", "certificateArn"));
}
