//! `se050-iot up`: from a chip that AWS does not know to the message that came back, in one command; and each way in which it may
//! end before.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use aws_iot_sim::{AwsIotSim, Fault as CloudFault};
use device_identity::DeviceConfig;
use se050_sim::Chip;
use serde_json::Value;
use test_peers::{CLOSED_PORT, Ministack, Moto};

use crate::support::fault_proxy::{Fault, FaultProxy};
use crate::support::{Operator, four_at_a_time, text};

const THING: &str = "gw-1";

/// A device with its chip, and the operator's credentials beside it.
struct Bench {
    device: Operator,
    chip: Chip,
    /// Where the device connects.
    connection: Vec<String>,
}

impl Bench {
    fn new(environment: Vec<(String, String)>, port: u16, ca_file: PathBuf) -> Self {
        let device = Operator::new(environment);
        let chip = Chip::create(&device.path("chip")).unwrap();
        let connection =
            ["--port", &port.to_string(), "--ca-file", ca_file.to_str().unwrap()].map(str::to_owned);
        Self { device, chip, connection: connection.to_vec() }
    }

    fn of(sim: &AwsIotSim) -> Self {
        Self::new(sim.environment(), sim.port(), sim.ca_file().to_owned())
    }

    /// `up`, with the factory's EC key, whose signature is the cheapest.
    fn up(&self, more: &[&str]) -> Output {
        let mut command = self.device.command(&["up", "--thing", THING, "--key-label", "0xF0000100"]);
        command.args(&self.connection).arg("--pkcs11-lib").arg(self.chip.module()).args(more);
        command.env("SE050_LOCK_FILE", self.device.path("lock"));
        command.output().unwrap()
    }

    #[track_caller]
    fn good(&self, more: &[&str]) -> String {
        let output = self.up(more);
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    #[track_caller]
    fn fails(&self, status: i32, more: &[&str]) -> String {
        let output = self.up(more);
        assert_eq!(output.status.code(), Some(status), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stderr)
    }

    fn config(&self) -> Option<DeviceConfig> {
        DeviceConfig::from_file(&self.device.path("device.toml")).ok()
    }
}

#[test]
fn from_a_bare_chip_to_the_first_message_and_again() {
    let sim = AwsIotSim::start().unwrap();
    let bench = Bench::of(&sim);
    let plan = bench.good(&["--plan"]);
    for line in
        ["account 123456789012, region us-east-1", "+ thing gw-1", "+ device configuration device.toml"]
    {
        assert!(plan.contains(line), "{line:?} is not in\n{plan}");
    }
    assert!(plan.contains("7 to change; nothing was changed"), "{plan}");
    assert!(sim.received().is_empty() && bench.config().is_none());
    bench.device.fails(4, &["status", "--thing-name", THING]);

    let first = bench.good(&[]);
    assert!(first.starts_with("account 123456789012, region us-east-1"), "{first}");
    for line in ["+ thing gw-1", "+ certificate ", "message to gw-1/up: sent and received"] {
        assert!(first.contains(line), "{line:?} is not in\n{first}");
    }
    assert_eq!(sim.received().len(), 1);
    let config = bench.config().unwrap();
    assert_eq!(
        (config.thing.as_str(), config.port, config.key.label.as_str()),
        (THING, sim.port(), "0xF0000100")
    );
    assert!(sim.connections().is_empty() && !sim.forget_session(THING), "something is left at the broker");

    let again = bench.good(&[]);
    assert!(
        again.contains("Nothing was changed") && !again.contains("\n+ ") && !again.contains("\n~ "),
        "{again}"
    );
    assert_eq!(sim.received().len(), 2);
    assert!(bench.good(&["--plan"]).contains("nothing to change"));

    // What the configuration says need not be said again; and the commands that are printed are right.
    let mut short = bench.device.command(&["up", "--thing", THING]);
    let short = short.env("SE050_LOCK_FILE", bench.device.path("lock")).output().unwrap();
    assert!(short.status.success(), "{}", text(&short.stderr));
    let printed = text(&short.stdout);
    let doctor = printed.lines().find_map(|line| line.trim().strip_prefix("se050-iot doctor")).unwrap();
    let mut doctor_command = bench.device.command(&["doctor"]);
    doctor_command.args(doctor.split_whitespace()).env("SE050_LOCK_FILE", bench.device.path("lock"));
    let output = doctor_command.output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn json_is_one_object_and_nothing_else() {
    let sim = AwsIotSim::start().unwrap();
    let bench = Bench::of(&sim);
    let object = |more: &[&str]| -> Value {
        serde_json::from_str(&bench.good(&[more, &["--json"]].concat())).unwrap()
    };
    let plan = object(&["--plan"]);
    assert_eq!((&plan["changes"], &plan["configuration"]["outcome"]), (&true.into(), &"created".into()));
    let done = object(&[]);
    assert_eq!((&done["thingName"], &done["topic"]), (&THING.into(), &"gw-1/up".into()));
    assert_eq!((&done["messageReceived"], &done["account"]), (&true.into(), &"123456789012".into()));
    let again = object(&[]);
    assert_eq!(again["configuration"]["outcome"], "unchanged");
    assert!(again["steps"].as_array().unwrap().iter().all(|step| step["outcome"] == "unchanged"), "{again}");
    assert_eq!(object(&["--plan"])["changes"], false);
}

/// ministack, which nobody here wrote, with IAM and policies in force.
#[test]
fn on_an_independent_aws_iot_core() {
    let Some(ministack) = Ministack::start() else { return };
    let mut bench = Bench::new(ministack.environment(), ministack.mqtt_port(), ministack.ca_file());
    // Its DescribeEndpoint answers with a name that only its own resolver knows.
    bench.connection.extend(["--endpoint", "localhost"].map(str::to_owned));
    let first = bench.good(&[]);
    assert!(
        first.contains("+ thing gw-1") && first.contains("message to gw-1/up: sent and received"),
        "{first}"
    );
    let again = bench.good(&[]);
    assert!(again.contains("Nothing was changed") && again.contains("sent and received"), "{again}");
}

#[test]
fn another_devices_configuration_is_not_replaced_unasked() {
    let sim = AwsIotSim::start().unwrap();
    let bench = Bench::of(&sim);
    let others = DeviceConfig::new("localhost", "gw-2", "sss:100100F0").to_toml().unwrap();
    let own_elsewhere =
        DeviceConfig::new("x-ats.iot.eu-west-1.amazonaws.com", THING, "sss:100100F0").to_toml().unwrap();
    for (before, says) in [
        (&others, "configuration of gw-2"),
        (&"some notes".to_owned(), "cannot be used"),
        (&own_elsewhere, "x-ats.iot.eu-west-1.amazonaws.com, not localhost"),
    ] {
        bench.device.write("device.toml", before);
        let said = bench.fails(5, &[]);
        assert!(said.contains("--yes") && said.contains(says), "{said}");
        let plan = bench.good(&["--plan"]);
        assert!(plan.contains(says) && plan.contains("asks before it replaces it"), "{plan}");
        assert_eq!(fs::read_to_string(bench.device.path("device.toml")).unwrap(), *before);
    }
    bench.device.fails(4, &["status", "--thing-name", THING]);
    bench.good(&["--yes"]);
    assert_eq!(bench.config().unwrap().thing, THING);
    // A name of its own beside it.
    bench.device.write("device.toml", &others);
    bench.good(&["--config", "gw-1.toml"]);
    assert_eq!(fs::read_to_string(bench.device.path("device.toml")).unwrap(), others);
}

#[test]
fn what_provision_refuses_is_refused() {
    let sim = AwsIotSim::start().unwrap();
    let bench = Bench::of(&sim);
    let said = bench.fails(1, &["--account", "999999999999"]);
    assert!(said.contains("999999999999") && said.contains("step 2 of 5"), "{said}");
    assert!(bench.config().is_none());
    bench.good(&[]);
    // Another chip under the same name.
    let twin = Bench::of(&sim);
    let said = twin.fails(1, &[]);
    assert!(said.contains("another certificate already") && said.contains("--replace"), "{said}");
    assert!(said.contains("done so far: certificate ") && twin.config().is_none(), "{said}");
    twin.good(&["--replace"]);
    // The first one is out.
    let said = bench.fails(1, &["--plan"]);
    assert!(said.contains("INACTIVE") && said.contains("se050-iot activate"), "{said}");
    let said = bench.fails(1, &["--inactive"]);
    assert!(said.contains("provision --inactive"), "{said}");
}

#[test]
fn a_chip_that_does_not_answer_is_told_as_the_first_step_with_its_own_status() {
    let sim = AwsIotSim::start().unwrap();
    let bench = Bench::of(&sim);
    bench.chip.set_fault(se050_sim::Fault::Absent).unwrap();
    let output = bench.up(&[]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(
        said.contains("step 1 of 5")
            && said.contains("done so far: nothing")
            && said.contains("doctor --chip"),
        "{said}"
    );
    assert!(bench.config().is_none());
}

/// Interrupted at each call that changes something, in the worst way, and run again.
#[test]
fn interrupted_at_each_change_it_goes_on_when_it_is_run_again() {
    let sim = AwsIotSim::start().unwrap();
    let whole = FaultProxy::start(sim.control_plane_url(), |_, _| Fault::None);
    let bench = Bench::new(whole.environment(sim.environment()), sim.port(), sim.ca_file().to_owned());
    bench.good(&[]);
    let writes = whole.writes();
    assert_eq!(writes.len(), 6, "thing, policy, certificate, two attachments, activation");
    four_at_a_time(writes, |call| {
        let sim = AwsIotSim::start().unwrap();
        let proxy = FaultProxy::start(sim.control_plane_url(), move |number, _| {
            if number == call { Fault::LostAfter } else { Fault::None }
        });
        let bench = Bench::new(proxy.environment(sim.environment()), sim.port(), sim.ca_file().to_owned());
        let said = bench.fails(1, &[]);
        assert!(
            said.contains("step 3 of 5") && said.contains("run the same command again"),
            "{call}: {said}"
        );
        assert!(sim.received().is_empty() && bench.config().is_none(), "{call}");
        let again = bench.good(&[]);
        assert!(again.contains("sent and received"), "{call}: {again}");
        assert!(bench.good(&[]).contains("Nothing was changed"), "{call}");
    });
}

#[test]
fn a_configuration_that_cannot_be_written_is_told_before_anything_is_registered() {
    let sim = AwsIotSim::start().unwrap();
    let bench = Bench::of(&sim);
    let said = bench.fails(1, &["--config", "nowhere/device.toml"]);
    assert!(said.contains("step 4 of 5") && said.contains("nowhere/device.toml"), "{said}");
    bench.device.fails(4, &["status", "--thing-name", THING]);
}

#[test]
fn a_message_that_the_policy_does_not_allow_ends_the_last_step_and_all_else_is_told() {
    let sim = AwsIotSim::start().unwrap();
    let bench = Bench::of(&sim);
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:Connect","iot:Subscribe"],"Resource":"*"}]}"#;
    bench.device.write("policy.json", policy);
    bench.device.write("device.pem", pem(&bench));
    let mine = ["--policy-file", "policy.json", "--policy-name", "mine"];
    // Registered before: it is not tried for as long as a fresh registration is.
    let provision = ["provision", "--certificate", "device.pem", "--thing-name", THING];
    bench.device.good(&[&provision[..], &mine[..]].concat());
    // As `pub` and `sub` end over a refusal (EX_NOPERM).
    let said = bench.fails(77, &mine);
    for part in [
        "step 5 of 5",
        "gw-1 is registered in account",
        "device.toml is written",
        "doctor --config device.toml",
        "iot:Publish",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    // The policy is put right, and the same command goes on.
    bench.device.write(
        "policy.json",
        policy.replace("\"iot:Subscribe\"", "\"iot:Subscribe\",\"iot:Publish\",\"iot:Receive\""),
    );
    bench.device.good(&["policy", "apply", "--policy-name", "mine", "--policy-file", "policy.json", "--yes"]);
    assert!(bench.good(&mine).contains("sent and received"));
}

/// As after a registration that is not known everywhere yet.
#[test]
fn a_registration_that_is_not_known_yet_is_tried_again() {
    let sim = AwsIotSim::start().unwrap();
    let bench = Bench::of(&sim);
    sim.inject(CloudFault::CloseAfterConnect.times(2));
    let output = bench.up(&[]);
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("not let in yet"), "{said}");
    assert_eq!(sim.received().len(), 1);
}

/// moto has no broker: everything but the message is done, and told.
#[test]
fn without_a_broker_the_registration_stands_and_is_told() {
    let Some(moto) = Moto::start() else { return };
    let sim = AwsIotSim::start().unwrap();
    let (environment, port) = (moto.environment(), CLOSED_PORT.to_string());
    let url = environment.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").unwrap().1.clone();
    let mut bench = Bench::new(environment, CLOSED_PORT, sim.ca_file().to_owned());
    let connection = ["--port", &port, "--endpoint", "localhost", "--endpoint-url", &url];
    bench.connection = connection.map(str::to_owned).to_vec();
    bench.device.write("device.pem", pem(&bench));
    bench.device.good(&["provision", "--certificate", "device.pem", "--thing-name", THING]);
    // EX_UNAVAILABLE.
    let said = bench.fails(69, &[]);
    assert!(said.contains("step 5 of 5") && said.contains("device.toml is written"), "{said}");
    assert!(said.contains("needs --ca-file and --port"), "{said}");
    // The file that the configuration names is as good as the option.
    let mut config = bench.config().unwrap();
    config.ca_file = Some(sim.ca_file().to_str().unwrap().to_owned());
    bench.device.write("device.toml", config.to_toml().unwrap());
    let said = bench.fails(69, &[]);
    assert!(!said.contains("--ca-file"), "{said}");
}

fn pem(bench: &Bench) -> String {
    let der = bench.chip.certificate(0xF000_0101).unwrap();
    se050_key::Certificate::from_bytes(&der, "chip").unwrap().to_pem()
}
