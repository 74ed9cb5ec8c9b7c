//! A registration that is interrupted at each of its calls, in each way, and repeated: the same end state, read back with
//! the AWS CLI. Against aws-iot-sim and moto.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "provision")]

mod support;

use aws_iot_sim::AwsIotSim;
use support::fault_proxy::{Fault, FaultProxy};
use support::{Device, Operator, aws, strings, text};
use test_peers::{Moto, aws_cli};

/// The calls of a first registration.
const CALLS: usize = 9;

/// Interrupts one device's registration at call number `call`, repeats it, and repeats it once more.
fn interrupted_and_repeated(
    environment: &[(String, String)],
    url: &str,
    fault: Fault,
    call: usize,
) -> String {
    let proxy = FaultProxy::start(url, move |number| if number == call { fault } else { Fault::None });
    let through = Operator::new(proxy.environment(environment.to_vec()));
    let direct = Operator::new(environment.to_vec());
    let device = Device::new();
    let (thing, policy) = (format!("{fault:?}-{call}"), format!("policy-{fault:?}-{call}"));
    for operator in [&through, &direct] {
        operator.write("device.json", device.bundle("1"));
    }
    let arguments = [
        "provision",
        "apply",
        "--certificate",
        "device.json",
        "--thing-name",
        &thing,
        "--policy-name",
        &policy,
        "--call-timeout",
        "1",
    ];
    // moto answers slowly enough that a second would be a fault of its own.
    let limit = if fault == Fault::NoAnswer { 10 } else { 8 };
    let first = through.run(&arguments[..limit]);
    assert_eq!(first.status.code(), Some(1), "{thing}: {}", text(&first.stderr));
    assert_eq!(proxy.calls(), call + 1, "{thing}: nothing is tried after an error");

    direct.good(&arguments[..8]);
    let again = direct.good(&arguments[..8]);
    assert!(again.contains("Nothing was changed"), "{thing}: {again}");
    assert!(again.contains("proof of possession holds"), "{thing}: {again}");
    thing
}

/// Each thing has one certificate, ACTIVE, and each certificate has the one policy.
fn check_with_the_aws_cli(environment: Vec<(String, String)>, expected: &[String], looked_at: &[String]) {
    let Some(cli) = aws_cli(environment) else { return };
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(strings(&aws(&cli, &["list-things"]), "things", "thingName"), expected);
    let certificates = aws(&cli, &["list-certificates"]);
    assert_eq!(strings(&certificates, "certificates", "status"), vec!["ACTIVE"; expected.len()]);
    for thing in looked_at {
        let principals = aws(&cli, &["list-thing-principals", "--thing-name", thing]);
        let principals = strings(&principals, "principals", "");
        assert_eq!(principals.len(), 1, "{thing}");
        let policies = aws(&cli, &["list-attached-policies", "--target", &principals[0]]);
        assert_eq!(strings(&policies, "policies", "policyName"), [format!("policy-{thing}")]);
    }
}

#[test]
fn at_each_call_in_each_way_on_aws_iot_sim() {
    let sim = AwsIotSim::start().unwrap();
    let mut things = Vec::new();
    for fault in [Fault::InternalError, Fault::Throttled, Fault::LostBefore, Fault::LostAfter] {
        for call in 0..CALLS {
            things.push(interrupted_and_repeated(&sim.environment(), sim.control_plane_url(), fault, call));
        }
    }
    // A call that never ends costs its time: one that reads, one that writes.
    for call in [1, 5] {
        things.push(interrupted_and_repeated(
            &sim.environment(),
            sim.control_plane_url(),
            Fault::NoAnswer,
            call,
        ));
    }
    let lost: Vec<String> = things.iter().filter(|thing| thing.starts_with("LostAfter")).cloned().collect();
    check_with_the_aws_cli(sim.environment(), &things, &lost);
}

/// moto gives certificates another id than AWS (the SHA-256 of the PEM text): the id that it names is what counts.
#[test]
fn at_each_call_on_moto() {
    let Some(moto) = Moto::start() else { return };
    let mut things = Vec::new();
    for call in 0..CALLS {
        things.push(interrupted_and_repeated(&moto.environment(), moto.url(), Fault::LostAfter, call));
    }
    check_with_the_aws_cli(moto.environment(), &things, &things[3..6]);
}

#[test]
fn a_deprovisioning_at_each_call_that_writes() {
    const READS: usize = 8;
    const WRITES: usize = 6;
    let sim = AwsIotSim::start().unwrap();
    let direct = Operator::new(sim.environment());
    for fault in [Fault::LostBefore, Fault::LostAfter] {
        for call in READS..READS + WRITES {
            let proxy =
                FaultProxy::start(
                    sim.control_plane_url(),
                    move |number| {
                        if number == call { fault } else { Fault::None }
                    },
                );
            let through = Operator::new(proxy.environment(sim.environment()));
            direct.write("device.json", Device::new().bundle("1"));
            direct.good(&["provision", "--certificate", "device.json", "--thing-name", "dev1"]);
            let arguments = ["deprovision", "--thing-name", "dev1", "--yes"];
            let first = through.run(&arguments);
            assert_eq!(first.status.code(), Some(1), "{fault:?} {call}: {}", text(&first.stderr));
            direct.good(&arguments);
            let again = direct.good(&arguments);
            assert!(again.contains("nothing of it is there"), "{fault:?} {call}: {again}");
            assert!(direct.run(&["deprovision", "--thing-name", "dev1", "--dry-run"]).status.success());
        }
    }
    let Some(cli) = aws_cli(sim.environment()) else { return };
    assert!(strings(&aws(&cli, &["list-things"]), "things", "thingName").is_empty());
    assert!(strings(&aws(&cli, &["list-certificates"]), "certificates", "status").is_empty());
    let policy = cli.command(["iot", "get-policy", "--policy-name", "se050-device"]).output().unwrap();
    assert!(text(&policy.stderr).contains("ResourceNotFoundException"), "{}", text(&policy.stderr));
}
