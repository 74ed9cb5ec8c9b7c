//! One child process, measured as a whole.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use wait4::Wait4 as _;

/// What a process has used.
#[derive(Debug, Clone)]
pub(crate) struct Used {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// Largest resident memory, in bytes.
    peak: u64,
    /// Its standard output.
    pub(crate) output: String,
}

impl Used {
    /// The largest resident memory in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        mib(self.peak)
    }
}

/// Bytes in MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// Runs it to its end, with nothing on standard input.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<Used> {
    run_with_input(command, |_| Ok(()))
}

/// Runs it to its end; `write` gives it its standard input, which is closed then. It must print little, since nobody reads meanwhile.
pub(crate) fn run_with_input(
    command: &mut Command,
    write: impl FnOnce(ChildStdin) -> std::io::Result<()>,
) -> anyhow::Result<Used> {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{command:?}"))?;
    write(child.stdin.take().context("standard input")?)?;
    let mut output = String::new();
    child.stdout.take().context("standard output")?.read_to_string(&mut output)?;
    let ended = child.wait4()?;
    ensure!(ended.status.success(), "{command:?}: {}", ended.status);
    Ok(Used {
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: (ended.rusage.utime + ended.rusage.stime).as_secs_f64(),
        peak: ended.rusage.maxrss,
        output,
    })
}

/// A process that prints lines and works until its standard input closes.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        let lines = BufReader::new(child.stdout.take().context("standard output")?);
        Ok(Self { child, lines })
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.lines.read_line(&mut line)? > 0, "the process has ended");
        Ok(line.trim_end().to_owned())
    }

    /// Its resident memory now, in bytes (VmRSS in /proc).
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = kib.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// The CPU that it has used so far, user and system, in seconds (/proc; in ticks of 10 ms).
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name in brackets; utime and stime are fields 14 and 15 (proc(5)).
        let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
        Ok(fields.map(|ticks| ticks.parse::<f64>().unwrap_or_default()).sum::<f64>() / 100.0)
    }

    /// Closes its standard input, and reads what it still prints.
    pub(crate) fn finish(mut self) -> anyhow::Result<String> {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest)?;
        self.child.wait()?;
        Ok(rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
