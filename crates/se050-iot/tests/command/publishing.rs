//! `se050-iot pub`, judged by mosquitto_sub; what AWS IoT Core refuses, by the local one.

use std::io::Write as _;
use std::process::Stdio;

use rustix::process::Signal;
use se050_sim::Fault;

use crate::support::messaging::{Messaging, Running, wait_until};
use crate::support::text;

const ALL: [&str; 4] = ["Connect", "Publish", "Subscribe", "Receive"];

#[test]
fn messages_of_each_source_arrive_at_mosquitto_sub_with_all_that_they_carry() {
    let Some(bench) = Messaging::with_mosquitto() else { return };
    bench.device.write("payload", "from a file");
    // Topic, QoS, retain, payload; content type, correlation data, response topic, user properties, expiry.
    let format = "%t|%q|%r|%p|%C|%D|%R|%P|%E";
    let mut judge = bench.peer("mosquitto_sub", &["-q", "1", "-t", "t/#", "-C", "11", "-F", format]);
    let mut judge = Running::start(&mut judge);
    bench.wait_for_log("Received SUBSCRIBE");
    let with_input = |arguments: &[&str], input: &str| {
        let mut child =
            bench.command("pub", arguments).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{arguments:?}");
    };
    with_input(&["-t", "t/m", "-m", "text"], "");
    with_input(&["-t", "t/n", "-n", "-q", "0"], "");
    with_input(&["-t", "t/f", "-f", "payload"], "");
    with_input(&["-t", "t/s", "-s"], "one\ntwo\n");
    with_input(&["-t", "t/l", "-l"], "first\n\nthird, without an end");
    with_input(&["-t", "t/r", "-m", "again", "--repeat", "3", "--repeat-delay", "0.01"], "");
    let all = [
        "-D",
        "a=1",
        "-D",
        "b=x=y",
        "--response-topic",
        "answers",
        "--correlation-data",
        "7",
        "--content-type",
        "text/plain",
        "--message-expiry",
        "600",
        "--payload-format",
        "utf8",
    ];
    with_input(&[&["-t", "t/p", "-m", "with properties"], &all[..]].concat(), "");
    with_input(&["-t", "t/k", "-m", "kept", "-r"], "");
    let lines: Vec<String> = (0..12).map_while(|_| Some(judge.line())).take(12).collect();
    let expected = [
        "t/m|1|0|text||||",
        "t/n|0|0|||||",
        "t/f|1|0|from a file||||",
        "t/s|1|0|one",
        "two",
        "||||",
        "t/l|1|0|first||||",
        "t/l|1|0|third, without an end||||",
        "t/r|1|0|again||||",
        "t/r|1|0|again||||",
        "t/r|1|0|again||||",
    ];
    for (line, expected) in lines.iter().zip(expected) {
        // mosquitto_sub writes an absent expiry in several ways.
        assert!(line.starts_with(expected), "{line:?} is not {expected:?}: {lines:#?}");
    }
    assert!(
        lines[11].starts_with("t/p|1|0|with properties|text/plain|7|answers|a:1 b:x=y|"),
        "{}",
        lines[11]
    );
    drop(judge);
    let kept = bench.peer("mosquitto_sub", &["-t", "t/k", "-C", "1", "-F", "%r %p"]).output().unwrap();
    assert_eq!(text(&kept.stdout), "1 kept\n");
}

#[test]
fn the_exit_code_tells_what_went_wrong() {
    let bench = Messaging::with_aws(&ALL);
    let message = ["-t", "t", "-m", "x"];
    bench.ends(0, "pub", &message);
    for (status, arguments, says) in [
        (2, &["-t", "t"][..], "--message <TEXT>"),
        (2, &["-m", "x"], "--topic <TOPIC>"),
        (2, &["-t", "a/+", "-m", "x"], "no wildcards"),
        (2, &["-t", "t", "-m", "x", "-q", "2"], "knows no QoS 2"),
        (2, &["-t", "t", "-m", "x", "-l"], "cannot be used with"),
        (2, &["-t", "t", "-m", "x", "-D", "name"], "NAME=VALUE"),
        (2, &["-t", "t", "-m", "x", "--proxy", "http://u:secret@h:1"], "HTTPS_PROXY"),
        (1, &["-t", "t", "-f", "/nowhere"], "/nowhere"),
        (1, &["-t", "t", "-f", "/dev/zero"], "131072"),
        (1, &["-t", "a/b/c/d/e/f/g/h/i", "-m", "x"], "AWS IoT Core allows"),
        (69, &["-t", "t", "-m", "x", "-p", "1"], "no connection to localhost:1"),
        (69, &["-t", "t", "-m", "x", "--proxy", "http://localhost:1"], "localhost:1"),
        (1, &["-t", "t", "-m", "x", "--ca-file", "/nowhere.pem"], "/nowhere.pem"),
    ] {
        let said = bench.ends(status, "pub", arguments);
        assert!(said.contains(says), "{arguments:?}: {says:?} is not in {said}");
        assert!(!said.contains("secret"), "{said}");
    }
    // The environment stands between flags and configuration.
    let mut command = bench.command("pub", &message);
    let output = command.env("SE050_PORT", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(69), "{}", text(&output.stderr));
    bench.chip.set_fault(Fault::Absent).unwrap();
    let said = bench.ends(75, "pub", &message);
    assert!(said.contains("module's own log") && said.contains("Session Open Failed"), "{said}");
    let nowhere = bench.device.run(&["pub", "-t", "t", "-m", "x", "--key-label", "sss:000100F0"]);
    let said = text(&nowhere.stderr);
    assert!(nowhere.status.code() == Some(2) && said.contains("SE050_ENDPOINT"), "{said}");
}

#[test]
fn what_the_policy_does_not_allow_is_told_by_an_exit_code_of_its_own() {
    for (missing, says) in [("Connect", "iot:Connect"), ("Publish", "iot:Publish")] {
        let allowed: Vec<&str> = ALL.into_iter().filter(|action| *action != missing).collect();
        let said = Messaging::with_aws(&allowed).ends(77, "pub", &["-t", "t", "-m", "x"]);
        assert!(said.contains(says), "{missing}: {said}");
    }
}

#[test]
fn each_line_is_delivered_in_order_or_told_by_its_number() {
    let bench = Messaging::with_aws(&ALL);
    let mut child = bench
        .command("pub", &["-t", "t", "-l"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // More than wait for an acknowledgement at a time; one is larger than AWS takes, one larger than what is read.
    let lines = (1..=250).map(|number| match number {
        7 => "x".repeat(140_000),
        9 => "x".repeat(1_100_000),
        _ => number.to_string(),
    });
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || lines.for_each(|line| writeln!(input, "{line}").unwrap()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("line 7 is not delivered") && said.contains("line 9 is not delivered"), "{said}");
    assert!(said.contains("248 of 250 lines delivered"), "{said}");
    let received: Vec<u32> =
        bench.broker.received().iter().map(|message| text(&message.payload).parse().unwrap()).collect();
    let expected: Vec<u32> = (1..=250).filter(|number| ![7, 9].contains(number)).collect();
    assert_eq!(received, expected);
}

#[test]
fn a_signal_ends_it_in_order_and_the_chip_is_free() {
    let Some(bench) = Messaging::with_mosquitto() else { return };
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut command = bench.command("pub", &["-t", "t", "-l", "-i", &format!("pub-{status}")]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "the last line {status}").unwrap();
        bench.wait_for_log(&format!("Sending PUBACK to pub-{status}"));
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        // Its standard input is still open.
        wait_until("its end", || child.try_wait().unwrap().is_some());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
        bench.wait_for_log(&format!("Received DISCONNECT from pub-{status}"));
        bench.assert_chip_is_free();
        drop(input);
    }
}
