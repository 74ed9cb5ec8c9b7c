//! What a disk has to write, and how long a large store takes to open.

use std::time::{Duration, Instant};

use aws_iot_mqtt::durable::{self, Commit, DurableOptions};
use aws_iot_mqtt::{DisconnectReason, OutboxOptions, Publication, QoS};
use test_peers::Pki;

use super::mounted::Mounted;
use super::{figure, scale};
use crate::support::{BOTH_VERSIONS, block_on, lasting, tls};

/// A device without a network.
fn client(store: &std::path::Path, commit: Commit) -> aws_iot_mqtt::Client {
    let pki = Pki::new();
    let tls = tls(&pki.client("device"), &pki.ca_pem(), BOTH_VERSIONS);
    lasting(1, "device", tls)
        .outbox(OutboxOptions::new().messages(1_000_000).bytes(1 << 30))
        .drain_timeout(Duration::ZERO)
        .durable(DurableOptions::new(store).commit(commit))
        .start()
        .unwrap()
}

/// Publishes as many batches as there are in `messages`; each is synced on its own, as a slow publisher would have it.
fn device_bytes(kind: &str, batch: usize, payload: usize, messages: usize) -> Option<f64> {
    let disk = Mounted::new(kind, 300 * 1024 * 1024)?;
    let commit = Commit::Batched { delay: Duration::from_secs(3600), messages: batch };
    let client = client(&disk.path().join("outbox"), commit);
    let before = disk.bytes_written();
    for _ in 0..messages / batch {
        let message = || Publication::new("gw-1/readings", QoS::AtLeastOnce, vec![b'7'; payload]).unwrap();
        let receipts: Vec<_> = (0..batch).map(|_| client.try_publish(message()).unwrap()).collect();
        for receipt in receipts {
            block_on(receipt).unwrap();
        }
    }
    let written = disk.bytes_written() - before;
    let _ = block_on(client.disconnect(DisconnectReason::Normal));
    Some(written as f64 / (messages / batch * batch * payload) as f64)
}

#[test]
fn a_batch_a_minute_costs_at_most_four_device_bytes_for_a_byte_of_payload() {
    // One message a second, written once a minute.
    for kind in ["ext4", "btrfs"] {
        let Some(factor) = device_bytes(kind, 60, 1024, scale(600, 3600)) else { return };
        figure(&format!(
            "{kind}: 1 KiB messages, 60 at a time: {factor:.2} device bytes for a byte of payload"
        ));
        assert!(factor <= 4.0, "{kind}: {factor}");
    }
    if scale(false, true) {
        for kind in ["ext4", "btrfs"] {
            for (batch, payload) in [(30, 1024), (120, 1024), (300, 1024)] {
                let Some(factor) = device_bytes(kind, batch, payload, 1200) else { return };
                figure(&format!("{kind}: {payload} B messages, {batch} at a time: {factor:.2}"));
            }
            for (batch, payload) in [(1, 1024), (10, 1024), (1, 150), (10, 150), (60, 150)] {
                let Some(factor) = device_bytes(kind, batch, payload, 600) else { return };
                figure(&format!("{kind}: {payload} B messages, {batch} at a time: {factor:.2}"));
            }
        }
    }
}

/// As a device does it, with what the file system writes by itself meanwhile (ext4 each 5 s, btrfs each 30 s). It takes ten minutes.
#[test]
fn a_message_a_second_in_real_time() {
    if scale(true, false) {
        return;
    }
    let measured = [("ext4", 30), ("btrfs", 30), ("ext4", 60), ("btrfs", 60), ("ext4", 300), ("btrfs", 300)];
    let threads = measured.map(|(kind, delay)| {
        std::thread::spawn(move || {
            let disk = Mounted::new(kind, 300 * 1024 * 1024)?;
            let commit = Commit::Batched { delay: Duration::from_secs(delay), messages: 1000 };
            let client = client(&disk.path().join("outbox"), commit);
            let before = disk.bytes_written();
            let begun = Instant::now();
            for second in 1..=600 {
                let message = Publication::new("gw-1/readings", QoS::AtLeastOnce, vec![b'7'; 1024]).unwrap();
                drop(client.try_publish(message).unwrap());
                std::thread::sleep(Duration::from_secs(second).saturating_sub(begun.elapsed()));
            }
            let _ = block_on(client.disconnect(DisconnectReason::Normal));
            let factor = (disk.bytes_written() - before) as f64 / f64::from(600 * 1024);
            figure(&format!("{kind}: 1 KiB a second for ten minutes, delay of {delay} s: {factor:.2}"));
            Some(())
        })
    });
    for thread in threads {
        let _ = thread.join().unwrap();
    }
}

#[test]
fn a_large_backlog_opens_as_a_small_one_does() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("outbox");
    let messages = scale(5_000, 100_000);
    let commit = Commit::Batched { delay: Duration::from_millis(100), messages: 1000 };
    let first = client(&store, commit);
    let mut last = None;
    for _ in 0..messages {
        let message = Publication::new("gw-1/readings", QoS::AtLeastOnce, vec![b'7'; 1024]).unwrap();
        last = Some(loop {
            match first.try_publish(message.clone()) {
                Ok(receipt) => break receipt,
                // The disk does not keep up.
                Err(aws_iot_mqtt::Error::OutboxFull { .. }) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => panic!("{error}"),
            }
        });
    }
    block_on(last.unwrap()).unwrap();
    let _ = block_on(first.disconnect(DisconnectReason::Normal));
    drop(first);
    assert_eq!(durable::status(&store).unwrap().messages, messages as u64);
    let before = memory();
    let begun = Instant::now();
    let second = client(&store, commit);
    let (took, more) = (begun.elapsed(), memory().saturating_sub(before));
    let statistics = second.statistics();
    assert_eq!(statistics.outbox_messages, messages);
    figure(&format!("{messages} messages of 1 KiB open in {took:?} with {more} KiB more"));
    let _ = block_on(second.disconnect(DisconnectReason::Normal));
    if scale(false, true) {
        // In the long form nothing else runs in this process.
        assert!(took < Duration::from_secs(1) && more <= 8 * 1024, "{took:?}, {more} KiB");
    }
}

/// What this process has in memory, in KiB.
fn memory() -> usize {
    status("VmRSS:")
}

/// A number of /proc/self/status.
pub(super) fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
