//! Fleets: faults, kills and wrong entries; the end state is read back with the AWS CLI.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_iot_sim::AwsIotSim;
use serde_json::Value;
use test_peers::{Moto, aws_cli, program};

use crate::support::fault_proxy::{Fault, FaultProxy};
use crate::support::{Device, Operator, aws, strings, text};

/// How many devices; `FLEET_TEST_DEVICES=1000` for more.
fn devices() -> usize {
    std::env::var("FLEET_TEST_DEVICES").ok().and_then(|number| number.parse().ok()).unwrap_or(120)
}

/// 3 in 100 calls, in five ways, the same in each run of the test.
fn three_percent(call: usize) -> Fault {
    match call.wrapping_mul(2_654_435_761) % 1000 {
        0..7 => Fault::InternalError,
        7..14 => Fault::Throttled,
        14..20 => Fault::LostBefore,
        20..26 => Fault::LostAfter,
        26..30 => Fault::NoAnswer,
        _ => Fault::None,
    }
}

/// When a run is killed (SIGKILL).
#[derive(Clone, Copy)]
enum Kill {
    /// When so many devices are told as finished.
    AfterDevices(usize),
    /// That long after it began, wherever it is then.
    After(Duration),
    Never,
}

/// The status of a run; `None` when it was killed.
fn run_until(operator: &Operator, arguments: &[&str], kill: Kill) -> Option<i32> {
    let mut command = operator.command(arguments);
    command.env("AWS_MAX_ATTEMPTS", "5").stderr(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    if let Kill::After(moment) = kill {
        // Not to wait for anything: any moment will do.
        std::thread::sleep(moment);
        child.kill().unwrap();
    }
    let mut told = Vec::new();
    for line in lines {
        let number: Option<usize> = line.split('/').next().and_then(|number| number.parse().ok());
        told.push(line);
        if matches!(kill, Kill::AfterDevices(finished) if number >= Some(finished)) {
            child.kill().unwrap();
            break;
        }
    }
    let code = child.wait().unwrap().code();
    // It may come to its end before it is killed.
    assert!(code.is_none_or(|code| code == 0), "{code:?}\n{}", told.join("\n"));
    code
}

/// A fleet through a proxy that spoils 3 % of the calls, killed at random moments and begun again until it is whole; then
/// results, report and configurations are looked at, and what the AWS CLI tells.
fn registered_in_spite_of_faults_and_kills(environment: Vec<(String, String)>, url: &str, count: usize) {
    let proxy = FaultProxy::start(url, |call, _| three_percent(call));
    let operator = Operator::new(proxy.environment(environment.clone()));
    for number in 0..count {
        operator.write(&format!("bundles/{number:04}.json"), Device::new().bundle(&format!("{number:04}")));
    }
    let fixed = ["provision", "--fleet", "bundles/", "--thing-name", "gw-{serial}", "--rate", "500"];
    let options = ["--report", "result", "--device-config", "configs", "--call-timeout", "10"];
    let arguments = [&fixed[..], &options[..]].concat();
    let random = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() as usize;
    println!("seed {random}");
    let moment = |limit: u64, turn: u64| Kill::After(Duration::from_millis((random as u64 >> turn) % limit));
    let mut kills = 0;
    for kill in [
        moment(200, 0),
        Kill::AfterDevices(count / 8 + random % (count / 8)),
        moment(1000, 7),
        Kill::AfterDevices(count * 3 / 8 + random % (count / 8)),
        moment(1000, 14),
        Kill::AfterDevices(count * 6 / 8 + random % (count / 8)),
    ] {
        kills += usize::from(run_until(&operator, &arguments, kill).is_none());
    }
    assert!(kills > 0, "no run was killed");
    assert_eq!(run_until(&operator, &arguments, Kill::Never), Some(0));

    // Each device has its result in the last run, and all of its runs stand in the results file.
    let lines = fs::read_to_string(operator.path("result.jsonl")).unwrap();
    let mut results: BTreeMap<String, Value> = BTreeMap::new();
    for line in lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if !line["result"].is_null() {
            results.insert(line["thingName"].as_str().unwrap().to_owned(), line);
        }
    }
    assert_eq!(results.len(), count);
    assert!(
        results.values().all(|line| ["registered", "unchanged"].contains(&line["result"].as_str().unwrap()))
    );
    assert_eq!(fs::read_to_string(operator.path("result.csv")).unwrap().lines().count(), count + 1);

    // The results of this account, region and these settings are taken for done on request; then AWS is asked for account and
    // endpoint alone, and the configurations are where they are wanted now.
    let calls = proxy.calls();
    let resumed =
        [&arguments[..7], &["--resume", "result.jsonl", "--report", "again", "--device-config", "elsewhere"]]
            .concat();
    let printed = text(&test_peers::output_of(operator.command(&resumed).env("AWS_MAX_ATTEMPTS", "5")));
    assert!(printed.contains(&format!("{count} done before")), "{printed}");
    assert!(proxy.calls() - calls < 10, "{}", proxy.calls() - calls);
    for directory in ["configs", "elsewhere"] {
        let written = fs::read_dir(operator.path(directory)).unwrap().count();
        assert_eq!(written, count, "{directory}: none is missing");
        let config = fs::read_to_string(operator.path(&format!("{directory}/gw-0000.toml"))).unwrap();
        assert!(config.contains("label = \"sss:100100F0\"\n"), "the bundle's key: {config}");
    }

    let Some(cli) = aws_cli(environment) else { return };
    let names: Vec<String> = (0..count).map(|number| format!("gw-{number:04}")).collect();
    assert_eq!(strings(&aws(&cli, &["list-things"]), "things", "thingName"), names);
    let certificates = aws(&cli, &["list-certificates"]);
    assert_eq!(strings(&certificates, "certificates", "status"), vec!["ACTIVE"; count]);
    let targets = aws(&cli, &["list-targets-for-policy", "--policy-name", "se050-device"]);
    assert_eq!(strings(&targets, "targets", ""), strings(&certificates, "certificates", "certificateArn"));
    for name in [&names[0], &names[count / 2], &names[count - 1]] {
        let principals = aws(&cli, &["list-thing-principals", "--thing-name", name]);
        assert_eq!(strings(&principals, "principals", "").len(), 1, "{name}");
    }
}

#[test]
fn a_fleet_on_aws_iot_sim() {
    let sim = AwsIotSim::start().unwrap();
    registered_in_spite_of_faults_and_kills(sim.environment(), sim.control_plane_url(), devices());
}

/// Fewer, since moto is slow.
#[test]
fn a_fleet_on_moto() {
    let Some(moto) = Moto::start() else { return };
    registered_in_spite_of_faults_and_kills(moto.environment(), moto.url(), 24);
}

#[test]
fn each_wrong_entry_is_told_by_itself_and_only_the_good_ones_are_registered() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::new(sim.environment());
    let (good, twice, other) = (Device::new(), Device::new(), Device::new());
    let bundle = good.bundle("good");
    operator.write("good.json", &bundle);
    operator.write("truncated.json", &bundle[..bundle.len() / 2]);
    operator.write("twice.json", twice.bundle("a"));
    operator.write("swapped.json", {
        let pem = |device: &Device| device.certificate.to_pem().replace('\n', "\\n");
        bundle.replace(&pem(&good), &pem(&other))
    });
    operator.write("bad.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    operator.write("bare.pem", other.certificate.to_pem());
    let expired = Device::with(|params| {
        params.not_before = (SystemTime::now() - Duration::from_hours(48)).into();
        params.not_after = (SystemTime::now() - Duration::from_hours(24)).into();
    });
    operator.write("expired.json", expired.bundle("expired"));
    let name = Device::new();
    operator.write("name.json", name.bundle("x"));
    let mut list =
        "file,thing_name\ngood.json,good\ntruncated.json,truncated\nswapped.json,swapped\nbad.pem,badpem\n\
                    bare.pem,bare\nexpired.json,expired\nname.json,no spaces\nname.json,\ngood.json,good\n\
                    twice.json,one\ntwice.json,two\nmissing.json,missing\n"
            .to_owned();
    if let Some(openssl) = program("openssl") {
        let mut command = Command::new(openssl);
        command
            .current_dir(operator.path(""))
            .args("req -x509 -newkey rsa:1024 -nodes -keyout k -out weak.pem -subj /CN=w".split(' '));
        test_peers::output_of(&mut command);
        list.push_str("weak.pem,weak\n");
    }
    operator.write("fleet.csv", &list);
    let output = operator.run(&["provision", "--fleet", "fleet.csv", "--json"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["devices"].as_array().unwrap();
    let expected = [
        ("registered", ""),
        ("refused", "cut short"),
        ("refused", "does not match the certificate"),
        ("refused", "cannot read the PEM"),
        ("registered", ""),
        ("refused", "has expired"),
        ("refused", "\"no spaces\" is not allowed"),
        ("refused", "no thing name"),
        ("refused", "fleet.csv:2 already"),
        ("refused", "fleet.csv:12 too"),
        ("refused", "fleet.csv:11 too"),
        ("refused", "missing.json"),
        ("refused", "too weak or not supported: RSA-1024"),
    ];
    assert_eq!(rows.len(), list.lines().count() - 1, "a row for each line of the list");
    let expected = &expected[..rows.len()];
    for (row, (result, error)) in rows.iter().zip(expected) {
        assert_eq!(row["result"], *result, "{row}");
        assert!(row["error"].as_str().unwrap_or_default().contains(*error), "{error:?} not in {row}");
    }
    assert_eq!(rows[0]["identity"], "proof of possession holds, issuer not verified");
    assert_eq!(rows[4]["identity"], "no proof, issuer not verified");

    // A list that came another way: the bundle is good, but in the wrong box.
    let fingerprint = other.certificate.fingerprint();
    operator.write("expect.csv", format!("serial,fingerprint\ngood,{fingerprint}\n"));
    let arguments =
        ["provision", "--certificate", "good.json", "--thing-name", "good", "--expect", "expect.csv"];
    let refused = operator.run(&arguments);
    assert_eq!(refused.status.code(), Some(3));
    assert!(text(&refused.stderr).contains("the wrong chip is in the box"), "{}", text(&refused.stderr));

    let Some(cli) = aws_cli(sim.environment()) else { return };
    assert_eq!(strings(&aws(&cli, &["list-things"]), "things", "thingName"), ["bare", "good"]);
    assert_eq!(aws(&cli, &["list-certificates"])["certificates"].as_array().unwrap().len(), 2);
}
