//! The example against ministack, with the key in a simulated chip; the AWS CLI is the operator.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "support/device.rs"]
mod device;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use test_peers::{Ministack, Running, aws_cli, output_of};

const PATIENCE: Duration = Duration::from_secs(60);

fn start(config: &Path) -> Running {
    Running::start(Command::new(env!("CARGO_BIN_EXE_shadow")).env_clear().arg("--config").arg(config))
}

#[test]
fn what_is_desired_is_applied_and_reported_also_after_the_device_was_away() {
    let Some(ministack) = Ministack::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let Some(config) = device::registered(&ministack, directory.path(), "shadow") else { return };
    let Some(cli) = aws_cli(ministack.environment()) else { return };
    let document = directory.path().join("shadow.json");
    let desire = |payload: &str| {
        let arguments = ["iot-data", "update-thing-shadow", "--thing-name", "gw-1", "--payload", payload];
        output_of(cli.command(arguments).arg(&document));
    };
    let reported = || {
        output_of(cli.command(["iot-data", "get-thing-shadow", "--thing-name", "gw-1"]).arg(&document));
        let shadow: serde_json::Value = serde_json::from_slice(&fs::read(&document).unwrap()).unwrap();
        shadow["state"]["reported"].clone()
    };
    desire(r#"{"state": {"desired": {"on": true}}}"#);
    let mut program = start(&config);
    assert!(program.line().starts_with("wanted Lamp { on: Some(true)"));
    // This device's brightness ends at 100: it is told once.
    desire(r#"{"state": {"desired": {"brightness": 200}}}"#);
    assert!(program.line().ends_with("is now Lamp { on: Some(true), brightness: Some(100) }"));
    let expected = serde_json::json!({"on": true, "brightness": 100});
    let begun = std::time::Instant::now();
    while reported() != expected {
        assert!(begun.elapsed() < PATIENCE, "{}", reported());
    }
    program.stop();
    desire(r#"{"state": {"desired": {"on": false}}}"#);
    let mut program = start(&config);
    assert!(program.line().contains("on: Some(false), brightness: Some(100)"));
    program.stop();
}
