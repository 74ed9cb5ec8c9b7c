//! A test that cannot run says so, and is counted as skipped.

use std::io::Write as _;

/// The file to which each skip is appended, one line each: `cargo xtask test` names it and counts.
const SKIP_LOG: &str = "TEST_SKIP_LOG";

/// Writes down that the running test is skipped, and why. The test returns right after.
///
/// Rust's test harness knows no skip at run time and counts such a test as passed: `cargo xtask test` moves it
/// from one count to the other, by the log.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let line = format!("{test}: {reason}\n");
    eprint!("SKIPPED {line}");
    if let Some(path) = std::env::var_os(SKIP_LOG) {
        let mut log =
            std::fs::OpenOptions::new().append(true).create(true).open(path).expect("the skip log opens");
        // One write a line: the tests of several processes append to the same file.
        log.write_all(line.as_bytes()).expect("the skip log takes a line");
    }
}

/// Whether no part that nobody here wrote is to be started (`cargo xtask test --fast`).
pub(crate) fn without_peers() -> bool {
    std::env::var_os("TEST_WITHOUT_PEERS").is_some()
}
