//! Persistent sessions.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::subscribing::{acknowledged, subscribed};
use crate::device::Role;
use crate::judge::Judge;
use crate::packet::{MQTT_5, Packet};
use crate::verdict::Finding;

/// How long a SUBSCRIBE that must not come is watched for.
const WATCH: Duration = Duration::from_secs(3);

/// The connection is cut; the session is there: no SUBSCRIBE, and the stored message is received and acknowledged.
pub(super) fn happy(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    session_present(judge, false)
}

/// The same, with the device's program started anew in between.
pub(super) fn restarted(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    session_present(judge, true)
}

fn session_present(judge: &mut Judge<'_>, restart: bool) -> anyhow::Result<Finding> {
    let topic = match first_connection(judge)? {
        Ok(topic) => topic,
        Err(finding) => return Ok(finding),
    };
    if restart {
        judge.start(Role::Subscriber)?;
    }
    let until = judge.until();
    let (mut connection, connect) = judge.accepted(true).context("the second connection")?;
    if connect.clean {
        return Ok(Finding::fail("the second connection asks for a clean session"));
    }
    let time = acknowledged(&mut connection, &topic, 1, b"stored while the device was away", until)
        .context("the stored message")?;
    let packets = connection.serve_for(WATCH)?;
    let again = packets.iter().any(|packet| matches!(packet, Packet::Subscribe(_)));
    let evidence = format!("stored message acknowledged after {} ms", time.as_millis());
    Ok(if again {
        Finding::fail(format!("{evidence}, but SUBSCRIBE came again although the session was present"))
    } else {
        Finding::pass(format!("{evidence}, no SUBSCRIBE"))
    })
}

/// The session has expired: SUBSCRIBE has to come again.
pub(super) fn expired(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    if let Err(finding) = first_connection(judge)? {
        return Ok(finding);
    }
    let until = judge.until();
    let (mut connection, _) = judge.accepted(false).context("the second connection")?;
    let begun = Instant::now();
    subscribed(&mut connection, until).context("after CONNACK without a session")?;
    Ok(Finding::pass(format!("SUBSCRIBE again after {} ms", begun.elapsed().as_millis())))
}

/// The first connection: a session that lasts, and a subscription in it. Then it is cut.
fn first_connection(judge: &mut Judge<'_>) -> anyhow::Result<Result<String, Finding>> {
    judge.start(Role::Subscriber)?;
    let until = judge.until();
    let (mut connection, connect) = judge.accepted(false)?;
    let lasts = if connect.level == MQTT_5 { connect.session_expiry > 0 } else { !connect.clean };
    if !lasts {
        return Ok(Err(Finding::fail("the device asks for no persistent session")));
    }
    let topic = subscribed(&mut connection, until)?;
    connection.serve_for(Duration::from_millis(500))?;
    Ok(Ok(topic))
}
