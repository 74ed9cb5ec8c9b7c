//! The command as the operator types it, against a local AWS IoT Core.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use aws_iot_sim::AwsIotSim;

use crate::support::{Device, Operator, text};

const FULL_ACCESS: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}"#;

/// An operator with a device's certificate.
fn operator(environment: Vec<(String, String)>) -> Operator {
    let operator = Operator::new(environment);
    operator.write("device.pem", certificate_pem());
    operator
}

fn certificate_pem() -> String {
    Device::new().certificate.to_pem()
}

#[test]
fn each_step_the_result_and_the_next_command_are_printed() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(sim.environment());
    let output = operator.run(&["provision", "--certificate", "device.pem", "--thing-name", "dev1"]);
    let printed = text(&output.stdout);
    assert!(output.status.success() && text(&output.stderr).is_empty(), "{printed}{}", text(&output.stderr));
    assert!(printed.starts_with("account 123456789012, region us-east-1"), "{printed}");
    for line in [
        "+ thing dev1",
        "+ policy se050-device",
        "+ certificate ",
        "+ policy se050-device on the certificate",
        "+ certificate on the thing dev1",
        "identity     no proof, issuer not verified",
        "pubsub --endpoint localhost --client-id dev1 --key-label sss:000100F0",
    ] {
        assert!(printed.contains(line), "{line:?} not in\n{printed}");
    }

    let again = operator.run(&["provision", "--certificate", "device.pem", "--thing-name", "dev1"]);
    let printed = text(&again.stdout);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert!(printed.contains("policy se050-device: unchanged"), "{printed}");
    assert!(printed.contains("Nothing was changed"), "{printed}");
}

#[test]
fn json_is_one_object_and_nothing_else() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(sim.environment());
    let arguments =
        ["provision", "--certificate", "-", "--thing-name", "dev1", "--policy-name", "mine", "--json"];
    let mut child = operator
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(operator.path("device.pem")).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["thingName"], "dev1");
    assert_eq!(result["thingArn"], "arn:aws:iot:us-east-1:123456789012:thing/dev1");
    assert_eq!(result["policyName"], "mine");
    assert_eq!((&result["endpoint"], &result["certificateStatus"]), (&"localhost".into(), &"ACTIVE".into()));
    let id = result["certificateId"].as_str().unwrap();
    assert_eq!(id.len(), 64);
    assert_eq!(result["certificateArn"], format!("arn:aws:iot:us-east-1:123456789012:cert/{id}"));
    let steps: Vec<&str> =
        result["steps"].as_array().unwrap().iter().map(|s| s["step"].as_str().unwrap()).collect();
    let expected =
        ["policy", "thing", "certificate", "policyAttachment", "thingAttachment", "certificate", "endpoint"];
    assert_eq!(steps, expected);
    assert_eq!(result["steps"][2]["outcome"], "created");
    assert_eq!(result["steps"][5]["note"], "ACTIVE", "last of all");
    assert_eq!((&result["account"], &result["region"]), (&"123456789012".into(), &"us-east-1".into()));
}

#[test]
fn a_policy_that_allows_everything_is_taken_with_a_warning() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(sim.environment());
    operator.write("policy.json", FULL_ACCESS);
    let output = operator.run(&[
        "provision",
        "--certificate",
        "device.pem",
        "--thing-name",
        "dev1",
        "--policy-name",
        "everything",
        "--policy-file",
        "policy.json",
    ]);
    let warning = text(&output.stderr);
    assert!(output.status.success(), "{warning}");
    assert_eq!(warning.lines().count(), 1, "{warning}");
    assert!(warning.contains("policy everything allows iot:* on *"), "{warning}");

    // The same name without the file means the least: the policy is used as it is, which is told.
    let (mut plan, without) = (vec!["provision", "plan", "--certificate", "device.pem"], "everything");
    plan.extend(["--thing-name", "dev1", "--policy-name", without]);
    let output = operator.run(&plan);
    let warning = text(&output.stderr);
    assert!(output.status.success(), "{warning}");
    assert!(
        warning.contains("says something else than is asked for") && warning.contains("policy apply"),
        "{warning}"
    );
    assert!(text(&output.stdout).contains("  policy everything: unchanged"), "{}", text(&output.stdout));
}

/// The AWS SDK's HTTPS connector asserts in debug builds that the system has root certificates.
#[test]
fn a_system_without_root_certificates_reaches_a_local_control_plane() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(sim.environment());
    let mut command = operator.command(&["provision", "--certificate", "device.pem", "--thing-name", "dev1"]);
    let output = command.env("SSL_CERT_FILE", "/dev/null").env_remove("SSL_CERT_DIR").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
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
    let operator = operator(nowhere.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    operator.write("key.pem", key);
    operator.write("two.pem", certificate_pem() + &certificate_pem());
    operator.write("text.pem", "no certificate");
    operator.write("no.json", "no JSON");

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
        let mut arguments = [&["provision"], arguments].concat();
        if !arguments.contains(&"--thing-name") {
            arguments.extend(["--thing-name", "dev1"]);
        }
        let output = operator.run(&arguments);
        assert!(!output.status.success(), "{name}");
        assert!(output.stdout.is_empty(), "{name}: {}", text(&output.stdout));
        for part in says {
            assert!(text(&output.stderr).contains(part), "{name}: {part:?} not in\n{}", text(&output.stderr));
        }
        assert!(!text(&output.stderr).contains("fake-secret"), "{name}");
    }
}
