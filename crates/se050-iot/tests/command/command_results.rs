//! `se050-iot commands run`, with the test as AWS IoT's service behind mosquitto.

use std::fs;

use rustix::process::Signal;
use test_peers::output_of;

use crate::support::messaging::{Messaging, Running, wait_until};

const EXECUTIONS: &str = "$aws/commands/things/gw-1/executions";

#[test]
fn a_result_that_aws_iot_throttles_is_reported_again_after_a_pause() {
    let Some(bench) = Messaging::with_mosquitto() else { return };
    let reports = format!("{EXECUTIONS}/e-1/response/json");
    let mut service =
        Running::start(&mut bench.peer("mosquitto_sub", &["-q", "1", "-i", "service", "-t", &reports]));
    bench.wait_for_log("Sending SUBACK to service");
    let answer = |outcome: &str, text: &str| {
        let topic = format!("{EXECUTIONS}/e-1/response/{outcome}/json");
        output_of(&mut bench.peer("mosquitto_pub", &["-q", "1", "-t", &topic, "-m", text]));
    };
    // What an earlier run could not report.
    let left = r#"{"execution":"e-1","at":0,"entry":{"ended":{"status":"SUCCEEDED"}}}"#;
    bench.device.write("commands.journal", format!("{left}\n"));
    let run = ["commands", "run", "--handler", "/bin/true", "--config", "device.toml"];
    let mut command = bench.device.command(&run);
    let device = Running::start(command.env("SE050_LOCK_FILE", bench.device.path("lock")));
    // As often as the library asks in a row.
    for _ in 0..5 {
        assert!(service.line().contains("SUCCEEDED"));
        answer("rejected", r#"{"error":"RequestThrottled","errorMessage":"too many requests"}"#);
    }
    assert!(service.line().contains("SUCCEEDED"));
    answer("accepted", "{}");
    let journal = bench.device.path("commands.journal");
    wait_until("it is written down", || fs::read_to_string(&journal).unwrap().contains("reported"));
    device.signal(Signal::TERM);
    let (status, said) = device.end();
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(said.matches("once more in 10 s").count(), 1, "{said}");
}
