//! A broker that is away for a while: from its return to the first acknowledged message.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use test_peers::TlsVersion;

use crate::peers::{Broker, Client, Programs};
use crate::process::Running;
use crate::rounds::{Spread, in_turn};
use crate::table::Table;

/// Longer than either client waits between two attempts after these outages.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn recovery(programs: &Programs, rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Recovery",
        "mosquitto is killed and started again; seconds from its start to the first acknowledged message: median (smallest–largest). \
         Both clients with their default back-off, which makes most of it.",
        &["broker away for", "ours", "AWS SDK"],
    );
    let clients = [Client::Ours, Client::AwsSdk];
    for away in [0, 5] {
        let runs = in_turn(rounds, clients.len(), |index| {
            once(programs, *clients.get(index).context("a client")?, Duration::from_secs(away))
        })?;
        let shown = runs.into_iter().map(|seconds| Spread::of(seconds.into_iter()).to_string());
        table.row([format!("{away} s")].into_iter().chain(shown));
    }
    Ok(table)
}

fn once(programs: &Programs, client: Client, away: Duration) -> anyhow::Result<f64> {
    let mut broker = Broker::start(TlsVersion::Any)?;
    let mut running = Running::start(programs.client(client, &broker).arg("recover"))?;
    running.line().context("nothing was acknowledged")?;
    broker.mosquitto.kill();
    std::thread::sleep(away);
    broker.mosquitto.start_again();
    let up = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
    std::thread::sleep(PATIENCE);
    let rest = running.finish()?;
    let times = rest.lines().filter_map(|line| line.parse::<f64>().ok());
    let first = times
        .filter(|time| *time > up)
        .min_by(f64::total_cmp)
        .with_context(|| format!("{client:?} is not back"))?;
    Ok(first - up)
}
