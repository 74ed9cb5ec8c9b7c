//! The command as the operator types it, against a local AWS IoT Core.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "provision")]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use aws_iot_sim::AwsIotSim;
use tempfile::TempDir;

const FULL_ACCESS: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}"#;

/// A directory with a device's certificate in it.
struct Operator {
    directory: TempDir,
    environment: Vec<(String, String)>,
}

impl Operator {
    /// An operator whose AWS client reaches this local AWS IoT Core and nothing else.
    fn of(sim: &AwsIotSim) -> Self {
        Self::with(sim.environment())
    }

    fn with(environment: Vec<(String, String)>) -> Self {
        let operator = Self { directory: TempDir::new().unwrap(), environment };
        fs::write(operator.file("device.pem"), certificate_pem()).unwrap();
        operator
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_se050-iot"));
        command.current_dir(self.directory.path()).arg("provision").args(arguments);
        command.env_clear().env("AWS_MAX_ATTEMPTS", "1").envs(self.environment.clone());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

fn certificate_pem() -> String {
    rcgen::generate_simple_self_signed(["device".to_owned()]).unwrap().cert.pem()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn each_step_the_result_and_the_next_command_are_printed() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::of(&sim);
    let output = operator.run(&["--certificate", "device.pem", "--thing-name", "dev1"]);
    let text = stdout(&output);
    assert!(output.status.success() && stderr(&output).is_empty(), "{text}{}", stderr(&output));
    for line in [
        "+ thing dev1",
        "+ policy se050-device",
        "+ certificate ",
        "+ policy se050-device on the certificate",
        "+ certificate on the thing dev1",
        "identity     no proof, issuer not verified",
        "pubsub --endpoint localhost --client-id dev1 --key-label sss:100100F0",
    ] {
        assert!(text.contains(line), "{line:?} not in\n{text}");
    }

    let again = operator.run(&["--certificate", "device.pem", "--thing-name", "dev1"]);
    let text = stdout(&again);
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(text.contains("policy se050-device: unchanged"), "{text}");
    assert!(text.contains("Nothing was changed"), "{text}");
}

#[test]
fn json_is_one_object_and_nothing_else() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::of(&sim);
    let arguments = ["--certificate", "-", "--thing-name", "dev1", "--policy-name", "mine", "--json"];
    let mut child = operator
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(operator.file("device.pem")).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["thingName"], "dev1");
    assert_eq!(result["thingArn"], "arn:aws:iot:us-east-1:123456789012:thing/dev1");
    assert_eq!(result["policyName"], "mine");
    assert_eq!(result["endpoint"], "localhost");
    let id = result["certificateId"].as_str().unwrap();
    assert_eq!(id.len(), 64);
    assert_eq!(result["certificateArn"], format!("arn:aws:iot:us-east-1:123456789012:cert/{id}"));
    let steps: Vec<&str> =
        result["steps"].as_array().unwrap().iter().map(|s| s["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["thing", "policy", "certificate", "policyAttachment", "thingAttachment", "endpoint"]);
    assert_eq!(result["steps"][2]["outcome"], "created");
}

#[test]
fn a_policy_that_allows_everything_is_taken_with_a_warning() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::of(&sim);
    fs::write(operator.file("policy.json"), FULL_ACCESS).unwrap();
    let output = operator.run(&[
        "--certificate",
        "device.pem",
        "--thing-name",
        "dev1",
        "--policy-name",
        "everything",
        "--policy-file",
        "policy.json",
    ]);
    let warning = stderr(&output);
    assert!(output.status.success(), "{warning}");
    assert_eq!(warning.lines().count(), 1, "{warning}");
    assert!(warning.contains("policy.json allows iot:* on *"), "{warning}");

    // The same name without the file means the least: a new version, which plan shows before it is made.
    let arguments =
        ["plan", "--certificate", "device.pem", "--thing-name", "dev1", "--policy-name", "everything"];
    let output = operator.run(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("~ policy everything: a new version"), "{}", stdout(&output));
}

/// The AWS SDK's HTTPS connector asserts in debug builds that the system has root certificates.
#[test]
fn a_system_without_root_certificates_reaches_a_local_control_plane() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::of(&sim);
    let mut command = operator.command(&["--certificate", "device.pem", "--thing-name", "dev1"]);
    let output = command.env("SSL_CERT_FILE", "/dev/null").env_remove("SSL_CERT_DIR").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn mistakes_end_with_an_error_that_says_what_to_do() {
    // Nothing here needs AWS, and nothing listens there.
    let nowhere = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "AKIAFAKE"),
        ("AWS_SECRET_ACCESS_KEY", "fake-secret"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let operator = Operator::with(nowhere.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    fs::write(operator.file("key.pem"), key).unwrap();
    fs::write(operator.file("two.pem"), certificate_pem() + &certificate_pem()).unwrap();
    fs::write(operator.file("text.pem"), "no certificate").unwrap();
    fs::write(operator.file("no.json"), "no JSON").unwrap();

    let cases: [(&str, &[&str], &[&str]); 7] = [
        ("no such file", &["--certificate", "none.pem"], &["none.pem", "No such file"]),
        ("a key", &["--certificate", "key.pem"], &["key.pem", "private key"]),
        ("two certificates", &["--certificate", "two.pem"], &["two.pem", "2 certificates"]),
        ("no certificate", &["--certificate", "text.pem"], &["text.pem", "cert export"]),
        (
            "bad thing name",
            &["--certificate", "device.pem", "--thing-name", "dev/1"],
            &["\"dev/1\"", "not allowed"],
        ),
        ("bad policy", &["--certificate", "device.pem", "--policy-file", "no.json"], &["no.json", "JSON"]),
        ("nobody listens", &["--certificate", "device.pem"], &["http://127.0.0.1:1", "refused"]),
    ];
    for (name, arguments, says) in cases {
        let mut arguments = arguments.to_vec();
        if !arguments.contains(&"--thing-name") {
            arguments.extend(["--thing-name", "dev1"]);
        }
        let output = operator.run(&arguments);
        assert!(!output.status.success(), "{name}");
        assert!(output.stdout.is_empty(), "{name}: {}", stdout(&output));
        for part in says {
            assert!(stderr(&output).contains(part), "{name}: {part:?} not in\n{}", stderr(&output));
        }
        assert!(!stderr(&output).contains("fake-secret"), "{name}");
    }
}
