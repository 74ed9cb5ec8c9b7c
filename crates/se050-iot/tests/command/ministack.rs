//! An independent AWS IoT Core (ministack): a device that was registered by us gets in with its own topics and not with
//! another's, and uses the device services that it was granted.

use std::process::Command;

use test_peers::{Ministack, aws_cli, output_of, program};

use crate::support::printed::{commands_in, run_in_shell};
use crate::support::{Operator, aws, strings, text};

/// A device with OpenSSL's key, as mosquitto's client.
struct Device<'a> {
    ministack: &'a Ministack,
    operator: &'a Operator,
    mosquitto_pub: String,
    thing: &'a str,
}

impl<'a> Device<'a> {
    /// `None` after writing down the skip.
    fn new(ministack: &'a Ministack, operator: &'a Operator, thing: &'a str, key: &str) -> Option<Self> {
        let (openssl, mosquitto_pub) = (program("openssl")?, program("mosquitto_pub")?);
        let arguments = format!(
            "req -x509 -newkey {key} -nodes -sha256 -days 30 -keyout {thing}.key -out {thing}.pem -subj /CN={thing}"
        );
        output_of(Command::new(openssl).current_dir(operator.path("")).args(arguments.split(' ')));
        let mosquitto_pub = mosquitto_pub.display().to_string();
        Some(Self { ministack, operator, mosquitto_pub, thing })
    }

    /// Publishes at QoS 1. Whether it was acknowledged, and what mosquitto_pub said.
    fn publish(&self, client_id: &str, topic: &str) -> (bool, String) {
        let mut command = Command::new(&self.mosquitto_pub);
        command.current_dir(self.operator.path("")).args(["-h", "localhost", "-V", "mqttv5", "-q", "1"]);
        command.args([
            "-p",
            &self.ministack.mqtt_port().to_string(),
            "-i",
            client_id,
            "-t",
            topic,
            "-m",
            "{}",
        ]);
        command.arg("--cafile").arg(self.ministack.ca_file());
        let (certificate, key) = (format!("{}.pem", self.thing), format!("{}.key", self.thing));
        let output = command.args(["--cert", &certificate, "--key", &key]).output().unwrap();
        // A refused PUBLISH (PUBACK 0x87) is only a warning to mosquitto_pub.
        let said = text(&output.stderr);
        (output.status.success() && !said.contains("failed"), said)
    }
}

#[test]
fn a_device_gets_in_with_its_own_topics_and_not_with_anothers() {
    let Some(ministack) = Ministack::start() else { return };
    let operator = Operator::new(ministack.environment());
    for (thing, key) in [("rsa-1", "rsa:2048"), ("ec-1", "ec -pkeyopt ec_paramgen_curve:P-256")] {
        let Some(device) = Device::new(&ministack, &operator, thing, key) else { return };
        let own = format!("{thing}/t");
        assert!(!device.publish(thing, &own).0, "{thing} is not registered yet");
        operator.good(&["provision", "--certificate", &format!("{thing}.pem"), "--thing-name", thing]);
        let (is_in, said) = device.publish(thing, &own);
        assert!(is_in, "{thing}: {said}");
        assert!(!device.publish(thing, "another/t").0, "{thing} on another's topic");
        assert!(!device.publish("another", &own).0, "{thing} under another's client id");
    }

    let Some(cli) = aws_cli(ministack.environment()) else { return };
    assert_eq!(strings(&aws(&cli, &["list-things"]), "things", "thingName"), ["ec-1", "rsa-1"]);
    let certificates = aws(&cli, &["list-certificates"]);
    assert_eq!(strings(&certificates, "certificates", "status"), ["ACTIVE", "ACTIVE"]);
    let targets = aws(&cli, &["list-targets-for-policy", "--policy-name", "se050-device"]);
    assert_eq!(strings(&targets, "targets", ""), strings(&certificates, "certificates", "certificateArn"));
}

#[test]
fn each_device_service_is_open_to_the_devices_that_were_granted_it_and_for_themselves_only() {
    let Some(ministack) = Ministack::start() else { return };
    let operator = Operator::new(ministack.environment());
    let key = "ec -pkeyopt ec_paramgen_curve:P-256";
    let topics = |thing: &str| {
        [
            ("--shadow", format!("$aws/things/{thing}/shadow/get")),
            ("--shadow", format!("$aws/things/{thing}/shadow/name/settings/update")),
            ("--jobs", format!("$aws/things/{thing}/jobs/start-next")),
            ("--commands", format!("$aws/commands/things/{thing}/executions/1/response/json")),
        ]
    };
    let provisioning = [
        ("--provisioning=line7", "$aws/certificates/create-from-csr/json".to_owned()),
        ("--provisioning=line7", "$aws/provisioning-templates/line7/provision/json".to_owned()),
    ];
    for (thing, granted) in [
        ("none", &[][..]),
        ("shadow", &["--shadow"]),
        ("commands", &["--commands"]),
        ("provisioning", &["--provisioning=line7"]),
        ("all", &["--shadow", "--jobs", "--commands", "--provisioning=line7", "--credentials=uploads"]),
    ] {
        let Some(device) = Device::new(&ministack, &operator, thing, key) else { return };
        let provision = ["provision", "--thing-name", thing, "--policy-name", thing, "--certificate"];
        operator.good(&[&provision[..], &[&format!("{thing}.pem")], granted].concat());
        for (option, topic) in topics(thing).iter().chain(&provisioning) {
            let (is_allowed, said) = device.publish(thing, topic);
            assert_eq!(is_allowed, granted.contains(option), "{thing} {granted:?} {topic}: {said}");
        }
        for (_, topic) in topics("another") {
            assert!(!device.publish(thing, &topic).0, "{thing} {topic}");
        }
        for topic in ["$aws/provisioning-templates/other/provision/json", "$aws/certificates/create/json"] {
            assert!(!device.publish(thing, topic).0, "{thing} {topic}");
        }
    }
}

/// What the operator has to set up once in the account is printed, and what is printed runs.
#[test]
fn the_commands_that_set_up_fleet_provisioning_run() {
    let Some(ministack) = Ministack::start() else { return };
    let Some(cli) = aws_cli(ministack.environment()) else { return };
    let operator = Operator::new(ministack.environment());
    let of =
        ["policy", "device", "--account", "000000000000", "--region", "us-east-1", "--provisioning", "line7"];
    let output = operator.run(&of);
    operator.write("policy.json", &output.stdout);
    assert_eq!(operator.good(&["policy", "lint", "policy.json"]), "policy.json: nothing found\n");
    // The template names the policy.
    operator.good(&["policy", "apply", "--policy-file", "policy.json", "--yes"]);
    let commands = commands_in(&text(&output.stderr));
    assert_eq!(commands.len(), 3, "{}", text(&output.stderr));
    for command in &commands {
        run_in_shell(&operator, command);
    }
    let template = aws(&cli, &["describe-provisioning-template", "--template-name", "line7"]);
    assert_eq!(template["enabled"], true, "{template}");
    assert!(
        template["templateBody"].as_str().unwrap().contains("\"PolicyName\":\"se050-device\""),
        "{template}"
    );

    let claim = operator.good(&[
        "policy",
        "claim",
        "--template",
        "line7",
        "--account",
        "000000000000",
        "--region",
        "us-east-1",
    ]);
    operator.write("claim.json", claim);
    let output = operator.run(&["policy", "lint", "claim.json"]);
    let findings = text(&output.stdout);
    assert!(findings.lines().all(|line| line.contains("client/*")), "any client id, and no more: {findings}");
}
