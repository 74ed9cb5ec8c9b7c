//! `se050-iot sub`, fed by mosquitto_pub; what AWS IoT Core refuses, by the local one.

use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};
use test_peers::output_of;

use crate::support::messaging::{Messaging, Running};
use crate::support::text;

const ALL: [&str; 4] = ["Connect", "Publish", "Subscribe", "Receive"];

#[test]
fn messages_of_mosquitto_pub_are_printed_as_they_are_asked_for() {
    let Some(bench) = Messaging::with_mosquitto() else { return };
    output_of(
        &mut bench.peer("mosquitto_pub", &["-q", "1", "-r", "-t", "gw-1/kept", "-m", r#"{"a": [1.10]}"#]),
    );
    let kept = |arguments: &[&str]| {
        let output = bench.run("sub", &[&["-C", "1", "-W", "60"], arguments].concat());
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{arguments:?}");
        text(&output.stdout)
    };
    // Without a topic, the device's own.
    assert_eq!(kept(&[]), "{\"a\": [1.10]}\n");
    assert_eq!(kept(&["-t", "gw-1/+", "-v"]), "gw-1/kept {\"a\": [1.10]}\n");
    assert_eq!(kept(&["-t", "gw-1/kept", "-N"]), "{\"a\": [1.10]}");
    assert_eq!(kept(&["-t", "gw-1/kept", "--pretty"]), "{\n  \"a\": [\n    1.10\n  ]\n}\n");
    let object: Value = serde_json::from_str(&kept(&["-t", "gw-1/kept", "--json"])).unwrap();
    let expected = json!({ "topic": "gw-1/kept", "qos": 1, "retain": true, "duplicate": false, "payload": "{\"a\": [1.10]}" });
    assert_eq!(object, expected);

    // Not what was retained before, but what comes then: on several filters, with all that it carries, and as many as asked for.
    let mut command =
        bench.command("sub", &["-t", "gw-1/#", "-t", "other/+", "-R", "--json", "-C", "2", "-i", "many"]);
    let mut sub = Running::start(&mut command);
    bench.wait_for_log("Sending SUBACK to many");
    let properties = [
        "-D",
        "publish",
        "user-property",
        "a",
        "1",
        "-D",
        "publish",
        "content-type",
        "text/plain",
        "-D",
        "publish",
        "response-topic",
        "answers",
        "-D",
        "publish",
        "correlation-data",
        "7",
    ];
    output_of(
        &mut bench
            .peer("mosquitto_pub", &[&["-q", "1", "-t", "other/x", "-m", "text"], &properties[..]].concat()),
    );
    bench.device.write("bytes", [0xFF, 0x00]);
    output_of(&mut bench.peer("mosquitto_pub", &["-q", "0", "-t", "gw-1/in", "-f", "bytes"]));
    let lines: Vec<Value> = (0..2).map(|_| serde_json::from_str(&sub.line()).unwrap()).collect();
    let expected = json!({
        "topic": "other/x", "qos": 1, "retain": false, "duplicate": false, "payload": "text", "contentType": "text/plain",
        "responseTopic": "answers", "correlationData": "7", "userProperties": [{ "name": "a", "value": "1" }],
    });
    assert_eq!(lines[0], expected);
    let expected =
        json!({ "topic": "gw-1/in", "qos": 0, "retain": false, "duplicate": false, "payloadBase64": "/wA=" });
    assert_eq!(lines[1], expected);
    assert_eq!(sub.end(), (Some(0), String::new()));
}

#[test]
fn a_closed_pipe_and_signals_end_it_in_order() {
    let Some(bench) = Messaging::with_mosquitto() else { return };
    output_of(&mut bench.peer("mosquitto_pub", &["-q", "1", "-r", "-t", "gw-1/kept", "-m", "kept"]));
    let none: &[&str] = &[];
    for (name, arguments, signal, status) in [
        ("closed", none, None, 0),
        ("int", none, Some(Signal::INT), 0),
        ("term", none, Some(Signal::TERM), 0),
        ("count-int", &["-C", "2"], Some(Signal::INT), 130),
        ("count-term", &["-C", "2"], Some(Signal::TERM), 143),
    ] {
        let mut command = bench.command("sub", &[&["-i", name], arguments].concat());
        let mut sub = Running::start(&mut command);
        assert_eq!(sub.line(), "kept");
        match signal {
            // No further message has to come.
            None => sub.close_output(),
            Some(signal) => sub.signal(signal),
        }
        assert_eq!(sub.end(), (Some(status), String::new()), "{name}");
        bench.wait_for_log(&format!("Received DISCONNECT from {name}"));
        bench.assert_chip_is_free();
    }
}

#[test]
fn the_exit_code_tells_what_went_wrong() {
    let bench = Messaging::with_aws(&ALL);
    bench.broker.publish_retained("gw-1/kept", "kept").unwrap();
    for (status, arguments, says) in [
        (27, &["-t", "gw-1/nothing", "-W", "0.5"][..], "--timeout is over, 0 messages"),
        (27, &["-t", "gw-1/kept", "-R", "-C", "1", "-W", "0.5"], "--timeout is over, 0 messages"),
        (2, &["-t", "a/#/b"], "not a topic filter"),
        (2, &["-C", "0"], "--count"),
        (2, &["--will-payload", "x"], "--will-topic"),
        (69, &["-p", "1"], "no connection to localhost:1"),
    ] {
        let said = bench.ends(status, "sub", arguments);
        assert!(said.contains(says), "{arguments:?}: {says:?} is not in {said}");
    }
    for (missing, says) in [("Connect", "iot:Connect"), ("Subscribe", "iot:Subscribe")] {
        let allowed: Vec<&str> = ALL.into_iter().filter(|action| *action != missing).collect();
        let said = Messaging::with_aws(&allowed).ends(77, "sub", &["-W", "120"]);
        assert!(said.contains(says), "{missing}: {said}");
    }
    // What is asked for arrives, or it is an error.
    for (redirection, says) in [(">/dev/full", "No space left"), (">&-", "Bad file descriptor")] {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("exec \"$0\" \"$@\" {redirection}"), env!("CARGO_BIN_EXE_se050-iot")]);
        shell
            .args(["sub", "--config", "device.toml", "-t", "gw-1/kept", "-W", "60"])
            .current_dir(bench.device.path(""));
        let output =
            shell.env("SE050_LOCK_FILE", bench.device.path("lock")).stdin(Stdio::null()).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{redirection}: {said}");
        assert!(said.contains(says) && said.contains("standard output"), "{redirection}: {said}");
    }
}

#[test]
fn a_session_that_is_kept_brings_what_came_meanwhile() {
    let bench = Messaging::with_aws(&ALL);
    let session = ["-t", "gw-1/in", "-x", "3600", "-W", "60", "-C", "1"];
    // It ends when the subscription stands.
    bench.broker.publish_retained("gw-1/in", "kept").unwrap();
    let output = bench.run("sub", &session);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "kept\n".to_owned()));
    bench.broker.publish("gw-1/in", "while it was away").unwrap();
    let output = bench.run("sub", &session);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "while it was away\n".to_owned()));
}

#[test]
fn a_will_is_published_when_the_program_dies() {
    let Some(bench) = Messaging::with_mosquitto() else { return };
    let mut judge = bench.peer("mosquitto_sub", &["-t", "gw-1/state", "-C", "1", "-i", "judge"]);
    let mut judge = Running::start(&mut judge);
    bench.wait_for_log("Sending SUBACK to judge");
    let will = ["-t", "x", "--will-topic", "gw-1/state", "--will-payload", "gone", "-i", "mortal"];
    let mut command = bench.command("sub", &will);
    let sub = Running::start(&mut command);
    bench.wait_for_log("Sending SUBACK to mortal");
    sub.signal(Signal::KILL);
    assert_eq!(judge.line(), "gone");
}
