//! SUBSCRIBE, and what is received.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::connection::{Connection, Silence};
use crate::device::Role;
use crate::judge::Judge;
use crate::packet::{self, Packet, Subscribe};
use crate::verdict::Finding;

/// The payloads of MQTT_Client_Puback_QoS1: AWS allows 0 to 128 KB.
const PAYLOADS: [usize; 4] = [0, 1, 16 * 1024, 128 * 1024];

fn subscription(packet: &Packet) -> Option<Subscribe> {
    match packet {
        Packet::Subscribe(subscribe) => Some(subscribe.clone()),
        _ => None,
    }
}

/// Waits for SUBSCRIBE, answers it, and returns the first filter as a topic.
pub(super) fn subscribed(connection: &mut Connection, until: Instant) -> anyhow::Result<String> {
    let subscribe = connection.serve_until(until, subscription).context("no SUBSCRIBE")?;
    let (filter, qos) = subscribe.filters.first().context("a SUBSCRIBE without a filter")?;
    anyhow::ensure!(*qos == 1, "the subscription is at QoS {qos}, not 1");
    Ok(filter.replace(['#', '+'], "x"))
}

/// Sends a message at QoS 1 and waits for its PUBACK.
pub(super) fn acknowledged(
    connection: &mut Connection,
    topic: &str,
    id: u16,
    payload: &[u8],
    until: Instant,
) -> anyhow::Result<Duration> {
    let sent = Instant::now();
    let message = packet::publish(connection.level(), topic, id, payload);
    connection.send(&message)?;
    connection
        .serve_until(until, |packet| (*packet == Packet::PubAck(id)).then_some(()))
        .with_context(|| format!("no PUBACK for {} bytes", payload.len()))?;
    Ok(sent.elapsed())
}

/// A SUBSCRIBE packet comes.
pub(super) fn subscribe(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Subscriber)?;
    let until = judge.until();
    let (mut connection, _) = judge.accepted(false)?;
    let subscribe = connection.serve_until(until, subscription).context("no SUBSCRIBE")?;
    Ok(Finding::pass(format!("{:?}", subscribe.filters)))
}

/// SUBACK is withheld: SUBSCRIBE has to come again, with the same packet identifier.
pub(super) fn retry_no_suback(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Subscriber)?;
    let until = judge.until();
    let (mut connection, _) = judge.accepted(false)?;
    let mut first: Option<(Subscribe, Instant)> = None;
    loop {
        let packet = match connection.next(until) {
            Ok(packet) => packet,
            Err(Silence::TimeUp) => {
                return Ok(Finding::fail("SUBSCRIBE did not come again within the case's time"));
            }
            Err(end) => return Ok(Finding::fail(format!("SUBSCRIBE did not come again: {end}"))),
        };
        match (subscription(&packet), &first) {
            (Some(subscribe), None) => first = Some((subscribe, Instant::now())),
            (Some(subscribe), Some((known, at))) => {
                let seconds = at.elapsed().as_secs_f32();
                let evidence =
                    format!("again after {seconds:.1} s, packet id {} then {}", known.id, subscribe.id);
                return Ok(if known.id == subscribe.id {
                    Finding::pass(evidence)
                } else {
                    Finding::fail(evidence)
                });
            }
            (None, _) => connection.answer(&packet)?,
        }
    }
}

/// Messages of several sizes are acknowledged.
pub(super) fn puback(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Subscriber)?;
    let until = judge.until();
    let (mut connection, _) = judge.accepted(false)?;
    let topic = subscribed(&mut connection, until)?;
    for (id, size) in (1..).zip(PAYLOADS) {
        acknowledged(&mut connection, &topic, id, &vec![b'x'; size], until)?;
    }
    Ok(Finding::pass(format!("payloads of {PAYLOADS:?} bytes acknowledged")))
}

/// The largest payload, three times.
pub(super) fn large_payload(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    payload_of(judge, 128 * 1024)
}

/// A payload of that many bytes, three times.
pub(super) fn payload_of(judge: &mut Judge<'_>, size: usize) -> anyhow::Result<Finding> {
    judge.start(Role::Subscriber)?;
    let until = judge.until();
    let (mut connection, _) = judge.accepted(false)?;
    let topic = subscribed(&mut connection, until)?;
    let mut times = Vec::new();
    for id in 1..=3 {
        times.push(acknowledged(&mut connection, &topic, id, &vec![b'x'; size], until)?.as_millis());
    }
    Ok(Finding::pass(format!("{size} bytes acknowledged after {times:?} ms")))
}
