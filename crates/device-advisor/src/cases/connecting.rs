//! CONNECT, and connecting again.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::backoff;
use crate::connection::Connection;
use crate::device::Role;
use crate::judge::Judge;
use crate::verdict::Finding;

/// How often CONNACK is withheld, or the connection ended, in a row (AWS: "at least five times").
const ATTEMPTS: usize = 5;
/// AWS: "waits for at least one second before reconnecting".
const ONE_SECOND: Duration = Duration::from_secs(1);

/// A CONNECT packet comes.
pub(super) fn connect(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let (_, connect) = judge.connection()?;
    Ok(Finding::pass(format!(
        "MQTT {}, client id {:?}, keep alive {} s",
        if connect.level == 5 { "5" } else { "3.1.1" },
        connect.client_id,
        connect.keep_alive
    )))
}

/// CONNACK is withheld five times, the sixth attempt answered; then the same again: 12 CONNECTs.
pub(super) fn jitter_backoff(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let started = Instant::now();
    let mut rows = Vec::new();
    for round in 1..=2 {
        let (delays, mut connection) = withheld(judge).with_context(|| {
            format!(
                "round {round}, {:.0} s after the start; before: {}",
                started.elapsed().as_secs_f32(),
                shown(&rows)
            )
        })?;
        rows.push(delays);
        connection.serve_for(ONE_SECOND)?;
    }
    let mut finding = backoff::judge(&rows);
    finding.evidence =
        format!("12 CONNECTs in {:.0} s, {}", started.elapsed().as_secs_f32(), finding.evidence);
    Ok(finding)
}

/// The same once, with the eye on the growth alone.
pub(super) fn exponential_backoff(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let (row, _) = withheld(judge)?;
    let mut finding = backoff::judge(std::slice::from_ref(&row));
    // AWS wants exponential backoff here, with or without jitter.
    if backoff::kind(&row) == backoff::Kind::Exponential {
        finding = Finding::pass(finding.evidence);
    }
    Ok(finding)
}

/// Withholds CONNACK five times and accepts the sixth connection. Returns the delays between them, each from the device's giving up to
/// its next TCP connection, and the connection that stands.
fn withheld(judge: &mut Judge<'_>) -> anyhow::Result<(Vec<Duration>, Connection)> {
    let mut delays = Vec::new();
    let mut given_up: Option<Instant> = None;
    for attempt in 1..=ATTEMPTS {
        let said =
            |delays: &[Duration]| format!("attempt {attempt}, delays so far {}", backoff::show(delays));
        let (mut connection, _) = judge.connection().with_context(|| said(&delays))?;
        delays.extend(given_up.map(|then| connection.opened.saturating_duration_since(then)));
        let until = judge.until();
        connection
            .ignore_until_closed(until)
            .with_context(|| format!("{}: the device waits for CONNACK without end", said(&delays)))?;
        given_up = Some(Instant::now());
    }
    let (connection, _) = judge
        .accepted(false)
        .with_context(|| format!("attempt 6, delays so far {}", backoff::show(&delays)))?;
    delays.extend(given_up.map(|then| connection.opened.saturating_duration_since(then)));
    Ok((delays, connection))
}

/// Disconnected right after a successful connection: the next one comes after one second at the earliest.
pub(super) fn one_second(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let (connection, _) = judge.accepted(false)?;
    let closed = Instant::now();
    drop(connection);
    let (again, _) = judge.connection()?;
    let delay = again.opened.saturating_duration_since(closed);
    let evidence = format!("again after {:.2} s", delay.as_secs_f32());
    Ok(if delay < ONE_SECOND { Finding::fail(evidence) } else { Finding::pass(evidence) })
}

/// A connection that stands for a second and is closed, then CONNACK withheld.
pub(super) fn server_disconnect(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let (mut connection, _) = judge.accepted(false)?;
    connection.serve_for(ONE_SECOND)?;
    drop(connection);
    let (row, _) = withheld(judge)?;
    Ok(backoff::judge(&[row]))
}

/// The server closes after CONNECT, seven times; then it is well again.
pub(super) fn closed_after_connect(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let mut delays = Vec::new();
    let mut closed: Option<Instant> = None;
    for number in 1..=ATTEMPTS + 2 {
        let (connection, _) = judge
            .connection()
            .with_context(|| format!("attempt {number}, delays so far {}", backoff::show(&delays)))?;
        delays.extend(closed.map(|then| connection.opened.saturating_duration_since(then)));
        drop(connection);
        closed = Some(Instant::now());
    }
    judge
        .accepted(false)
        .with_context(|| format!("after seven closes, delays {}", backoff::show(&delays)))?;
    Ok(backoff::judge(&[delays]))
}

/// Each connection stands for three seconds and is cut.
pub(super) fn unstable(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let mut delays = Vec::new();
    let mut closed: Option<Instant> = None;
    for _ in 0..=ATTEMPTS {
        let (mut connection, _) = judge.accepted(false)?;
        delays.extend(closed.map(|then| connection.opened.saturating_duration_since(then)));
        // It stands, but what is published gets no answer: nothing tells the device that all is well.
        let _ = connection.next(Instant::now() + 3 * ONE_SECOND);
        drop(connection);
        closed = Some(Instant::now());
    }
    Ok(backoff::judge(&[delays]))
}

fn shown(rows: &[Vec<Duration>]) -> String {
    rows.iter().map(|row| backoff::show(row)).collect::<Vec<_>>().join(" | ")
}
