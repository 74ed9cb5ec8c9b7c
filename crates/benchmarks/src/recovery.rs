//! A broker that is away for a while: from its return to the first acknowledged message.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use benchmarks::Broker;
use test_peers::TlsVersion;

use crate::peers::{Client, Programs};
use crate::process::Running;
use crate::rounds::{Figure, Spread, in_turn};
use crate::table::{Table, aim};

/// Clients of each kind at one broker. The delays are drawn by chance, so that a few runs say little.
const CLIENTS: usize = 16;
/// Longer than either client waits between two attempts after these outages.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn recovery(programs: &Programs, rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Recovery",
        &format!(
            "mosquitto is killed and started again; seconds from its start to a client's first acknowledged message: median \
             (smallest–largest) of {CLIENTS} clients in each of {rounds} runs. Both clients with their default back-off, which makes most of it."
        ),
        &["broker away for", "ours", "AWS SDK"],
    );
    let clients = [Client::Ours, Client::AwsSdk];
    for away in [0, 5] {
        let runs = in_turn(rounds, clients.len(), |index| {
            once(programs, *clients.get(index).context("a client")?, Duration::from_secs(away))
        })?;
        let spreads: Vec<Spread> =
            runs.iter().map(|runs| Spread::of(runs.iter().flatten().copied())).collect();
        table.row([format!("{away} s")].into_iter().chain(spreads.iter().map(Spread::to_string)));
        let [ours, sdk] = spreads.as_slice() else { continue };
        if away > 0 {
            let faster = aim("back sooner than the SDK after 5 s (medians)", ours.median < sdk.median);
            table.remark(format!("{faster} SDK / ours: {} x.", Figure(sdk.median / ours.median)));
        }
    }
    table.remark(
        "Ours waits at least 1 s after a connection that stood, the SDK up to 1 s: AWS's Device Advisor fails a device that is back \
         within a second (MQTT_ReconnectionAfterSuccessfulConnection), which is why the first row is not faster."
            .to_owned(),
    );
    Ok(table)
}

/// Seconds that each client took.
fn once(programs: &Programs, client: Client, away: Duration) -> anyhow::Result<Vec<f64>> {
    let mut broker = Broker::start(TlsVersion::Any)?;
    let mut running = Vec::new();
    for number in 0..CLIENTS {
        let mut command = programs.client(client, &broker);
        running.push(Running::start(command.args(["recover", "--client-id", &format!("bench-{number}")]))?);
    }
    for client in &mut running {
        client.line().context("nothing was acknowledged")?;
    }
    broker.mosquitto.kill();
    thread::sleep(away);
    broker.mosquitto.start_again();
    let up = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
    let (sender, back) = mpsc::channel();
    for mut client in running {
        let sender = sender.clone();
        thread::spawn(move || {
            let first = loop {
                match client.line().map(|line| line.parse::<f64>().unwrap_or_default()) {
                    Ok(time) if time > up => break Ok(time - up),
                    Ok(_) => {}
                    Err(error) => break Err(error),
                }
            };
            // Nobody listens any more where another client has failed.
            let _ = sender.send(first);
        });
    }
    (0..CLIENTS)
        .map(|_| back.recv_timeout(PATIENCE).with_context(|| format!("{client:?} is not back"))?)
        .collect()
}
