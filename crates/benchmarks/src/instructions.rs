//! Instructions, which a noisy machine does not change: for one connection, and for one message.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use test_peers::TlsVersion;

use crate::peers::{Broker, Client, Programs};
use crate::table::Table;

/// Figures of an earlier run, and how far today's may be from them.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");
/// The threads meet each other at other places in each run.
const TOLERANCE: f64 = 0.25;

/// Few enough for valgrind, which is some fifty times slower.
const MESSAGES: u32 = 2_000;

/// Counts, and compares with what was recorded; with `record`, writes the figures down instead.
pub(crate) fn instructions(programs: &Programs, record: bool) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Instructions",
        "Counted by valgrind's callgrind, with a key in a file: of the whole program with one connection, and for each message (the \
         difference of two runs). `cargo xtask bench --quick` fails when one is more than 25 % above the recorded figure.",
        &["", "instructions", "recorded"],
    );
    let broker = Broker::start(TlsVersion::Any)?;
    let connection = count(programs, &broker, 1, 0)?;
    let mut figures = vec![("connection", connection)];
    for (name, qos) in [("message of 256 B, QoS 1, 20 in flight", 1), ("message of 256 B, QoS 0", 0)] {
        let all = count(programs, &broker, qos, MESSAGES)?;
        let none = if qos == 1 { connection } else { count(programs, &broker, qos, 0)? };
        figures.push((name, all.saturating_sub(none) / u64::from(MESSAGES)));
    }
    if record {
        let json: serde_json::Map<_, _> =
            figures.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())).collect();
        std::fs::write(RECORDED, format!("{:#}\n", serde_json::Value::from(json)))?;
    }
    let recorded: serde_json::Value = serde_json::from_slice(&std::fs::read(RECORDED).context(RECORDED)?)?;
    let mut worse = Vec::new();
    for (name, count) in figures {
        let before = recorded
            .get(name)
            .and_then(serde_json::Value::as_u64)
            .with_context(|| format!("{RECORDED} has no {name:?}"))?;
        if count as f64 > before as f64 * (1.0 + TOLERANCE) {
            worse.push(format!("{name}: {count} instructions, recorded {before}"));
        }
        table.row([name.to_owned(), count.to_string(), before.to_string()]);
    }
    ensure!(
        worse.is_empty(),
        "more instructions than recorded (cargo xtask bench --record writes down new ones): {}",
        worse.join("; ")
    );
    Ok(table)
}

fn count(programs: &Programs, broker: &Broker, qos: u8, messages: u32) -> anyhow::Result<u64> {
    let directory = tempfile::tempdir()?;
    let counts = directory.path().join("callgrind");
    let client = programs.client(Client::Ours, broker);
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", counts.display()));
    command.arg(client.get_program()).args(client.get_args());
    command.args(["publish", "--qos", &qos.to_string(), "--bytes", "256", "--in-flight", "20"]);
    command.args(["--messages", &messages.to_string()]);
    let output = command.output().context("valgrind is not installed")?;
    ensure!(output.status.success(), "valgrind: {}", String::from_utf8_lossy(&output.stderr));
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
