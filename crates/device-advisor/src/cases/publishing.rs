//! PUBLISH.

use std::time::{Duration, Instant};

use crate::connection::Silence;
use crate::device::Role;
use crate::judge::Judge;
use crate::packet::{self, MQTT_5, Packet, Publish};
use crate::verdict::Finding;

fn publication(packet: &Packet) -> Option<Publish> {
    match packet {
        Packet::Publish(publish) => Some(publish.clone()),
        _ => None,
    }
}

/// A message comes, at QoS 0 or 1.
pub(super) fn publish(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let until = judge.until();
    let (mut connection, _) = judge.accepted(false)?;
    let message = connection.serve_until(until, publication)?;
    Ok(Finding::pass(format!("{} at QoS {}", message.topic, message.qos)))
}

/// PUBACK is withheld. With MQTT 3.1.1 the device sends the message again with the same packet identifier, on the same connection.
/// MQTT 5 forbids that (section 4.4): there, it is told what the device does instead.
pub(super) fn retry_no_puback(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let until = judge.until();
    let (mut connection, connect) = judge.accepted(false)?;
    let begun = Instant::now();
    let mut first: Option<Publish> = None;
    let again = loop {
        match connection.next(until) {
            Ok(Packet::Publish(publish)) if publish.qos == 1 => match &first {
                None => first = Some(publish),
                Some(known) if known.id == publish.id => break Ok(publish),
                Some(_) => {}
            },
            Ok(Packet::PingReq) => connection.send(&packet::pingresp())?,
            Ok(_) => {}
            Err(end) => break Err(end),
        }
    };
    let Some(first) = first else { return Ok(Finding::not_applicable("the device publishes at QoS 0 only")) };
    let seconds = begun.elapsed().as_secs();
    Ok(match again {
        Ok(publish) if connect.level == MQTT_5 => Finding::fail(format!(
            "sent again after {seconds} s on a live connection (DUP {}), which MQTT 5, section 4.4, forbids",
            publish.duplicate
        )),
        Ok(publish) => Finding::pass(format!(
            "sent again after {seconds} s with packet id {:?}, DUP {}",
            publish.id, publish.duplicate
        )),
        Err(Silence::TimeUp) if connect.level == MQTT_5 => {
            Finding::not_applicable(format!("MQTT 5, section 4.4; after {seconds} s the device still waits"))
        }
        Err(Silence::TimeUp) => Finding::fail(format!("not sent again within {seconds} s")),
        Err(_) => {
            let (mut connection, _) = judge.accepted(false)?;
            let resent = connection.serve_until(until, publication)?;
            let evidence = format!(
                "the device ended the connection after {seconds} s and sent the message again on the next one (packet id {:?} then \
                 {:?}, same payload: {})",
                first.id,
                resent.id,
                resent.payload == first.payload
            );
            if connect.level != MQTT_5 {
                Finding::fail(evidence)
            } else {
                Finding::not_applicable(format!(
                    "MQTT 5, section 4.4, forbids it on a live connection; {evidence}"
                ))
            }
        }
    })
}

/// A message with the RETAIN flag.
pub(super) fn retained(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    with(judge, |message, _| message.retain, "the RETAIN flag")
}

/// A message with a user property.
pub(super) fn user_property(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    with(judge, |message, level| level == MQTT_5 && message.user_property, "a user property")
}

fn with(judge: &mut Judge<'_>, wanted: fn(&Publish, u8) -> bool, what: &str) -> anyhow::Result<Finding> {
    judge.start(Role::Publisher)?;
    let (mut connection, connect) = judge.accepted(false)?;
    let mut seen = 0;
    let found = connection.serve_until(Instant::now() + Duration::from_secs(10), |packet| {
        let message = publication(packet)?;
        seen += 1;
        wanted(&message, connect.level).then_some(message.topic)
    });
    Ok(match found {
        Ok(topic) => Finding::pass(format!("message {seen}, to {topic}")),
        Err(_) => Finding::fail(format!("none of {seen} messages carries {what}")),
    })
}
