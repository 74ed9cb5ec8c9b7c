//! Runs tests and counts them: passed, failed, skipped.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tempfile::NamedTempFile;

/// How long after its end a program's last lines are waited for.
const LAST_LINES: Duration = Duration::from_secs(1);

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

    pub(crate) fn print_skips(&self) {
        for skip in &self.skips {
            println!("skipped: {skip}");
        }
    }

    /// Prints `3 passed, 0 failed, 1 skipped`, and says whether all is well.
    pub(crate) fn conclude(&self) -> ExitCode {
        println!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skips.len());
        if self.failed == 0 && !self.cargo_failed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Tests to be run: what is shown before each line that they print, and the command.
pub(crate) struct Tests {
    pub(crate) name: String,
    pub(crate) command: Command,
}

/// Runs them in their order, so many at a time, showing what they print.
pub(crate) fn side_by_side(tests: Vec<Tests>, at_once: usize) -> anyhow::Result<Counts> {
    let skip_log = NamedTempFile::new().context("a file for the tests that are skipped")?;
    let queue = Mutex::new(tests.into_iter());
    let worker = || {
        let mut counts = Counts::default();
        loop {
            // Not in the loop's head: the lock would be held while the tests run.
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(tests) = next else { return anyhow::Ok(counts) };
            counts.add(run(tests, skip_log.path())?);
        }
    };
    let mut counts = Counts::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            counts.add(worker.join().map_err(|_| anyhow!("the thread that runs tests has panicked"))??);
        }
        anyhow::Ok(())
    })?;
    let skips = fs::read_to_string(&skip_log).context("the tests that were skipped")?;
    let mut skips: Vec<String> = skips.lines().map(str::to_owned).collect();
    skips.sort();
    skips.dedup();
    // The test harness knows no skip at run time: it has counted these as passed.
    counts.passed -= skips.len().min(counts.passed);
    counts.skips.extend(skips);
    Ok(counts)
}

/// Runs one to its end.
fn run(tests: Tests, skip_log: &Path) -> anyhow::Result<Counts> {
    let Tests { name, mut command } = tests;
    command.env("TEST_SKIP_LOG", skip_log).env("TEST_VENV", super::python::directory());
    // Standard error, too, needs the name: others write at the same time.
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("{command:?} does not start"))?;
    let (sender, lines) = channel();
    if let Some(errors) = child.stderr.take() {
        read_lines(errors, sender.clone());
    }
    if let Some(output) = child.stdout.take() {
        read_lines(output, sender);
    }
    let mut counts = Counts::default();
    loop {
        match lines.recv_timeout(LAST_LINES) {
            Ok(line) => {
                println!("{name}: {line}");
                if let Some(result) = line.strip_prefix("test result: ") {
                    counts.passed += number_before(result, "passed");
                    counts.failed += number_before(result, "failed");
                    let ignored = number_before(result, "ignored");
                    counts.skips.extend((0..ignored).map(|_| "a test marked #[ignore]".to_owned()));
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            // What a test has left behind may keep the pipe open for ever.
            Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_some() => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    counts.cargo_failed = !child.wait().context("waiting for the tests")?.success();
    println!("{name}: {:.1} s", started.elapsed().as_secs_f32());
    Ok(counts)
}

fn read_lines(stream: impl Read + Send + 'static, sender: Sender<String>) {
    thread::spawn(move || {
        let mut lines = BufReader::new(stream).split(b'\n').map_while(Result::ok);
        lines.try_for_each(|line| sender.send(String::from_utf8_lossy(&line).into_owned()))
    });
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
