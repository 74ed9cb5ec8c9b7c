//! Lists of devices in both forms, and what is wrong in them.

use aws_iot_sim::AwsIotSim;
use serde_json::Value;

use crate::support::terminal::seen_at_a_terminal;
use crate::support::{Device, Operator};

fn operator(sim: &AwsIotSim, devices: &[&str]) -> Operator {
    let operator = Operator::new(sim.environment());
    for name in devices {
        operator.write(&format!("bundles/{name}.json"), Device::new().bundle(name));
    }
    operator
}

/// Thing, result and error of each device.
fn rows(report: &Value) -> Vec<(&str, &str, &str)> {
    let text =
        |row: &'_ Value, member: &str| row[member].as_str().unwrap_or_default().to_owned().leak() as &str;
    let devices = report["devices"].as_array().unwrap();
    devices.iter().map(|row| (text(row, "thingName"), text(row, "result"), text(row, "error"))).collect()
}

#[test]
fn json_lines_name_things_or_serial_numbers() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(&sim, &["a", "b"]);
    let list = "{\"file\":\"bundles/a.json\",\"thing_name\":\"first\"}\n\n\
                {\"file\":\"bundles/b.json\",\"serial\":\"b\"}\n\
                {\"file\":\"bundles/b.json\"\n\
                {\"bundle\":\"bundles/a.json\",\"thing_name\":\"first\"}\n\
                {\"file\":\"bundles/b.json\",\"colour\":\"red\"}\n";
    operator.write("fleet.jsonl", list);
    let fleet = ["provision", "--fleet", "fleet.jsonl", "--thing-name", "gw-{serial}"];
    let (report, status) = operator.json(&fleet);
    assert_eq!(status, Some(4), "{report}");
    let rows = rows(&report);
    let ends: Vec<_> = rows.iter().map(|(thing, result, _)| (*thing, *result)).collect();
    let refused = ("", "refused");
    assert_eq!(
        ends,
        [("first", "registered"), ("gw-b", "registered"), refused, ("first", "refused"), refused]
    );
    assert!(rows[2].2.contains("its line makes no sense: EOF"), "{}", rows[2].2);
    assert!(rows[3].2.contains("stands in fleet.jsonl:1 already"), "{}", rows[3].2);
    assert!(rows[4].2.contains("unknown field `colour`"), "{}", rows[4].2);
    assert_eq!(report["devices"][2]["source"], "fleet.jsonl:4");
}

#[test]
fn a_bad_line_in_the_middle_of_a_table_does_not_stop_the_others() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(&sim, &["a", "b", "c"]);
    let list = b"file,thing_name\n# the first box\nbundles/a.json,a\nbundles/b.json,b,too much\nbundles/b.json,\xff\n\
                 bundles/c.json,c\nbundles/c.json,c\n";
    operator.write("fleet.csv", list);
    let (report, status) = operator.json(&["provision", "--fleet", "fleet.csv"]);
    assert_eq!(status, Some(4), "{report}");
    let rows = rows(&report);
    assert_eq!((rows[0].0, rows[0].1), ("a", "registered"));
    assert!(rows[1].2.contains("its line makes no sense") && rows[1].2.contains("fields"), "{}", rows[1].2);
    assert_eq!(report["devices"][1]["source"], "fleet.csv:4");
    assert!(rows[2].2.contains("UTF-8"), "{}", rows[2].2);
    assert_eq!((rows[3].0, rows[3].1), ("c", "registered"));
    assert!(rows[4].2.contains("stands in fleet.csv:6 already"), "{}", rows[4].2);
}

#[test]
fn a_list_that_makes_no_sense_as_a_whole_is_told_before_aws_is_asked() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(&sim, &[]);
    operator.write("header.csv", "bundel,thing_name\na.json,a\n");
    operator.write("no_file.csv", "thing_name\na\n");
    operator.write("empty.csv", "");
    operator.write("nothing.jsonl", "\n");
    operator.write("none/readme.txt", "");
    for (list, says) in [
        ("header.csv", "header.csv, line 1: unknown column \"bundel\"; wanted are file"),
        ("no_file.csv", "line 1: no column file"),
        ("empty.csv", "line 1: no column file"),
        ("nothing.jsonl", "names no device"),
        ("none", "names no device"),
        ("missing.csv", "cannot read missing.csv"),
    ] {
        let error = operator.fails(1, &["provision", "--fleet", list]);
        assert!(error.contains(says), "{list}: {error}");
    }
}

#[test]
fn a_terminal_shows_a_bar_and_each_device_that_is_not_registered() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(&sim, &["a", "b"]);
    operator.write("bundles/c.json", "{");
    let fleet = ["provision", "--fleet", "bundles", "--thing-name", "gw-{serial}"];
    let seen = seen_at_a_terminal(operator.command(&fleet).env("TERM", "xterm"));
    assert!(seen.contains("bundles/c.json refused: identity bundle"), "{seen:?}");
    assert!(seen.contains("] 3/3, 1 bad, "), "{seen:?}");
    assert!(!seen.contains("gw-a registered"), "{seen:?}");
}
