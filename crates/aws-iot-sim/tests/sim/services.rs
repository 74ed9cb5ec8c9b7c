//! Commands and the credential provider, with the real AWS CLI as the operator, and OpenSSL as the device's HTTPS client.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use test_peers::{AwsCli, aws_cli, output_of, program};

use crate::support::client::Client;
use crate::support::packets::{publish, subscribe};
use crate::support::{ALLOW_ALL, arn, device, policy, sim, wait_until};

#[track_caller]
fn aws(cli: &AwsCli, arguments: &[&str]) -> Value {
    let output = output_of(&mut cli.command(["--output", "json"].iter().chain(arguments)));
    if output.is_empty() { Value::Null } else { serde_json::from_slice(&output).unwrap() }
}

#[test]
fn a_command_reaches_the_device_and_its_reports_are_judged() {
    let sim = sim();
    let Some(cli) = aws_cli(sim.environment()) else { return };
    let issued = device(&sim, "gw-1", ALLOW_ALL);
    let payload = r#"{"content":"on","contentType":"text/plain"}"#;
    let created = aws(&cli, &["iot", "create-command", "--command-id", "lamp", "--payload", payload]);
    assert_eq!(created["commandArn"], arn("command/lamp"));
    let mut client = Client::connected(&sim, &issued, "gw-1");
    let filters = ["+/request", "+/response/accepted/json", "+/response/rejected/json"]
        .map(|filter| format!("$aws/commands/things/gw-1/executions/{filter}"));
    client.send(&subscribe(1, &filters.each_ref().map(|filter| (filter.as_str(), 0))));
    client.receive();
    let (target, command) = (arn("thing/gw-1"), arn("command/lamp"));
    let started =
        ["iot-jobs-data", "start-command-execution", "--target-arn", &target, "--command-arn", &command];
    let id = aws(&cli, &started)["executionId"].as_str().unwrap().to_owned();
    let request = String::from_utf8_lossy(&client.receive()).into_owned();
    assert!(request.contains(&format!("executions/{id}/request")) && request.ends_with("on"), "{request}");
    assert!(request.contains("text/plain"), "{request}");

    let mut report = |id: &str, payload: Value, outcome: &str| {
        let topic = format!("$aws/commands/things/gw-1/executions/{id}/response/json");
        client.send(&publish(&topic, 7, payload.to_string().as_bytes()));
        // The PUBACK and the answer, in either order.
        let both = [client.receive(), client.receive()];
        let answer = both.iter().find(|packet| packet[0] & 0xf0 == 0x30).expect("an answer");
        let answer = String::from_utf8_lossy(answer);
        assert!(answer.contains(outcome), "{payload}: {answer}");
    };
    report(&id, json!({"status": "DONE"}), "InvalidRequest");
    report(&id, json!({"status": "FAILED", "statusReason": {"reasonCode": "lower case"}}), "InvalidRequest");
    report(&id, json!({"status": "IN_PROGRESS"}), "/response/accepted/json");
    report(&id, json!({"status": "SUCCEEDED"}), "/response/accepted/json");
    report(&id, json!({"status": "FAILED"}), "InvalidStateTransition");
    let execution = ["iot", "get-command-execution", "--execution-id", &id, "--target-arn", &target];
    assert_eq!(aws(&cli, &execution)["status"], "SUCCEEDED");
    // The cloud's own TIMED_OUT is not the end: a device that comes late may still report.
    let started = aws(&cli, &[&started[..], &["--execution-timeout-seconds", "1"]].concat());
    let late = started["executionId"].as_str().unwrap();
    let execution = ["iot", "get-command-execution", "--execution-id", late, "--target-arn", &target];
    wait_until("TIMED_OUT", || aws(&cli, &execution)["status"] == "TIMED_OUT");
    client.receive();
    let mut report = |payload: Value| {
        let topic = format!("$aws/commands/things/gw-1/executions/{late}/response/json");
        client.send(&publish(&topic, 8, payload.to_string().as_bytes()));
        let _ = [client.receive(), client.receive()];
    };
    report(json!({"status": "SUCCEEDED"}));
    assert_eq!(aws(&cli, &execution)["status"], "SUCCEEDED");
}

#[test]
fn credentials_are_given_to_a_certificate_that_may_assume_the_role() {
    let sim = sim();
    let (Some(cli), Some(openssl)) = (aws_cli(sim.environment()), program("openssl")) else { return };
    let issued = device(&sim, "gw-1", &policy(&[("iot:AssumeRoleWithCertificate", &["rolealias/uploads"])]));
    let role = "arn:aws:iam::123456789012:role/uploads";
    for alias in ["uploads", "others"] {
        aws(&cli, &["iot", "create-role-alias", "--role-alias", alias, "--role-arn", role]);
    }
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).unwrap();
        directory.path().join(name)
    };
    let (certificate, key) =
        (file("device.pem", &issued.certificate_pem), file("device.key", &issued.key_pem));
    let get = |alias: &str, thing: &str| {
        let address = format!("localhost:{}", sim.credentials_port());
        let mut client = Command::new(&openssl)
            .args(["s_client", "-quiet", "-no_ign_eof", "-connect", &address, "-servername", "localhost"])
            .args(["-alpn", "http/1.1", "-verify_return_error", "-CAfile"])
            .arg(sim.ca_file())
            .arg("-cert")
            .arg(&certificate)
            .arg("-key")
            .arg(&key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = client.stdin.take().unwrap();
        write!(
            stdin,
            "GET /role-aliases/{alias}/credentials HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-amzn-iot-thingname: \
             {thing}\r\n\r\n"
        )
        .unwrap();
        // An end of input would end the client before the answer.
        let output = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| client.wait_with_output().unwrap());
            let output = waiting.join().unwrap();
            drop(stdin);
            output
        });
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let given = get("uploads", "gw-1");
    for member in ["200 OK", "accessKeyId", "secretAccessKey", "sessionToken", "expiration"] {
        assert!(given.contains(member), "{member}: {given}");
    }
    for (alias, thing, status) in
        [("others", "gw-1", "403"), ("missing", "gw-1", "404"), ("uploads", "gw-2", "403")]
    {
        let refused = get(alias, thing);
        assert!(refused.starts_with(&format!("HTTP/1.1 {status}")), "{alias} {thing}: {refused}");
    }
}
