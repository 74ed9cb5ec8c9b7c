//! The sequence that the how-to types, with the real AWS CLI.

use std::fs;
use std::path::Path;

use serde_json::Value;
use test_peers::{AwsCli, output_of};

use crate::support::client::{Client, Tls};
use crate::support::{ALLOW_ALL, certificate, sim};

/// Runs `aws iot ARGUMENTS` and returns its JSON; nothing printed is null.
#[track_caller]
fn iot(cli: &AwsCli, arguments: &[&str]) -> Value {
    let output = output_of(&mut cli.command(["iot", "--output", "json"].iter().chain(arguments)));
    if output.is_empty() { Value::Null } else { serde_json::from_slice(&output).expect("JSON") }
}

/// Runs `aws iot ARGUMENTS`, which has to fail, and returns what it says.
#[track_caller]
fn refused(cli: &AwsCli, arguments: &[&str]) -> String {
    let output = cli.command(["iot"].iter().chain(arguments)).output().expect("the AWS CLI starts");
    assert!(!output.status.success(), "{arguments:?} should fail");
    String::from_utf8(output.stderr).expect("UTF-8")
}

fn file(path: &Path) -> String {
    format!("file://{}", path.display())
}

#[test]
fn the_how_to_s_sequence_lets_a_device_in() {
    let sim = sim();
    let Some(cli) = test_peers::aws_cli(sim.environment()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let issued = certificate("armadillo");
    let (policy, pem) = (directory.path().join("policy.json"), directory.path().join("device.pem"));
    fs::write(&policy, ALLOW_ALL).unwrap();
    fs::write(&pem, &issued.certificate_pem).unwrap();

    iot(&cli, &["create-thing", "--thing-name", "armadillo"]);
    iot(&cli, &["create-policy", "--policy-name", "my=policy,1", "--policy-document", &file(&policy)]);
    let registered = iot(
        &cli,
        &["register-certificate-without-ca", "--certificate-pem", &file(&pem), "--status", "ACTIVE"],
    );
    let arn = registered["certificateArn"].as_str().unwrap();
    let id = registered["certificateId"].as_str().unwrap();
    assert_eq!(arn, crate::support::arn(&format!("cert/{id}")));
    iot(&cli, &["attach-policy", "--policy-name", "my=policy,1", "--target", arn]);
    iot(&cli, &["attach-thing-principal", "--thing-name", "armadillo", "--principal", arn]);
    let endpoint = iot(&cli, &["describe-endpoint", "--endpoint-type", "iot:Data-ATS"]);
    assert_eq!(endpoint["endpointAddress"], sim.endpoint());

    let thing = iot(&cli, &["describe-thing", "--thing-name", "armadillo"]);
    assert_eq!(thing["thingArn"], crate::support::arn("thing/armadillo"));
    let described = iot(&cli, &["describe-certificate", "--certificate-id", id]);
    assert_eq!(described["certificateDescription"]["status"], "ACTIVE");
    assert_eq!(described["certificateDescription"]["certificateMode"], "SNI_ONLY");
    assert_eq!(described["certificateDescription"]["certificatePem"], issued.certificate_pem);
    let policy = iot(&cli, &["get-policy", "--policy-name", "my=policy,1"]);
    assert_eq!(policy["policyDocument"], ALLOW_ALL);
    let attached = iot(&cli, &["list-attached-policies", "--target", arn]);
    assert_eq!(attached["policies"][0]["policyName"], "my=policy,1");
    let principals = iot(&cli, &["list-thing-principals", "--thing-name", "armadillo"]);
    assert_eq!(principals["principals"][0], arn);

    drop(Client::connected(&sim, &issued, "armadillo"));
}

#[test]
fn what_is_set_up_can_be_taken_down() {
    let sim = sim();
    let Some(cli) = test_peers::aws_cli(sim.environment()) else { return };
    let issued = certificate("d");
    let id = sim.admit(&issued.certificate_pem, "d", ALLOW_ALL).unwrap();
    let arn = crate::support::arn(&format!("cert/{id}"));
    let delete = ["delete-certificate", "--certificate-id", &id];

    assert!(refused(&cli, &delete).contains("(CertificateStateException)"));
    iot(&cli, &["update-certificate", "--certificate-id", &id, "--new-status", "INACTIVE"]);
    let answer = Client::open(&sim, &Tls::of(&issued)).and_then(|mut client| client.try_receive());
    assert!(answer.is_err(), "an INACTIVE certificate stays out");
    assert!(refused(&cli, &delete).contains("(DeleteConflictException)"));
    assert!(refused(&cli, &["delete-policy", "--policy-name", "d"]).contains("(DeleteConflictException)"));
    assert!(refused(&cli, &["delete-thing", "--thing-name", "d"]).contains("(InvalidRequestException)"));
    iot(&cli, &["detach-thing-principal", "--thing-name", "d", "--principal", &arn]);
    iot(&cli, &["detach-policy", "--policy-name", "d", "--target", &arn]);
    iot(&cli, &delete);
    iot(&cli, &["delete-policy", "--policy-name", "d"]);
    iot(&cli, &["delete-thing", "--thing-name", "d"]);
    assert!(refused(&cli, &["describe-thing", "--thing-name", "d"]).contains("(ResourceNotFoundException)"));
}
