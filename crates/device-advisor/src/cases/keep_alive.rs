//! Keep alive.

use std::time::{Duration, Instant};

use crate::connection::Silence;
use crate::device::Role;
use crate::judge::Judge;
use crate::packet::Packet;
use crate::verdict::Finding;

/// Nothing is answered any more, pings included: the device has to disconnect within 1.5 times its keep alive, and some time for the
/// ping's answer.
pub(super) fn no_ack_pingresp(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Subscriber)?;
    let until = judge.until();
    let (mut connection, connect) = judge.accepted(false)?;
    let keep_alive = Duration::from_secs(connect.keep_alive.into());
    if keep_alive.is_zero() {
        return Ok(Finding::fail("keep alive is off"));
    }
    super::subscribing::subscribed(&mut connection, until)?;
    let begun = Instant::now();
    let mut ping = None;
    let mut disconnect = None;
    let end = loop {
        match connection.next(until) {
            Ok(Packet::PingReq) => ping = ping.or(Some(begun.elapsed())),
            Ok(Packet::Disconnect(reason)) => disconnect = Some(reason),
            Ok(_) => {}
            Err(end) => break end,
        }
    };
    let after = begun.elapsed();
    let seconds = |time: Duration| format!("{:.0} s", time.as_secs_f32());
    let evidence = format!(
        "keep alive {}, first ping after {}, disconnected after {}, DISCONNECT with {}",
        seconds(keep_alive),
        ping.map_or("-".into(), seconds),
        seconds(after),
        disconnect.map_or("nothing: closed".into(), |reason| format!("0x{reason:02x}")),
    );
    // AWS gives "1.5 times keepAliveTime"; ten seconds more for a ping that was sent at the last moment.
    let bound = keep_alive.mul_f32(1.5) + Duration::from_secs(10);
    Ok(match end {
        Silence::TimeUp => Finding::fail(format!("{evidence}: it never disconnects")),
        _ if after > bound => Finding::fail(format!("{evidence}: later than {}", seconds(bound))),
        _ => Finding::pass(evidence),
    })
}

/// An idle connection is kept alive by pings, in time.
pub(super) fn keep_alive(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Subscriber)?;
    let until = judge.until();
    let (mut connection, connect) = judge.accepted(false)?;
    let keep_alive = Duration::from_secs(connect.keep_alive.into());
    if keep_alive.is_zero() {
        return Ok(Finding::fail("keep alive is off"));
    }
    let mut last = Instant::now();
    let mut longest = Duration::ZERO;
    let mut pings = 0;
    // Three pings show a rhythm.
    while pings < 3 {
        if last.elapsed() > keep_alive.mul_f32(1.5) {
            return Ok(Finding::fail(format!("nothing for 1.5 times the keep alive of {keep_alive:?}")));
        }
        let packet = match connection.next(until.min(Instant::now() + Duration::from_secs(1))) {
            Ok(packet) => packet,
            Err(Silence::TimeUp) if Instant::now() < until => continue,
            Err(Silence::TimeUp) => break,
            Err(end) => return Ok(Finding::fail(end.to_string())),
        };
        connection.answer(&packet)?;
        longest = longest.max(last.elapsed());
        last = Instant::now();
        pings += usize::from(packet == Packet::PingReq);
    }
    let evidence = format!(
        "keep alive {} s, {pings} pings, at most {:.0} s of silence",
        connect.keep_alive,
        longest.as_secs_f32()
    );
    // With a keep alive of minutes fewer pings fit into the case's time.
    Ok(if pings == 0 { Finding::fail(evidence) } else { Finding::pass(evidence) })
}
