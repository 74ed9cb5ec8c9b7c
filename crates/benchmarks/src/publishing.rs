//! Messages a second, and what each costs.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use benchmarks::{Broker, Timing};
use test_peers::TlsVersion;

use crate::peers::{Client, Programs};
use crate::plot::{self, Bars};
use crate::process::{self, Used};
use crate::rounds::{Figure, Spread, in_turn};
use crate::table::{Table, aim};

const CLIENTS: [Client; 3] = [Client::Ours, Client::AwsSdk, Client::Rumqttc];

struct Case {
    name: &'static str,
    task: &'static str,
    qos: u8,
    bytes: usize,
    in_flight: u16,
    messages: usize,
    /// The SDK sends so many of them, where it is so slow that all would take minutes.
    sdk_messages: usize,
}

impl Case {
    fn messages_of(&self, client: Client) -> usize {
        if client == Client::AwsSdk { self.sdk_messages } else { self.messages }
    }
}

const fn case(name: &'static str, qos: u8, bytes: usize, in_flight: u16, messages: usize) -> Case {
    Case { name, task: "publish", qos, bytes, in_flight, messages, sdk_messages: messages }
}

const CASES: [Case; 9] = [
    case("QoS 1, 256 B, 1 in flight", 1, 256, 1, 4_000),
    case("QoS 1, 256 B, 20 in flight", 1, 256, 20, 20_000),
    case("QoS 1, 256 B, 100 in flight", 1, 256, 100, 20_000),
    case("QoS 1, 256 B, all at once", 1, 256, 9_999, 9_999),
    case("QoS 0, 256 B", 0, 256, 100, 40_000),
    Case { sdk_messages: 200, ..case("QoS 1, 16 KiB, 1 in flight", 1, 16 * 1024, 1, 2_000) },
    case("QoS 1, 16 KiB, 20 in flight", 1, 16 * 1024, 20, 5_000),
    case("QoS 0, 16 KiB", 0, 16 * 1024, 100, 10_000),
    Case { task: "echo", ..case("QoS 1, 256 B, echoed to itself, 20 in flight", 1, 256, 20, 10_000) },
];

/// Bytes, window: with so few messages that a slow disk takes seconds.
const DURABLE: [Case; 4] = [
    case("256 B, 20 in flight", 1, 256, 20, 10_000),
    case("256 B, 100 in flight", 1, 256, 100, 10_000),
    case("16 KiB, 20 in flight", 1, 16 * 1024, 20, 2_000),
    case("16 KiB, 100 in flight", 1, 16 * 1024, 100, 2_000),
];

/// The aim beside the SDK.
const AIM_SDK: f64 = 5.0;

/// Each case with each client; mosquitto's C client where its fixed window of 20 allows it.
pub(crate) fn publishing(programs: &Programs, rounds: usize, report: Option<&Path>) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Publishing",
        "Over TLS 1.3 to mosquitto on loopback, one connection. Messages a second; in brackets, CPU of the client for each message in \
         us, and its largest memory in MiB. The SDK's pacing for AWS IoT Core (100 messages a second) is off, ours too. The SDK does \
         not set TCP_NODELAY, which a message of 16 KiB alone in flight waits for. The C client is `mosquitto_pub -l`, whose window is \
         20.\n\n![Messages a second](benchmarks.svg)",
        &["case", "ours", "AWS SDK", "bare rumqttc", "C client", "ours / SDK", "ours / rumqttc"],
    );
    let broker = Broker::start(TlsVersion::Any)?;
    let mut bars = Vec::new();
    let (mut behind_sdk, mut behind_rumqttc) = (Vec::new(), Vec::new());
    for case in &CASES {
        let runs = in_turn(rounds, CLIENTS.len(), |index| {
            let client = *CLIENTS.get(index).context("a client")?;
            measure(programs, &broker, client, case)
        })?;
        let [ours, sdk, bare] = runs.as_slice() else { continue };
        let ratio = |of: &[Run]| format!("{} x", Figure(speed(ours) / speed(of)));
        let (is, was, bare_is) = (speed(ours), speed(sdk), speed(bare));
        if is < AIM_SDK * was {
            let all =
                if bare_is < AIM_SDK * was { ", and bare rumqttc does not reach it either" } else { "" };
            behind_sdk.push(format!("{}: {} x{all}", case.name, Figure(is / was)));
        }
        if is < bare_is {
            behind_rumqttc.push(format!("{}: {} x", case.name, Figure(is / bare_is)));
        }
        bars.push(Bars { case: case.name.to_owned(), speeds: vec![speed(ours), speed(sdk), speed(bare)] });
        let with_c = case.task == "publish" && (case.qos == 0 || case.in_flight == 20);
        let c = if with_c { c_client(&broker, case, rounds)? } else { "–".to_owned() };
        table.row([case.name.to_owned(), show(ours), show(sdk), show(bare), c, ratio(sdk), ratio(bare)]);
    }
    if let Some(report) = report {
        plot::speeds(&report.with_extension("svg"), &["ours", "AWS SDK", "bare rumqttc"], &bars)?;
    }
    for (what, behind) in [
        (format!("at least {AIM_SDK} x the SDK in every row"), behind_sdk),
        ("at least 1.0 x bare rumqttc in every row".to_owned(), behind_rumqttc),
    ] {
        let list = if behind.is_empty() { String::new() } else { format!(" {}.", behind.join("; ")) };
        table.remark(aim(&what, behind.is_empty()) + &list);
    }
    Ok(table)
}

/// Each message waits on a disk: the cost of that beside the outbox in memory.
pub(crate) fn durable(programs: &Programs, rounds: usize) -> anyhow::Result<Table> {
    // Not in /tmp, which may be memory.
    let directory = tempfile::tempdir_in(&programs.directory)?;
    let (file_system, flush_us) = disk(directory.path())?;
    let mut table = Table::new(
        "Publishing with a durable outbox",
        &format!(
            "QoS 1, from the first message to an empty outbox. Messages a second; in brackets, CPU for each message in us. Each: a \
             receipt is given when the message is on the disk; those that come meanwhile are written together. Batched: together \
             with up to 99 others, after 10 ms at most (which fewer in flight than that wait for). The disk: {file_system}, where writing 4 KiB and fdatasync take {flush_us} us \
             (median of {FLUSHES}). No other client here has a durable outbox."
        ),
        &[
            "case",
            "in memory",
            "durable, each",
            "durable, batched",
            "each / in memory",
            "batched / in memory",
        ],
    );
    let broker = Broker::start(TlsVersion::Any)?;
    for case in &DURABLE {
        let runs = in_turn(rounds, 3, |store| {
            let mut command = command(programs, &broker, Client::Ours, case);
            if store > 0 {
                // A new store for each run.
                let store = tempfile::tempdir_in(directory.path())?.keep();
                command.arg("--durable").arg(store);
            }
            if store == 2 {
                command.args(["--batch", "100"]);
            }
            run(&mut command, case.messages)
        })?;
        let shown = |runs: &[Run]| format!("{}/s [{} us]", Figure(speed(runs)), Figure(cpu_us(runs)));
        let [memory, each, batched] = runs.as_slice() else { continue };
        let ratio = |of: &[Run]| format!("{} x", Figure(speed(of) / speed(memory)));
        let cells = [shown(memory), shown(each), shown(batched), ratio(each), ratio(batched)];
        table.row([case.name.to_owned()].into_iter().chain(cells));
    }
    Ok(table)
}

const FLUSHES: usize = 51;

/// The file system, and how many microseconds it takes to have 4 KiB on stable storage.
fn disk(directory: &Path) -> anyhow::Result<(String, String)> {
    // A heading, and the name.
    let named = process::run(Command::new("df").arg("--output=fstype").arg(directory))?.output;
    let name = named.lines().last().unwrap_or_default().trim().to_owned();
    let mut file = std::fs::File::create(directory.join("flushes"))?;
    let mut times = Vec::new();
    for _ in 0..FLUSHES {
        let begun = Instant::now();
        file.write_all(&[0x5A; 4096])?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok((name, Figure(Spread::of(times.into_iter()).median).to_string()))
}

/// One run of a client.
struct Run {
    per_second: f64,
    /// CPU for each message, in us.
    cpu_us: f64,
    peak_mib: f64,
}

fn speed(runs: &[Run]) -> f64 {
    Spread::of(runs.iter().map(|run| run.per_second)).median
}

fn cpu_us(runs: &[Run]) -> f64 {
    Spread::of(runs.iter().map(|run| run.cpu_us)).median
}

fn command(programs: &Programs, broker: &Broker, client: Client, case: &Case) -> Command {
    let mut command = programs.client(client, broker);
    command.args([case.task, "--qos", &case.qos.to_string(), "--bytes", &case.bytes.to_string()]);
    command.args(["--in-flight", &case.in_flight.to_string()]);
    command.args(["--messages", &case.messages_of(client).to_string()]);
    command
}

fn measure(programs: &Programs, broker: &Broker, client: Client, case: &Case) -> anyhow::Result<Run> {
    run(&mut command(programs, broker, client, case), case.messages_of(client))
}

fn run(command: &mut Command, messages: usize) -> anyhow::Result<Run> {
    let used = process::run(command)?;
    let Timing { seconds, cpu_seconds } = serde_json::from_str(&used.output)
        .with_context(|| format!("{command:?} printed {:?}", used.output))?;
    let messages = messages as f64;
    let cpu_us = cpu_seconds * 1e6 / messages;
    Ok(Run { per_second: messages / seconds, cpu_us, peak_mib: used.peak_mib() })
}

fn show(runs: &[Run]) -> String {
    let peak = Spread::of(runs.iter().map(|run| run.peak_mib)).median;
    format!("{}/s [{} us, {} MiB]", Figure(speed(runs)), Figure(cpu_us(runs)), Figure(peak))
}

/// Each run less one that sends a single message: what is left is the sending.
fn c_client(broker: &Broker, case: &Case, rounds: usize) -> anyhow::Result<String> {
    let mut speeds = Vec::new();
    let mut costs = Vec::new();
    for _ in 0..rounds {
        let one = publish_lines(broker, case, 1)?;
        let all = publish_lines(broker, case, case.messages)?;
        let messages = case.messages as f64;
        speeds.push(messages / (all.seconds - one.seconds));
        costs.push((all.cpu_seconds - one.cpu_seconds) * 1e6 / messages);
    }
    let median = |values: Vec<f64>| Figure(Spread::of(values.into_iter()).median);
    Ok(format!("{}/s [{} us]", median(speeds), median(costs)))
}

fn publish_lines(broker: &Broker, case: &Case, messages: usize) -> anyhow::Result<Used> {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-V", "5", "-h", "localhost", "-p", &broker.mosquitto.port().to_string(), "-l"]);
    command.args(["-t", "bench/throughput", "-q", &case.qos.to_string()]);
    for (flag, file) in [("--cafile", "ca"), ("--cert", "cert"), ("--key", "key")] {
        command.arg(flag).arg(broker.file(file));
    }
    let line = [vec![b'x'; case.bytes], vec![b'\n']].concat();
    process::run_with_input(&mut command, |mut input| (0..messages).try_for_each(|_| input.write_all(&line)))
}
