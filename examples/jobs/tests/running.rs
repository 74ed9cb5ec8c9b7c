//! The example against ministack, with the key in a simulated chip; the AWS CLI is the operator. Ministack issues no certificate for a
//! request, and the simulated AWS IoT Core has no jobs: there, the test is the service that gives the job.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../../shadow/tests/support/device.rs"]
mod device;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use aws_iot_sim::AwsIotSim;
use device_identity::DeviceConfig;
use se050_sim::Chip;
use serde_json::{Value, json};
use test_peers::{Ministack, PROVISIONING_TEMPLATE, Running, aws_cli, output_of};

/// Longest that the service waits for a request.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(config: &Path) -> Running {
    Running::start(Command::new(env!("CARGO_BIN_EXE_jobs")).env_clear().arg("--config").arg(config))
}

#[test]
fn each_job_is_done_step_by_step() {
    let Some(ministack) = Ministack::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let Some(config) = device::registered(&ministack, directory.path(), "jobs") else { return };
    let Some(cli) = aws_cli(ministack.environment()) else { return };
    let aws = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&output_of(&mut cli.command(["iot"].iter().chain(arguments)))).unwrap()
    };
    let thing = aws(&["describe-thing", "--thing-name", "gw-1"]);
    let create = |id: &str, document: &str| {
        aws(&[
            "create-job",
            "--job-id",
            id,
            "--targets",
            thing["thingArn"].as_str().unwrap(),
            "--document",
            document,
        ]);
    };
    create("update", r#"{"steps": ["download", "install"]}"#);
    create("other", r#"{"operation": "dance"}"#);
    let mut program = start(&config);
    for line in [
        "job update begins",
        "job update: \"download\"",
        "job update: \"install\"",
        "job update is done",
        "job other begins",
    ] {
        assert_eq!(program.line(), line);
    }
    create("last", r#"{"steps": []}"#);
    assert_eq!(program.line(), "job last begins");
    assert_eq!(program.line(), "job last is done");
    program.stop();
    for (id, status, details) in
        [("update", "SUCCEEDED", "2"), ("other", "REJECTED", ""), ("last", "SUCCEEDED", "0")]
    {
        let execution = aws(&["describe-job-execution", "--job-id", id, "--thing-name", "gw-1"]);
        let execution = &execution["execution"];
        assert_eq!(execution["status"], status, "{id}");
        let done = execution["statusDetails"]["detailsMap"]["done"].as_str().unwrap_or_default();
        assert_eq!(done, details, "{id}");
    }
}

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

/// The `number`th request to that topic of the jobs of `gw-1`, from 0.
fn request(sim: &AwsIotSim, operation: &str, number: usize) -> Value {
    let topic = format!("$aws/things/gw-1/jobs/{operation}");
    let begun = Instant::now();
    loop {
        let all = sim.received();
        if let Some(request) = all.iter().filter(|request| request.topic == topic).nth(number) {
            return serde_json::from_slice(&request.payload).unwrap();
        }
        assert!(begun.elapsed() < PATIENCE, "no request {number} to {topic}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_job_renews_the_certificate_over_the_connection_that_is_there() {
    let sim = AwsIotSim::start().unwrap();
    let Some(cli) = aws_cli(sim.environment()) else { return };
    let role = "arn:aws:iam::123456789012:role/provisioning";
    for arguments in [
        &["create-policy", "--policy-name", "devices", "--policy-document", ALLOW_ALL][..],
        &[
            "create-provisioning-template",
            "--template-name",
            "gateways",
            "--enabled",
            "--template-body",
            PROVISIONING_TEMPLATE,
            "--provisioning-role-arn",
            role,
        ],
    ] {
        output_of(&mut cli.command(["iot"].iter().chain(arguments)));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let chip = Chip::create(&path("chip")).unwrap();
    fs::write(path("device.der"), chip.certificate(0xF000_0111).unwrap()).unwrap();
    let certificate = se050_key::Certificate::from_file(&path("device.der")).unwrap().to_pem();
    sim.admit(&certificate, "gw-1", ALLOW_ALL).unwrap();
    fs::write(path("device.pem"), &certificate).unwrap();
    let mut config = DeviceConfig::new("localhost", "gw-1", "sss:100100F0");
    config.port = sim.port();
    config.ca_file = Some(sim.ca_file().display().to_string());
    config.key.pkcs11_lib = Some(chip.module().display().to_string());
    config.key.certificate_file = Some(path("device.pem").display().to_string());
    fs::write(path("device.toml"), config.to_toml().unwrap()).unwrap();

    let mut program = start(&path("device.toml"));
    let answer = |operation: &str, number: usize, mut answer: Value| {
        let request = request(&sim, operation, number);
        answer["clientToken"] = request["clientToken"].clone();
        let topic = format!("$aws/things/gw-1/jobs/{operation}/accepted");
        sim.publish(&topic, answer.to_string()).unwrap();
        request
    };
    let job =
        json!({"jobId": "renew", "status": "IN_PROGRESS", "jobDocument": {"renewCertificate": "gateways"}});
    answer("start-next", 0, json!({ "execution": job }));
    assert_eq!(program.line(), "job renew begins");
    assert_eq!(answer("renew/update", 0, json!({}))["status"], "SUCCEEDED");
    // The program goes on over the same connection.
    answer("start-next", 1, json!({}));
    assert_eq!(sim.statistics().connects_accepted, 1);
    program.stop();
    assert_eq!(fs::read_to_string(path("device.pem.old")).unwrap(), certificate);
    assert_ne!(fs::read_to_string(path("device.pem")).unwrap(), certificate);
    let program = start(&path("device.toml"));
    answer("start-next", 2, json!({}));
    program.stop();
}
