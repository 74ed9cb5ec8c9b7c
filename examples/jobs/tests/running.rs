//! The example against ministack, with the key in a simulated chip; the AWS CLI is the operator.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../../shadow/tests/support/device.rs"]
mod device;

use std::path::Path;
use std::process::Command;

use test_peers::{Ministack, Running, aws_cli, output_of};

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
