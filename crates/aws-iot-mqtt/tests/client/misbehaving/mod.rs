//! Servers that break MQTT's rules, or keep them in ways that few servers do. Each was seen in the field.
//!
//! The server here writes and reads its packets byte by byte, by the MQTT 5 specification alone: it shares no codec with the
//! client, so that a wrong fact cannot agree with itself.

mod closing;
mod connack;
mod limits;
mod messages;
mod packets;
mod server;
mod unusual;
mod withheld;

use std::time::Duration;

use aws_iot_mqtt::{Error, Event, Events};
use tokio::time::timeout;

/// Until then everything has happened, also on a loaded machine. What has not is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test whose every wait ends.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime
        .block_on(async { timeout(PATIENCE, test).await.expect("what the test waits for does not happen") });
}

/// Why the next connection ended.
async fn lost(events: &mut Events) -> Error {
    loop {
        match events.next().await.expect("an event before the client's end") {
            Event::Disconnected { error, .. } => return error,
            Event::GaveUp { error } => panic!("given up: {}", error.report()),
            _ => {}
        }
    }
}
