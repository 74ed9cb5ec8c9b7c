//! What the kernel saw: no receipt before its fdatasync.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use test_peers::{program, skip, this_program};

use super::process::Place;

#[test]
fn no_receipt_goes_out_before_its_fdatasync() {
    if this_program().get_args().len() > 0 {
        return skip("strace sees the emulator's calls, and not the program's");
    }
    let Some(strace) = program("strace") else { return };
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let place = Place::offline(&directory.path().join("outbox"), directory.path());
    let file = trace.to_str().unwrap();
    let calls = "trace=write,writev,pwrite64,pwritev,fdatasync,fsync";
    let mut traced = Command::new(strace);
    traced.args(["-f", "-s", "2000", "-o", file, "-e", calls]).arg(this_program().get_program());
    let status = place.command(traced, 0, 20, Duration::ZERO).stdout(Stdio::null()).status().unwrap();
    let trace = fs::read_to_string(&trace).unwrap_or_default();
    if !trace.contains("pwrite64") {
        skip("strace may not look at processes here");
        return;
    }
    assert!(status.success());
    let lines: Vec<&str> = trace.lines().collect();
    let find = |from: usize, what: &str| {
        lines.iter().skip(from).position(|line| line.contains(what)).map(|at| from + at)
    };
    let mut from = 0;
    for number in 0..20 {
        let receipt = find(0, &format!("\"stored {number}\\n\"")).expect("the receipt");
        let written = find(from, &format!("abuse/{number}number {number} ")).expect("the write");
        let sync = lines[written..receipt].iter().position(|line| line.contains("fdatasync("));
        let synced = lines[written..receipt].iter().any(|line| {
            (line.contains("fdatasync(") || line.contains("fdatasync resumed")) && line.ends_with("= 0")
        });
        assert!(sync.is_some() && synced, "{number}: {:#?}", &lines[written..=receipt]);
        from = receipt;
    }
}
