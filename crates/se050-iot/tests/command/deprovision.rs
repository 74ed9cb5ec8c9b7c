//! The question that `deprovision` asks, and its patience.

use std::collections::HashSet;
use std::sync::Mutex;

use aws_iot_sim::AwsIotSim;

use crate::support::fault_proxy::{Fault, FaultProxy};
use crate::support::terminal::at_a_terminal;
use crate::support::{Device, Operator, text};

const DEPROVISION: [&str; 3] = ["deprovision", "--thing-name", "dev1"];

#[test]
fn only_yes_at_a_terminal_or_beforehand_takes_a_device_away() {
    let sim = AwsIotSim::start().unwrap();
    let operator = Operator::new(sim.environment());
    operator.write("device.json", Device::new().bundle("1"));
    operator.good(&["provision", "--certificate", "device.json", "--thing-name", "dev1"]);

    let nobody = operator.fails(5, &DEPROVISION);
    assert!(nobody.contains("- thing dev1") && !nobody.contains("[y/N]"), "{nobody}");
    assert!(nobody.contains("nothing was changed") && nobody.contains("--yes"), "{nobody}");
    for answer in ["n\n", "\n", "yesterday\n", "\u{4}"] {
        let output = at_a_terminal(&mut operator.command(&DEPROVISION), answer);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{answer:?}: {said}");
        assert!(said.contains("- thing dev1") && said.contains("[y/N]"), "{answer:?}: {said}");
        assert!(said.contains("nothing was changed"), "{answer:?}: {said}");
    }
    let dry = operator.good(&[&DEPROVISION[..], &["--dry-run"]].concat());
    assert!(dry.contains("- thing dev1") && dry.contains("nothing was changed"), "{dry}");

    let output = at_a_terminal(&mut operator.command(&DEPROVISION), "YES\n");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("thing dev1: removed"), "{}", text(&output.stdout));
    assert!(operator.good(&DEPROVISION).contains("there is nothing to remove"));
}

/// AWS IoT API reference, DetachPolicy and DetachThingPrincipal: both take a while. Here each deletion is refused once.
#[test]
fn what_is_detached_is_deleted_once_it_counts_as_detached() {
    let sim = AwsIotSim::start().unwrap();
    let refused = Mutex::new(HashSet::new());
    let proxy = FaultProxy::start(sim.control_plane_url(), move |_, line| {
        let deletion = line.starts_with("DELETE ") && !line.contains("/principals");
        let first = deletion && refused.lock().unwrap().insert(line.to_owned());
        if first { Fault::NotSettled } else { Fault::None }
    });
    let operator = Operator::new(proxy.environment(sim.environment()));
    operator.write("device.json", Device::new().bundle("1"));
    operator.good(&["provision", "--certificate", "device.json", "--thing-name", "dev1"]);
    let taken = operator.good(&[&DEPROVISION[..], &["--yes"]].concat());
    for line in ["- certificate on the thing dev1", "- thing dev1", "- policy se050-device\n", "removed"] {
        assert!(taken.contains(line), "{line:?} not in {taken}");
    }
    assert!(operator.good(&DEPROVISION).contains("there is nothing to remove"));
}
