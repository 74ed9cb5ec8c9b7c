//! Instructions, which a loaded machine does not change: for one connection, and for one message.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::Broker;

/// What our client costs: a name, and the number of instructions.
///
/// They are counted by valgrind's callgrind: the whole program with one connection, and for each message the difference to a program
/// that sends `messages` more.
///
/// # Errors
/// valgrind or the client program fails.
pub fn count_instructions(
    ours: &Path,
    broker: &Broker,
    messages: u32,
) -> anyhow::Result<Vec<(&'static str, u64)>> {
    let of_each = |all: u64, none: u64| all.saturating_sub(none) / u64::from(messages);
    let connection = count(ours, broker, 1, 0)?;
    let qos_1 = of_each(count(ours, broker, 1, messages)?, connection);
    // One message of QoS 1 comes behind those of QoS 0.
    let qos_0 = of_each(count(ours, broker, 0, messages)?, connection + qos_1);
    Ok(vec![
        ("connection", connection),
        ("message of 256 B, QoS 1, 20 in flight", qos_1),
        ("message of 256 B, QoS 0", qos_0),
    ])
}

fn count(ours: &Path, broker: &Broker, qos: u8, messages: u32) -> anyhow::Result<u64> {
    let directory = tempfile::tempdir()?;
    let counts = directory.path().join("callgrind");
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", counts.display()));
    command.arg(ours);
    broker.tell(&mut command);
    command.args(["publish", "--qos", &qos.to_string(), "--bytes", "256", "--in-flight", "20"]);
    command.args(["--messages", &messages.to_string()]);
    let output = command.output().context("valgrind is not installed")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    total(&counts)
}

/// Callgrind's file ends with a line `totals: COUNT`.
fn total(counts: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(counts)?;
    let total = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    Ok(total.context("callgrind wrote no total")?.trim().parse()?)
}
