//! Many messages and many reconnects: memory, descriptors and threads stay as they are.

use std::fs;
use std::time::Duration;

use aws_iot_mqtt::{DisconnectReason, Event, OutboxOptions, Publication, QoS};
use test_peers::{Mosquitto, Pki, TlsVersion, this_program};

use super::figure;
use super::wear::status;
use crate::support::cutter::{Cutter, Trouble};
use crate::support::{BOTH_VERSIONS, block_on, lasting, tls};

/// Set for the process that is measured: nothing else runs in it.
const MEASURED: &str = "ABUSE_MEASURED";

#[test]
fn memory_descriptors_and_threads_stay_as_they_are() {
    let Some((messages, reconnects)) = measured() else {
        // Where mosquitto is missing, that process skips.
        let (messages, reconnects) = super::scale((30_000, 30), (1_000_000, 1_000));
        let name = "abuse::endless::memory_descriptors_and_threads_stay_as_they_are";
        let mut command = this_program();
        command.args(["--exact", name, "--nocapture"]).env(MEASURED, format!("{messages} {reconnects}"));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said.lines().filter_map(|line| line.strip_prefix("figure: ")).for_each(figure);
        return;
    };
    let pki = Pki::new();
    let Some(broker) = Mosquitto::start_quiet(&pki.ca_pem(), TlsVersion::Any) else { return };
    let cutter = Cutter::start(broker.port(), [Trouble::None]);
    let tls = tls(&pki.client("device"), broker.server_ca_pem(), BOTH_VERSIONS);
    let directory = tempfile::tempdir().unwrap();
    let durable = aws_iot_mqtt::durable::DurableOptions::new(directory.path().join("outbox"));
    let durable = durable
        .commit(aws_iot_mqtt::durable::Commit::Batched { delay: Duration::from_millis(100), messages: 1000 });
    let client = lasting(cutter.port, "device", tls)
        .outbox(OutboxOptions::new().messages(5_000))
        .durable(durable)
        .start()
        .unwrap();
    let mut events = client.events();
    let connected = async |events: &mut aws_iot_mqtt::Events| {
        while !matches!(events.next().await, Some(Event::Connected { .. })) {}
    };
    block_on(connected(&mut events));
    let each = messages / reconnects;
    let (mut warm, mut peak) = (None, 0);
    for round in 0..reconnects {
        for _ in 0..each {
            let message = Publication::new("abuse/endless", QoS::AtLeastOnce, "x".repeat(200)).unwrap();
            while let Err(error) = client.try_publish(message.clone()) {
                assert!(matches!(error, aws_iot_mqtt::Error::OutboxFull { .. }), "{error}");
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        cutter.cut();
        block_on(connected(&mut events));
        if round == reconnects / 10 {
            warm = Some(resources());
        }
        peak = peak.max(status("VmRSS:"));
    }
    let (memory, descriptors, threads) = warm.unwrap();
    let (memory_after, descriptors_after, threads_after) = resources();
    block_on(client.disconnect(DisconnectReason::Normal)).unwrap();
    let statistics = client.statistics();
    figure(&format!(
        "endless: {} acknowledged, {} reconnects; after warm-up and at the end: memory {memory} and {memory_after} KiB (peak \
         {peak}), descriptors {descriptors} and {descriptors_after}, threads {threads} and {threads_after}",
        statistics.acknowledged, statistics.reconnects
    ));
    assert!(statistics.acknowledged >= (each * reconnects) as u64);
    assert!(statistics.reconnects >= reconnects as u64);
    // The allocator keeps some; in the short form the warm-up is short.
    assert!(memory_after <= memory + memory / 10 + 1024, "{memory} and {memory_after} KiB");
    // The cutter closes a connection a little later than the client makes the next one.
    assert!(descriptors_after <= descriptors + 4, "{descriptors} and {descriptors_after}");
    // tokio's resolver threads come and go.
    assert!(threads_after <= threads + 2, "{threads} and {threads_after}");
}

fn measured() -> Option<(usize, usize)> {
    let task = std::env::var(MEASURED).ok()?;
    let (messages, reconnects) = task.split_once(' ')?;
    Some((messages.parse().unwrap(), reconnects.parse().unwrap()))
}

fn resources() -> (usize, usize, usize) {
    (status("VmRSS:"), fs::read_dir("/proc/self/fd").unwrap().count(), status("Threads:"))
}
