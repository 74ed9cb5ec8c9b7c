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
    std::env::var("FLEET_TEST_DEVICES").ok().and_then(|number| number.parse().ok()).unwrap_or(300)
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
    let status = child.wait().unwrap();
    if matches!(kill, Kill::Never) {
        assert!(status.success(), "{}", told.join("\n"));
    }
    status.code()
}

/// A fleet through a proxy that spoils 3 % of the calls, killed at random moments and begun again until it is whole; then
/// journal, report and configurations are looked at, and what the AWS CLI tells.
fn registered_in_spite_of_faults_and_kills(environment: Vec<(String, String)>, url: &str, count: usize) {
    let proxy = FaultProxy::start(url, |call, _| three_percent(call));
    let operator = Operator::new(proxy.environment(environment.clone()));
    for number in 0..count {
        operator.write(&format!("bundles/{number:04}.json"), Device::new().bundle(&format!("{number:04}")));
    }
    let fixed = ["provision", "--fleet", "bundles/", "--thing-name", "gw-{serial}", "--rate", "500"];
    let options = ["--report", "result", "--device-config", "configs", "--call-timeout", "2"];
    let arguments = [&fixed[..], &options[..]].concat();
    let random = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() as usize;
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
        let code = run_until(&operator, &arguments, kill);
        // A run may have come to its end before it was killed.
        assert!(code.is_none() || code == Some(0), "{code:?}");
        kills += usize::from(code.is_none());
    }
    assert!(kills > 0, "no run was killed");
    assert_eq!(run_until(&operator, &arguments, Kill::Never), Some(0));

    let journal = fs::read_to_string(operator.path("bundles.journal")).unwrap();
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    for line in journal.lines().skip(1) {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["result"] == "done" {
            *done.entry(line["thing"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert_eq!(done.len(), count);
    assert!(done.values().all(|times| *times == 1), "no work is repeated: {done:?}");
    let report: Value = serde_json::from_slice(&fs::read(operator.path("result.json")).unwrap()).unwrap();
    assert_eq!(report["complete"], true);
    assert_eq!(fs::read_to_string(operator.path("result.csv")).unwrap().lines().count(), count + 1);

    // Again with everything done: nothing is asked of AWS at all, and the configurations are where they are wanted now.
    let calls = proxy.calls();
    operator.good(&[&arguments[..9], &["--device-config", "elsewhere"]].concat());
    assert_eq!(proxy.calls(), calls);
    let endpoint = format!("endpoint = \"{}\"\n", report["devices"][0]["endpoint"].as_str().unwrap());
    for directory in ["configs", "elsewhere"] {
        assert_eq!(
            fs::read_dir(operator.path(directory)).unwrap().count(),
            count,
            "{directory}: none is missing"
        );
        let config = fs::read_to_string(operator.path(&format!("{directory}/gw-0000.toml"))).unwrap();
        assert!(config.contains(&endpoint), "{config}");
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

/// Fewer, since moto is slow. It tells another endpoint each time that it is asked: that of the first device counts.
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
    for (row, (result, error)) in rows.iter().zip(expected) {
        assert_eq!(row["result"], result, "{row}");
        assert!(row["error"].as_str().unwrap_or_default().contains(error), "{error:?} not in {row}");
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

    let bulk = operator.run(&["provision", "--fleet", "fleet.csv", "--bulk-template", "bulk"]);
    assert_eq!(bulk.status.code(), Some(4), "{}", text(&bulk.stderr));
    let parameters = fs::read_to_string(operator.path("bulk/parameters.jsonl")).unwrap();
    assert_eq!(parameters.lines().count(), 2);
    let template: Value =
        serde_json::from_slice(&fs::read(operator.path("bulk/template.json")).unwrap()).unwrap();
    for line in parameters.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&line), names(&template["Parameters"]));
    }

    let Some(cli) = aws_cli(sim.environment()) else { return };
    assert_eq!(strings(&aws(&cli, &["list-things"]), "things", "thingName"), ["bare", "good"]);
    assert_eq!(aws(&cli, &["list-certificates"])["certificates"].as_array().unwrap().len(), 2);
}
