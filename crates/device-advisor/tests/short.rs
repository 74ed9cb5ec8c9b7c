//! The cases that take seconds, on this project's own examples. `cargo xtask advisor` runs all of them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use device_advisor::{Verdict, devices};

/// Where cargo has built the programs: beside the directory of this test program.
fn programs() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

#[test]
fn this_projects_examples_pass_the_short_cases() {
    let programs = programs();
    for program in ["telemetry", "subscriber", "shadow", "jobs", "se050-sim", "se050-iot"] {
        if !programs.join(program).is_file() {
            return test_peers::skip(&format!("{program} was not built (cargo build --workspace)"));
        }
    }
    let scratch = tempfile::tempdir().unwrap();
    let device = devices::ours(&programs, scratch.path()).unwrap();
    let table = device_advisor::run(&device, |case| !case.long).unwrap();
    assert!(table.qualifies(), "{}", device_advisor::side_by_side(&[table]));
    assert!(table.count(Verdict::Pass) >= 20, "{}", device_advisor::side_by_side(&[table]));
}
