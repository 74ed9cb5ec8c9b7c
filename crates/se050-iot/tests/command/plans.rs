//! Which account it is, plans in files, and the commands that work on what is registered.

use std::fs;

use aws_iot_sim::AwsIotSim;
use serde_json::Value;
use test_peers::aws_cli;

use crate::support::{Device, Operator, aws, strings, text};

const PROVISION: [&str; 5] = ["provision", "--certificate", "device.json", "--thing-name", "dev1"];
const PLAN: [&str; 6] = ["provision", "plan", "--certificate", "device.json", "--thing-name", "dev1"];
const FLEET: [&str; 5] = ["provision", "--fleet", "bundles", "--thing-name", "gw-{serial}"];

fn sim(account: &str) -> AwsIotSim {
    AwsIotSim::builder().account(account).start().unwrap()
}

fn operator(sim: &AwsIotSim) -> Operator {
    let operator = Operator::new(sim.environment());
    operator.write("device.json", Device::new().bundle("1"));
    operator
}

fn fleet(sim: &AwsIotSim) -> Operator {
    let operator = Operator::new(sim.environment());
    for name in ["a", "b", "c"] {
        operator.write(&format!("bundles/{name}.json"), Device::new().bundle(name));
    }
    operator
}

/// Fault: a fleet was "done before" in an account where nothing was registered.
#[test]
fn results_of_another_account_do_not_count() {
    let (staging, production) = (sim("111111111111"), sim("222222222222"));
    let operator = fleet(&staging);
    let printed = operator.good(&FLEET);
    assert!(printed.starts_with("account 111111111111, region us-east-1"), "{printed}");
    let in_production = |more: &[&str]| {
        let mut command = operator.command(&[&FLEET[..], more].concat());
        text(&command.envs(production.environment()).env("AWS_MAX_ATTEMPTS", "1").output().unwrap().stdout)
    };
    let printed = in_production(&["--resume", "bundles.report.jsonl"]);
    assert!(printed.starts_with("account 222222222222"), "{printed}");
    assert!(printed.contains("3 registered") && printed.contains("0 done before"), "{printed}");
    let printed = in_production(&["--resume", "bundles.report.jsonl"]);
    assert!(printed.contains("3 done before"), "{printed}");
    // With other settings, what is done counts for nothing.
    let printed = in_production(&["--resume", "bundles.report.jsonl", "--attribute", "line=3"]);
    assert!(printed.contains("3 registered"), "{printed}");
}

#[test]
fn the_account_can_be_required_and_dashes_do_not_matter() {
    let sim = sim("111122223333");
    let operator = operator(&sim);
    for command in
        [&PROVISION[..], &PLAN, &["remove", "--thing-name", "dev1", "--yes"], &["policy", "apply", "--yes"]]
    {
        let error = operator.fails(1, &[command, &["--account", "444455556666"]].concat());
        assert!(error.contains("111122223333") && error.contains("444455556666"), "{error}");
    }
    let error = operator.fails(2, &[&PROVISION[..], &["--account", "12"]].concat());
    assert!(error.contains("12 digits"), "{error}");
    operator.good(&[&PROVISION[..], &["--account", "1111-2222-3333"]].concat());
}

#[test]
fn a_plan_is_kept_shown_and_applied_as_it_is() {
    let (sim, other) = (sim("111122223333"), sim("444455556666"));
    let operator = operator(&sim);
    let detailed = [&PLAN[..], &["--detailed-exitcode"]].concat();
    let output = operator.run(&[&detailed[..], &["--out", "plan"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let mut elsewhere = operator.command(&["provision", "apply", "plan"]);
    let refused = elsewhere.envs(other.environment()).output().unwrap();
    assert!(text(&refused.stderr).contains("is not account 111122223333"), "{}", text(&refused.stderr));

    let applied = operator.good(&["provision", "apply", "plan", "--device-config", "device.toml"]);
    let shown = text(&output.stdout);
    for line in shown.lines().filter(|line| line.starts_with(['+', '~'])) {
        assert!(applied.contains(line), "{line:?} not in {applied}");
    }
    assert!(fs::read_to_string(operator.path("device.toml")).unwrap().contains("thing = \"dev1\""));
    assert_eq!(operator.run(&detailed).status.code(), Some(0), "nothing is to change");
    assert_eq!(
        operator.run(&[&PLAN[..4], &["--thing-name", "a b", "--detailed-exitcode"]].concat()).status.code(),
        Some(3)
    );

    // The account has changed: what was not shown is not done.
    operator.good(&["remove", "--thing-name", "dev1", "--yes"]);
    operator.good(&["provision", "apply", "plan"]);
    operator.good(&["deactivate", "--thing-name", "dev1"]);
    let error = operator.fails(1, &["provision", "apply", "plan"]);
    assert!(error.contains("INACTIVE"), "{error}");
    // Settings cannot be said once more.
    let error = operator.fails(2, &["provision", "apply", "plan", "--group", "tokyo"]);
    assert!(error.contains("--group"), "{error}");
    operator.write("notes.txt", "my notes\n");
    let error = operator.fails(1, &[&PLAN[..], &["--out", "notes.txt"]].concat());
    assert!(error.contains("no plan"), "{error}");
    assert_eq!(fs::read_to_string(operator.path("notes.txt")).unwrap(), "my notes\n");
}

#[test]
fn a_fleets_plan_is_kept_and_applied_and_its_registration_taken_back() {
    let sim = sim("111122223333");
    let operator = fleet(&sim);
    operator.good(&[
        "provision",
        "plan",
        "--fleet",
        "bundles",
        "--thing-name",
        "gw-{serial}",
        "--out",
        "plan",
    ]);
    assert_eq!(fs::read_to_string(operator.path("plan")).unwrap().lines().count(), 3);
    let applied = operator.good(&["provision", "apply", "plan"]);
    assert!(applied.contains("3 devices: 3 registered"), "{applied}");
    let list = ["--fleet", "bundles", "--thing-name", "gw-{serial}"];
    let status = operator.good(&[&["status"], &list[..]].concat());
    assert!(status.contains("3 devices: 3 can connect"), "{status}");

    let remove = [&["remove"], &list[..]].concat();
    let shown = operator.fails(5, &remove);
    assert!(shown.contains("--yes"), "{shown}");
    let dry = operator.good(&[&remove[..], &["--dry-run"]].concat());
    assert!(dry.contains("- thing gw-a") && dry.contains("3 devices to remove"), "{dry}");
    let removed = operator.good(&[&remove[..], &["--yes"]].concat());
    assert!(removed.contains("3 removed") && removed.contains("- policy se050-device"), "{removed}");
    let output = operator.run(&[&["status"], &list[..]].concat());
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stdout).contains("gw-b: not registered"), "{}", text(&output.stdout));
    let Some(cli) = aws_cli(sim.environment()) else { return };
    for (list, members) in
        [("list-things", "things"), ("list-certificates", "certificates"), ("list-policies", "policies")]
    {
        assert_eq!(aws(&cli, &[list])[members], serde_json::json!([]), "{list}");
    }
}

#[test]
fn status_tells_what_aws_has_of_a_device() {
    let sim = sim("111122223333");
    let operator = operator(&sim);
    let output = operator.run(&["status", "--thing-name", "dev1"]);
    assert_eq!(output.status.code(), Some(4));
    operator.good(&PROVISION);
    let told = operator.good(&["status", "--thing-name", "dev1"]);
    for line in
        ["account 111122223333", "thing        dev1", "serial = 1", "ACTIVE, exclusive, policy se050-device"]
    {
        assert!(told.contains(line), "{line:?} not in {told}");
    }
    let (state, status) = operator.json(&["status", "--thing-name", "dev1"]);
    assert_eq!(
        (status, &state["letsIn"], &state["account"]),
        (Some(0), &true.into(), &"111122223333".into())
    );
    operator.good(&["deactivate", "--thing-name", "dev1"]);
    let (state, status) = operator.json(&["status", "--thing-name", "dev1"]);
    assert_eq!((status, &state["certificates"][0]["status"]), (Some(4), &Value::from("INACTIVE")));
}

/// Fault: `--journal WRONGFILE` destroyed that file, and a pipe in its place made the command hang.
#[test]
fn a_file_that_holds_something_else_is_left_as_it_is() {
    let sim = sim("111122223333");
    let operator = fleet(&sim);
    for name in ["notes.csv", "notes.jsonl", "old.journal"] {
        operator.write(name, "my notes\n");
    }
    let error = operator.fails(1, &[&FLEET[..], &["--report", "notes"]].concat());
    assert!(error.contains("notes.csv exists and is not the report of an earlier run"), "{error}");
    let error = operator.fails(1, &[&FLEET[..], &["--resume", "notes.jsonl"]].concat());
    assert!(error.contains("no results file"), "{error}");
    let fifo = operator.path("pipe.csv");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    if made.is_ok_and(|status| status.success()) {
        let error = operator.fails(1, &[&FLEET[..], &["--report", "pipe"]].concat());
        assert!(error.contains("pipe.csv"), "{error}");
    }
    // The old option is taken, and does nothing.
    let output = operator.run(&[&FLEET[..], &["--journal", "old.journal"]].concat());
    assert!(
        output.status.success() && text(&output.stderr).contains("--journal does nothing"),
        "{}",
        text(&output.stderr)
    );
    for name in ["notes.csv", "notes.jsonl", "old.journal"] {
        assert_eq!(fs::read_to_string(operator.path(name)).unwrap(), "my notes\n", "{name}");
    }
    // A second run writes over its own report, and goes on in its own results.
    let lines = || fs::read_to_string(operator.path("bundles.report.jsonl")).unwrap().lines().count();
    let before = lines();
    operator.good(&FLEET);
    assert_eq!(lines(), before + 3, "three devices, no steps");
    assert!(!fs::read_to_string(operator.path("bundles.report.csv")).unwrap().contains("\n+"));
}

/// Fault: things were left behind when a configuration could not be written.
#[test]
fn what_cannot_be_written_is_told_before_anything_is_registered() {
    let sim = sim("111122223333");
    let operator = operator(&sim);
    operator.write("file", "");
    let error = operator.fails(1, &[&PROVISION[..], &["--device-config", "none/device.toml"]].concat());
    assert!(error.contains("none/device.toml; nothing was registered"), "{error}");
    let fleet = ["provision", "--fleet", ".", "--thing-name", "gw-{serial}", "--device-config", "file"];
    let error = operator.fails(1, &fleet);
    assert!(error.contains("nothing was registered"), "{error}");
    let Some(cli) = aws_cli(sim.environment()) else { return };
    assert_eq!(strings(&aws(&cli, &["list-things"]), "things", "thingName"), Vec::<String>::new());
}

/// Fault: both ended in a panic.
#[test]
fn odd_numbers_are_refused() {
    let sim = sim("111122223333");
    let operator = fleet(&sim);
    for (option, value) in [
        ("--rate", "nan"),
        ("--rate", "inf"),
        ("--rate", "0"),
        ("--rate=-1", ""),
        ("--call-timeout", "99999999999999999"),
        ("--call-timeout", "0"),
        ("--concurrency", "0"),
    ] {
        let option: Vec<&str> = [option, value].into_iter().filter(|word| !word.is_empty()).collect();
        operator.fails(2, &[&FLEET[..], &option].concat());
    }
}
