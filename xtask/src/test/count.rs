//! Runs tests and counts them: passed, failed, skipped.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::root::target;

/// How tests went.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Each test that could not run, with its reason.
    pub(crate) skips: Vec<String>,
    /// Cargo says that something failed: it also knows of tests that never got to their result.
    pub(crate) cargo_failed: bool,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skips.extend(other.skips);
        self.cargo_failed |= other.cargo_failed;
    }

    /// One check that is not cargo's: named, and counted.
    pub(crate) fn check(&mut self, name: &str, check: impl FnOnce() -> anyhow::Result<()>) {
        println!("-- {name}");
        match check() {
            Ok(()) => self.passed += 1,
            Err(error) => {
                self.failed += 1;
                println!("FAILED: {name}: {error:#}");
            }
        }
    }

    pub(crate) fn all_well(&self) -> bool {
        self.failed == 0 && !self.cargo_failed
    }

    pub(crate) fn print_skips(&self) {
        for skip in &self.skips {
            println!("skipped: {skip}");
        }
    }

    /// `3 passed, 0 failed, 1 skipped`
    pub(crate) fn line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skips.len())
    }
}

/// Runs a `cargo test`, showing what it prints.
pub(crate) fn counted(mut command: Command) -> anyhow::Result<Counts> {
    let skip_log = target().join("test-skips.txt");
    fs::write(&skip_log, "").with_context(|| format!("cannot write {}", skip_log.display()))?;
    let mut child = command
        .env("TEST_SKIP_LOG", &skip_log)
        .env("TEST_VENV", super::python::directory())
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo does not start")?;
    let output = child.stdout.take().context("no standard output")?;
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        println!("{line}");
        if let Some(result) = line.strip_prefix("test result: ") {
            passed += number_before(result, "passed");
            failed += number_before(result, "failed");
            ignored += number_before(result, "ignored");
        }
    }
    let status = child.wait().context("waiting for cargo test")?;
    let skips =
        fs::read_to_string(&skip_log).with_context(|| format!("cannot read {}", skip_log.display()))?;
    let mut skips: Vec<String> = skips.lines().map(str::to_owned).collect();
    skips.sort();
    skips.dedup();
    // The test harness knows no skip at run time: it has counted these as passed.
    passed -= skips.len().min(passed);
    skips.extend((0..ignored).map(|_| "a test marked #[ignore]".to_owned()));
    Ok(Counts { passed, failed, skips, cargo_failed: !status.success() })
}

/// The number before the word in `ok. 3 passed; 0 failed; 1 ignored; …`.
fn number_before(result: &str, word: &str) -> usize {
    let mut words = result.split([' ', ';']).filter(|word| !word.is_empty());
    let mut before = "";
    words
        .find_map(|next| {
            if next == word {
                before.parse().ok()
            } else {
                before = next;
                None
            }
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_result_line_of_the_test_harness() {
        let line = "FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.02s";
        assert_eq!(["passed", "failed", "ignored"].map(|word| number_before(line, word)), [12, 3, 1]);
    }
}
