//! The durable outbox as applications use it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use aws_iot_mqtt::durable::{self, DurableOptions, WhenDiskFails};
use aws_iot_mqtt::{Client, DisconnectReason, Error, Event, Publication, QoS};
use test_peers::{Pki, output_of};

use crate::abuse::Mounted;
use crate::support::bench::Bench;
use crate::support::{BOTH_VERSIONS, PATIENCE, block_on, lasting, tls};

/// A device that has no network.
fn offline(durable: DurableOptions) -> Result<Client, Error> {
    let pki = Pki::new();
    let tls = tls(&pki.client("device"), &pki.ca_pem(), BOTH_VERSIONS);
    lasting(1, "device", tls).drain_timeout(Duration::ZERO).durable(durable).start()
}

fn publish(client: &Client, payload: &str) -> Result<(), Error> {
    block_on(client.publish_with(Publication::new("t", QoS::AtLeastOnce, payload).unwrap()))
}

#[test]
fn one_owner_and_the_second_is_told_who_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("new/outbox");
    let first = offline(DurableOptions::new(&store)).unwrap();
    publish(&first, "x").unwrap();
    let second = offline(DurableOptions::new(&store)).unwrap_err();
    let words = second.to_string();
    assert!(matches!(second, Error::OutboxInUse { .. }), "{words}");
    let me = format!("in use by process {} (client-", std::process::id());
    assert!(words.contains(&me) && words.contains("choose another directory"), "{words}");
    let _ = block_on(first.disconnect(DisconnectReason::Normal));
    // When the client is at its end, the store is free.
    let second = offline(DurableOptions::new(&store)).unwrap();
    assert_eq!(second.statistics().outbox_messages, 1);
    // Nobody else can read what the device measures.
    for entry in fs::read_dir(&store).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{entry:?}");
    }
}

#[test]
fn a_message_of_before_the_restart_arrives_and_leaves_nothing_behind() {
    let Some(bench) = Bench::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let durable = DurableOptions::new(directory.path());
    let before = offline(durable.clone()).unwrap();
    for number in 0..500 {
        publish(&before, &number.to_string()).unwrap();
    }
    let error = block_on(before.disconnect(DisconnectReason::Normal)).unwrap_err();
    assert!(matches!(error, Error::NotDrained { messages: 500, .. }), "{error}");
    block_on(async {
        let witness = bench.connect("witness").await;
        let mut arriving = witness.subscribe("t", QoS::AtLeastOnce).await.unwrap();
        let after = bench.lasting("device").durable(durable).start().unwrap();
        for number in 0..500 {
            assert_eq!(crate::support::next(&mut arriving).await, number.to_string());
        }
        after.disconnect(DisconnectReason::Normal).await.unwrap();
        assert_eq!(after.statistics().outbox_messages, 0);
    });
    assert_eq!(durable::status(directory.path()).unwrap().messages, 0);
    assert_eq!(durable::status(directory.path()).unwrap().totals.acknowledged, 500);
}

#[test]
fn a_full_disk_and_a_read_only_one_are_told_and_work_again_when_they_can_be_written() {
    let Some(disk) = Mounted::new("ext4", 16 * 1024 * 1024) else { return };
    let store = disk.path().join("outbox");
    let client = offline(DurableOptions::new(&store)).unwrap();
    let mut events = client.events();
    publish(&client, "first").unwrap();
    fill(&disk.path());
    // The last block may have room for some.
    let full = (0..1000).find_map(|_| publish(&client, &"x".repeat(5000)).err()).expect("the disk is full");
    let words = full.to_string();
    assert!(words.contains("cannot be written to: the disk is full, make room on it"), "{words}");
    assert!(words.contains(store.to_str().unwrap()), "{words}");
    let event = block_on(async {
        loop {
            match events.next().await {
                Some(event @ Event::OutboxFailed { .. }) => break event,
                Some(_) => {}
                None => panic!("no event"),
            }
        }
    });
    assert!(event.to_string().contains("the disk is full"), "{event}");
    // A second program, or the same one after a restart, is told as well.
    let _ = block_on(client.disconnect(DisconnectReason::Normal));
    let again = offline(DurableOptions::new(&store));
    assert!(again.is_err_and(|error| error.to_string().contains("the disk is full")));
    let memory = DurableOptions::new(&store).when_disk_fails(WhenDiskFails::Memory);
    let client = offline(memory.clone()).unwrap();
    fs::remove_file(disk.path().join("filler")).unwrap();
    let begun = Instant::now();
    // In memory, a receipt would mean that the server has it.
    while !stores(&client, &store) {
        assert!(begun.elapsed() < PATIENCE, "the disk has room, and is not used");
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = block_on(client.disconnect(DisconnectReason::Normal));
    output_of(Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path()));
    let error = offline(DurableOptions::new(&store)).unwrap_err().to_string();
    assert!(error.contains("the file system is read-only"), "{error}");
    assert!(durable::status(&store).unwrap().messages >= 2, "it can be looked into");
    // In memory it goes on, and still one process has the store, even where no lock file can be made.
    let empty = disk.path().join("lost+found");
    for directory in [&store, &empty] {
        let memory = DurableOptions::new(directory).when_disk_fails(WhenDiskFails::Memory);
        let client = offline(memory.clone()).unwrap();
        drop(client.try_publish(Publication::new("t", QoS::AtLeastOnce, "z").unwrap()).unwrap());
        let second = offline(memory).unwrap_err();
        assert!(matches!(second, Error::OutboxInUse { .. }), "{second}");
        let _ = block_on(client.disconnect(DisconnectReason::Normal));
    }
}

#[test]
fn a_store_in_memory_is_told() {
    // A directory in memory, on nearly every Linux.
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else {
        return test_peers::skip("there is no /dev/shm");
    };
    let client = offline(DurableOptions::new(memory.path())).unwrap();
    let volatile = durable::status(memory.path()).unwrap().volatile.unwrap();
    assert!(volatile.contains("tmpfs"), "{volatile}");
    drop(client);
    if let Some(disk) = Mounted::new("ext4", 16 * 1024 * 1024) {
        let client = offline(DurableOptions::new(disk.path().join("outbox"))).unwrap();
        assert_eq!(durable::status(&disk.path().join("outbox")).unwrap().volatile, None);
        let _ = block_on(client.disconnect(DisconnectReason::Normal));
    }
}

fn fill(path: &Path) {
    let mut filler = fs::File::create(path.join("filler")).unwrap();
    for size in [65_536, 512] {
        while filler.write_all(&vec![7; size]).and_then(|()| filler.sync_data()).is_ok() {}
    }
}

/// Whether a message that is published now is on the disk.
fn stores(client: &Client, store: &Path) -> bool {
    let before = durable::status(store).unwrap().messages;
    let message = Publication::new("t", QoS::AtLeastOnce, "y").unwrap();
    drop(client.try_publish(message).unwrap());
    std::thread::sleep(Duration::from_millis(100));
    durable::status(store).unwrap().messages > before
}
