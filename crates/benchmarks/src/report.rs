//! The head of the report: machine, versions, and how to read it.

use std::process::Command;

use crate::peers::Programs;

/// The first lines of `docs/benchmarks.md`.
pub(crate) fn head(programs: &Programs, rounds: usize) -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown").to_owned();
    let packages = ["awsiotsdk", "awscrt", "awscli", "boto3", "moto"];
    let script =
        "import sys, importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))";
    let python = first_line(Command::new(&programs.python).args(["-c", script]).args(packages));
    let rustc = first_line(Command::new("rustc").arg("--version"));
    let mosquitto = first_line(Command::new("mosquitto").arg("-h"));
    format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench`, which installs the others, builds in release mode and runs everything on loopback. \
         Each row runs its clients in turn, {rounds} times if nothing else is said, and shows medians. A ratio of two figures of one row means more \
         than a figure, since the machine is shared.\n\n\
         Machine: {} with {cores} cores, load {load} when it began. {rustc}; {mosquitto}; {python}.\n\n",
        processor.unwrap_or_else(|| "unknown processor".to_owned()),
    )
}

fn first_line(command: &mut Command) -> String {
    let output = command
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    output.lines().next().unwrap_or("version unknown").to_owned()
}
