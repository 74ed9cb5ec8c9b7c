//! Lists of devices in both forms, and what is wrong in them.

use aws_iot_sim::AwsIotSim;
use serde_json::Value;
use test_peers::Pki;

use crate::support::terminal::seen_at_a_terminal;
use crate::support::{Device, Operator, text};

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
    assert!(rows[4].2.contains("unknown member \"colour\""), "{}", rows[4].2);
    assert_eq!(report["devices"][2]["source"], "fleet.jsonl:4");
}

#[test]
fn a_bad_line_in_the_middle_of_a_table_does_not_stop_the_others() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(&sim, &["a", "b", "c"]);
    let list = b"file,thing_name\n# the first box\nbundles/a.json,a\nbundles/b.json,b,too much\n\
                 bundles/c.json,c\nbundles/c.json,c\n";
    operator.write("fleet.csv", list);
    let (report, status) = operator.json(&["provision", "--fleet", "fleet.csv"]);
    assert_eq!(status, Some(4), "{report}");
    let rows = rows(&report);
    assert_eq!((rows[0].0, rows[0].1), ("a", "registered"));
    assert!(rows[1].2.contains("its line makes no sense") && rows[1].2.contains("fields"), "{}", rows[1].2);
    assert_eq!(report["devices"][1]["source"], "fleet.csv:4");
    assert_eq!((rows[2].0, rows[2].1), ("c", "registered"));
    assert!(rows[3].2.contains("stands in fleet.csv:5 already"), "{}", rows[3].2);
}

#[test]
fn a_list_that_makes_no_sense_as_a_whole_is_told_before_aws_is_asked() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(&sim, &[]);
    operator.write("header.csv", "bundel,thing_name\na.json,a\n");
    operator.write("no_file.csv", "thing_name\na\n");
    operator.write("empty.csv", "");
    operator.write("shift_jis.csv", b"file,thing_name\r\n# \x8a\xee\x94\xc2\r\na.json,a\r\n");
    operator.write("device.pem", Device::new().certificate.to_pem());
    operator.write("device.json", Device::new().bundle("a"));
    operator.write("nothing.jsonl", "\n");
    operator.write("none/readme.txt", "");
    for (list, says) in [
        ("header.csv", "header.csv, line 1: unknown column \"bundel\"; wanted are file"),
        ("no_file.csv", "line 1: no column file"),
        ("empty.csv", "names no device"),
        ("shift_jis.csv", "shift_jis.csv, line 2: the text is not UTF-8 but probably Shift_JIS"),
        ("device.pem", "device.pem is PEM, not a list"),
        ("device.json", "device.json is one identity bundle, not a list"),
        ("nothing.jsonl", "names no device"),
        ("none", "names no device"),
        ("missing.csv", "cannot read missing.csv"),
    ] {
        let error = operator.fails(1, &["provision", "--fleet", list]);
        assert!(error.contains(says), "{list}: {error}");
    }
}

#[test]
fn a_terminal_shows_each_device_that_is_not_registered() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(&sim, &["a", "b"]);
    operator.write("bundles/c.json", "{");
    let fleet = ["provision", "--fleet", "bundles", "--thing-name", "gw-{serial}"];
    let seen = seen_at_a_terminal(operator.command(&fleet).env("TERM", "xterm"));
    assert!(seen.contains("bundles/c.json refused: identity bundle"), "{seen:?}");
    assert!(seen.contains("] 3/3, 1 bad, "), "{seen:?}");
    assert!(!seen.contains("gw-a registered"), "{seen:?}");
}

/// What `plan` says on standard error, and its status.
fn plan(operator: &Operator, arguments: &[&str]) -> (String, Option<i32>) {
    let output = operator.run(&[&["provision", "plan", "--fleet"], arguments].concat());
    (text(&output.stderr), output.status.code())
}

#[test]
fn a_line_is_the_one_that_an_editor_shows() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(&sim, &["a", "b"]);
    for (name, content, line) in [
        ("crlf.csv", "file,thing_name\r\nbundles/a.json,a\r\nmissing.json,m\r\n", 3),
        ("gaps.csv", "file,thing_name\n\nbundles/a.json,a\n# second box\nmissing.json,m\n", 5),
        ("excel.txt", "\u{feff}file;thing_name;\r\nbundles/a.json;a;\r\nmissing.json;m;\r\n;;\r\n", 3),
        ("tabs.csv", "file\tthing_name\nbundles/a.json\ta\nmissing.json\tm\n", 3),
        (
            "array.json",
            "[\n{\"file\": \"bundles/a.json\", \"thing_name\": \"a\"},\n{\"file\": \"missing.json\"}\n]",
            3,
        ),
    ] {
        operator.write(name, content);
        let (said, status) = plan(&operator, &[name]);
        assert_eq!(status, Some(4), "{name}: {said}");
        let line = format!("{name}:{line}: ");
        assert!(said.contains(&line) && said.contains("missing.json"), "{line:?} not in {said}");
    }
}

#[test]
fn expectations_hold_for_every_name_and_tell_who_never_came() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::new(sim.environment());
    let (a, b) = (Device::new(), Device::new());
    operator.write("a.json", a.bundle("S1"));
    operator.write("b.json", b.bundle("S2"));
    let (first, second) = (a.certificate.fingerprint(), b.certificate.fingerprint());
    operator.write("expected.csv", operator.good(&["identity", "list", "--csv", "a.json", "b.json"]));
    operator.write("both.csv", "file,thing_name\na.json,gw-1\nb.json,gw-2\n");
    let (said, status) = plan(&operator, &["both.csv", "--expect", "expected.csv"]);
    assert_eq!(status, Some(0), "{said}");

    // Excel's form, and one device that did not come.
    operator.write(
        "three.csv",
        format!("\u{feff}serial;fingerprint\r\nS1;{first}\r\nS2;{second}\r\nS3;{}\r\n", "c".repeat(64)),
    );
    let (said, status) = plan(&operator, &["both.csv", "--expect", "three.csv"]);
    assert_eq!(status, Some(4), "{said}");
    assert!(said.contains("S3") && !said.contains("S2"), "{said}");

    // The list of devices calls S1's bundle by the name that is expected to have S2's certificate.
    operator.write("swapped.csv", "file,thing_name\na.json,S2\n");
    let (said, status) = plan(&operator, &["swapped.csv", "--expect", "expected.csv"]);
    assert!(status == Some(4) && said.contains("the wrong chip is in the box"), "{said}");

    operator.write("short.csv", format!("serial,fingerprint\r\n\r\nS1,{first}\r\nS2,abc\r\n"));
    let (said, status) = plan(&operator, &["both.csv", "--expect", "short.csv"]);
    assert!(status == Some(1) && said.contains("short.csv, line 4: \"abc\" is no SHA-256"), "{said}");
}

#[test]
fn a_directory_is_read_without_what_is_no_device() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::new(sim.environment());
    let maker = Pki::new();
    operator.write("in/a.pem", Device::issued_by(&maker).certificate.to_pem());
    operator.write("in/._a.pem", "macOS");
    operator.write("in/x.report.json", "{}");
    let named = ["in", "--thing-name", "gw-{certificate}"];
    let (said, status) = plan(&operator, &named);
    assert_eq!(status, Some(0), "{said}");

    operator.write("in/ca.pem", maker.ca_pem());
    test_peers::output_of(std::process::Command::new("mkfifo").arg(operator.path("in/pipe.pem")));
    let (said, status) = plan(&operator, &named);
    assert_eq!(status, Some(4), "{said}");
    assert!(said.contains("in/ca.pem: certificate") && said.contains("is not a device's"), "{said}");
    assert!(said.contains("in/pipe.pem") && said.contains("is not a file"), "{said}");
    assert!(!said.contains("._a.pem") && !said.contains("in/a.pem"), "{said}");
}

/// `openssl req -x509` says of every certificate that it is an authority's: a device's own is taken, the issuer of others is not.
#[test]
fn an_authority_is_told_from_devices_that_only_say_that_they_are_one() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::new(sim.environment());
    let says_so = |params: &mut rcgen::CertificateParams| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    };
    operator.write("in/a.pem", Device::with(says_so).certificate.to_pem());
    operator.write("in/b.pem", Device::with(says_so).certificate.to_pem());
    let named = ["in", "--thing-name", "gw-{certificate}"];
    let (said, status) = plan(&operator, &named);
    assert_eq!(status, Some(0), "{said}");
    operator.write("in/c.pem", Device::new().certificate.to_pem());
    let (said, status) = plan(&operator, &named);
    assert!(
        status == Some(4) && said.contains("in/a.pem: certificate") && !said.contains("in/c.pem"),
        "{said}"
    );
}

/// Each error named all the other lines once: 220 MB for a list of some thousand.
#[test]
fn a_list_whose_lines_all_name_one_certificate_says_little() {
    let sim = AwsIotSim::start().unwrap();
    let operator = operator(&sim, &["a"]);
    let lines: String = (0..2000).map(|number| format!("bundles/a.json,gw-{number}\n")).collect();
    operator.write("fleet.csv", format!("file,thing_name\n{lines}"));
    let (said, status) = plan(&operator, &["fleet.csv"]);
    assert_eq!(status, Some(4));
    assert!(said.contains("and 1996 more places"), "{}", &said[..1000]);
    assert!(said.len() < 2000 * 500, "{}", said.len());
}

#[test]
fn the_nonce_is_the_devices_own_where_the_list_has_one() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::new(sim.environment());
    let chip = se050_sim::Chip::create(&operator.path("chip")).unwrap();
    let module = chip.module().display().to_string();
    for (serial, nonce) in [("1", "n1"), ("2", "n2")] {
        let file = format!("{serial}.json");
        let export = ["identity", "export", "--serial", serial, "--nonce", nonce, "-o", &file];
        operator.good(&[&export[..], &["--pkcs11-lib", &module]].concat());
    }
    operator.write("list.csv", "file,thing_name,nonce\n1.json,gw-1,n1\n2.json,gw-1,n1\n");
    let (said, status) = plan(&operator, &["list.csv"]);
    assert_eq!(status, Some(4), "{said}");
    assert!(said.contains("list.csv:3: ") && said.contains("\"n2\" and not the \"n1\""), "{said}");
    assert!(!said.contains("list.csv:2: "), "{said}");
}
