//! AWS's long-duration test, shortened: hours there, minutes here.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::backoff;
use crate::device::Role;
use crate::judge::Judge;
use crate::packet::Packet;
use crate::verdict::Finding;

/// How long the server is away (AWS: some hours).
const AWAY: Duration = Duration::from_secs(60);
/// The longest delay that AWS's own device SDK would still have (`max_reconnect_delay_ms`: 120 s).
const LONGEST_DELAY: Duration = Duration::from_secs(120);

/// Connections of 3 to 15 s, again and again: the device has to be back and to publish on each.
pub(super) fn intermittent_connectivity(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let mut delays = Vec::new();
    let mut closed: Option<Instant> = None;
    let mut connected = Duration::ZERO;
    let begun = Instant::now();
    for seconds in [3, 8, 5, 15, 4, 10, 3, 6] {
        let (mut connection, _) = judge.accepted(false)?;
        delays.extend(closed.map(|then| connection.opened.saturating_duration_since(then)));
        let stands = Instant::now();
        let packets =
            connection.serve_for(Duration::from_secs(seconds)).context("a connection that stands")?;
        anyhow::ensure!(
            packets.iter().any(|packet| matches!(packet, Packet::Publish(_))),
            "nothing was published in {seconds} s"
        );
        connected += stands.elapsed();
        closed = Some(Instant::now());
    }
    let share = connected.as_secs_f32() / begun.elapsed().as_secs_f32() * 100.0;
    Ok(Finding::pass(format!("connected {share:.0} % of the time, delays in s: {}", backoff::show(&delays))))
}

/// The server is away for a minute: nothing listens. The device comes back by itself, and sends what it has kept.
pub(super) fn long_server_disconnect(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let (mut connection, _) = judge.accepted(false)?;
    connection.serve_for(Duration::from_secs(2))?;
    drop(connection);
    judge.away_for(AWAY)?;
    let back = Instant::now();
    let (mut connection, _) = judge.accepted(false)?;
    let delay = back.elapsed();
    let packets = connection.serve_for(Duration::from_secs(3))?;
    let messages = packets.iter().filter(|packet| matches!(packet, Packet::Publish(_))).count();
    let evidence = format!("back after {:.0} s, {messages} messages in the first 3 s", delay.as_secs_f32());
    Ok(if delay > LONGEST_DELAY { Finding::fail(evidence) } else { Finding::pass(evidence) })
}
