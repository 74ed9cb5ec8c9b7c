//! What the store promises while nothing fails, or one thing does.

use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use super::super::SetAsideContent;
use super::super::group_commit::UNSAVED;
use super::super::set_aside;
use super::super::{Commit, DurableOptions, WhenDiskFails};
use super::device::{Device, LATE, SEGMENT, device, device_with, payload};
use super::disk::Disk;
use crate::outbox::store::CLOCK_IS_SET;
use crate::outbox::{Key, OutboxOptions};
use crate::{Error, Publication, QoS, ReasonCode, WhenFull};

const HOUR: Duration = Duration::from_secs(3600);

fn open(disk: &Disk) -> Device {
    device(disk, Commit::Each, OutboxOptions::new()).unwrap()
}

fn refused() -> Error {
    Error::PublishRefused { topic: "t/numbers".to_owned(), reason: ReasonCode::NOT_AUTHORIZED, text: None }
}

#[test]
fn a_receipt_comes_after_the_sync_and_not_before() {
    for (commit, at_once) in [
        (Commit::Each, true),
        (Commit::Batched { delay: HOUR, messages: 3 }, false),
        (Commit::Batched { delay: Duration::ZERO, messages: 3 }, true),
    ] {
        let disk = Disk::new(1);
        let mut device = device(&disk, commit, OutboxOptions::new()).unwrap();
        let syncs = disk.syncs();
        device.publish(1).unwrap();
        assert!(device.receipts().0.is_empty(), "{commit:?}");
        device.step();
        assert_eq!(!device.receipts().0.is_empty(), at_once, "{commit:?}");
        assert_eq!(disk.syncs() > syncs, at_once, "{commit:?}");
        device.publish(2).unwrap();
        device.publish(3).unwrap();
        device.step();
        assert!(device.receipts().0.contains(&3), "{commit:?}");
        // The first messages of a new file, too: the directory was synced.
        disk.power_failure();
        let mut device = open(&disk.after_power_failure(true));
        assert_eq!(device.drain(), [1, 2, 3], "{commit:?}");
    }
}

#[test]
fn messages_that_come_together_are_synced_together() {
    let disk = Disk::new(1);
    let mut device = open(&disk);
    let syncs = disk.syncs();
    for number in 0..20 {
        device.publish(number).unwrap();
    }
    device.step();
    assert_eq!(device.receipts().0.len(), 20);
    // One for each segment that was full meanwhile.
    assert!(disk.syncs() - syncs < 8, "{}", disk.syncs() - syncs);
}

#[test]
fn a_message_ends_with_its_acknowledgement_and_with_nothing_else() {
    let disk = Disk::new(1);
    let mut device = open(&disk);
    for number in 1..=5 {
        device.publish(number).unwrap();
    }
    device.step();
    let sent = device.send(5);
    device.acknowledge(&sent[..2]);
    device.close();
    disk.power_failure();
    let disk = disk.after_power_failure(true);
    assert_eq!(open(&disk).drain(), [3, 4, 5], "sent is not acknowledged");
    // Nothing of it is left when all is done with.
    let mut device = open(&disk);
    device.drain();
    device.close();
    assert_eq!(open(&disk).outbox.depth(), (0, 0));
}

/// Otherwise the file system would write it at times of its own, and its metadata with it.
#[test]
fn what_waits_for_its_commit_is_sent_and_is_in_no_file() {
    let disk = Disk::new(1);
    let mut device = device(&disk, LATE, OutboxOptions::new()).unwrap();
    let file = disk.names().pop().unwrap();
    let length = disk.length_of(&file);
    // Those with the shortest payloads.
    let numbers: Vec<u64> = (1..=20).map(|number| number * 7).collect();
    for number in &numbers {
        device.publish(*number).unwrap();
        device.step();
    }
    assert_eq!((disk.names().len(), disk.length_of(&file)), (1, length));
    assert_eq!(device.send(100).iter().map(|one| one.number).collect::<Vec<_>>(), numbers);
    device.close();
    assert_eq!(open(&disk).drain(), numbers, "none was acknowledged");
}

#[test]
fn as_many_acknowledgements_are_unsaved_as_the_documentation_says() {
    let disk = Disk::new(1);
    let mut device = device(&disk, LATE, OutboxOptions::new()).unwrap();
    for number in 0..2000 {
        device.publish(number).unwrap();
    }
    let mut acknowledged = 0;
    while acknowledged < 1500 {
        device.step();
        let sent = device.send(100);
        acknowledged += sent.len();
        device.acknowledge(&sent);
    }
    device.step();
    disk.power_failure();
    let again = open(&disk.after_power_failure(true)).drain();
    let duplicates = again.iter().filter(|number| **number < acknowledged as u64).count();
    assert!(duplicates <= UNSAVED + 100, "{duplicates}");
}

#[test]
fn an_acknowledged_message_never_counts_again() {
    let disk = Disk::new(1);
    let mut device = open(&disk);
    for number in 1..=3 {
        device.publish(number).unwrap();
    }
    device.step();
    let sent = device.send(100);
    assert_eq!(sent.len(), 3);
    device.acknowledge(&sent);
    assert_eq!(device.outbox.depth().0, 0);
    device.step_after(|outbox| assert_eq!(outbox.depth().0, 0, "the thread has not written it down yet"));
    assert_eq!(device.outbox.depth().0, 0);
}

#[test]
fn messages_keep_their_order_and_packet_ids_through_a_restart() {
    let disk = Disk::new(1);
    let mut device = open(&disk);
    for number in 1..=300 {
        device.publish(number).unwrap();
    }
    device.step();
    let sent = device.send(100);
    assert_eq!(sent.len(), 100);
    device.acknowledge(sent.iter().skip(3).step_by(2));
    device.close();
    let mut device = open(&disk);
    // Which packet ids are reserved, since the server has kept the session.
    let mut reserved = device.outbox.online(true);
    reserved.sort_unstable();
    let expected: Vec<_> =
        sent.iter().enumerate().filter(|(at, _)| *at < 3 || at % 2 == 0).map(|(_, one)| one).collect();
    assert_eq!(reserved, expected.iter().map(|one| one.packet_id).collect::<Vec<_>>());
    let again = device.send(usize::MAX);
    for (one, expected) in again.iter().zip(&expected) {
        assert_eq!((one.number, one.again_as), (expected.number, Some(expected.packet_id)));
    }
    assert!(again[expected.len()..].iter().all(|one| one.again_as.is_none()));
    assert!(again.is_sorted_by_key(|one| one.number));
    // A server that has not kept it knows no packet ids.
    device.close();
    let mut device = open(&disk);
    assert!(device.outbox.online(false).is_empty());
    assert!(device.send(usize::MAX).iter().all(|one| one.again_as.is_none()));
}

#[test]
fn a_packet_id_belongs_to_the_message_that_was_sent_with_it_last() {
    let disk = Disk::new(1);
    let mut device = open(&disk);
    for number in 1..=2 {
        device.publish(number).unwrap();
    }
    device.step();
    let sent = device.send(1);
    // The server has lost the session: the other message gets the same packet id.
    device.outbox.requeue([(sent[0].key, 7)], []);
    device.outbox.online(false);
    let keys: Vec<Key> = device.send(2).iter().map(|one| one.key).collect();
    device.outbox.requeue(keys.iter().map(|key| (*key, 1)), []);
    device.close();
    let device = open(&disk);
    let mut ids = device.outbox.online(true);
    ids.dedup();
    assert_eq!(ids.len(), device.outbox.online(true).len(), "two messages with one packet id");
}

#[test]
fn a_sync_that_fails_confirms_nothing_until_the_store_was_opened_again() {
    let disk = Disk::new(3);
    let mut device = open(&disk);
    device.publish(1).unwrap();
    device.step();
    disk.fail_always(ErrorKind::Other);
    device.publish(2).unwrap();
    device.step();
    let (confirmed, failed) = device.receipts();
    assert_eq!((confirmed, failed.len()), (vec![1], 1));
    assert!(failed[0].1.to_string().contains("/outbox cannot be written to"), "{}", failed[0].1);
    // Refused at once, for the same reason, also when the disk is well again.
    disk.repair();
    let error = device.publish(3).unwrap_err();
    assert!(matches!(error, Error::OutboxStore { .. }), "{error}");
    device.step();
    assert!(device.receipts().0.is_empty());
    device.worker.reopen();
    device.publish(4).unwrap();
    device.step();
    assert_eq!(device.receipts().0, [4]);
    disk.power_failure();
    let left = open(&disk.after_power_failure(true)).drain();
    assert!(left.starts_with(&[1]) && left.ends_with(&[4]), "{left:?}");
}

#[test]
fn sending_goes_on_while_the_disk_cannot_be_written_to() {
    let disk = Disk::new(1);
    let mut device = open(&disk);
    for number in 1..=600 {
        device.publish(number).unwrap();
    }
    device.step();
    // A full disk can be read.
    device.worker.fail("be written to", ErrorKind::StorageFull.into());
    assert_eq!(device.drain().len(), 600, "more than are in memory at a time");
    // What became of them is known when it can be written again.
    device.worker.reopen();
    device.close();
    assert!(open(&disk).drain().is_empty());
}

#[test]
fn a_full_disk_and_a_read_only_one_are_told_and_memory_is_the_users_choice() {
    for (kind, words) in [
        (ErrorKind::StorageFull, "the disk is full, make room on it"),
        (ErrorKind::ReadOnlyFilesystem, "the file system is read-only"),
    ] {
        let disk = Disk::new(1);
        let durable = DurableOptions::new("/outbox");
        let mut events;
        for (choice, accepted) in [(WhenDiskFails::Refuse, false), (WhenDiskFails::Memory, true)] {
            let options = durable.clone().when_disk_fails(choice);
            let mut device = device_with(&disk, options, OutboxOptions::new()).unwrap();
            events = device.outbox.hub.listen();
            device.worker.fail("be written to", kind.into());
            let published = device.publish(1);
            assert_eq!(published.is_ok(), accepted, "{choice:?}");
            if let Err(error) = published {
                assert!(error.to_string().contains(words), "{error}");
            }
            let event = events.try_next().expect("an event");
            assert!(event.to_string().contains(words), "{event}");
            device.worker.reopen();
            assert!(matches!(events.try_next(), Some(crate::Event::OutboxRestored)));
            if accepted {
                let sent = device.send(1);
                assert_eq!(sent[0].number, 1);
                assert!(device.receipts().0.is_empty(), "in memory, a receipt means that the server has it");
                device.acknowledge(&sent);
                assert_eq!(device.receipts().0, [1]);
            }
            device.publish(2).unwrap();
            device.step();
            assert_eq!(device.receipts().0, [2]);
            device.drain();
            device.close();
        }
    }
}

/// What an earlier process has left has no seal: it was killed, or its end is torn.
#[test]
fn a_store_on_a_full_or_read_only_disk_starts_in_memory_where_the_user_chose_that() {
    for kind in [ErrorKind::StorageFull, ErrorKind::ReadOnlyFilesystem] {
        for torn in [false, true] {
            let disk = Disk::new(1);
            let mut before = open(&disk);
            for number in 1..=60 {
                before.publish(number).unwrap();
            }
            before.step();
            drop(before);
            if torn {
                let last = disk.names().last().unwrap().clone();
                disk.change(&last, |bytes| bytes.extend_from_slice(&[7; 10]));
            }
            disk.refuse_writes(kind);
            let durable = DurableOptions::new("/outbox");
            let refused = device_with(&disk, durable.clone(), OutboxOptions::new());
            assert_eq!(refused.err().map(|error| error.kind()), Some(kind), "torn: {torn}");
            let durable = durable.when_disk_fails(WhenDiskFails::Memory);
            let mut device = device_with(&disk, durable, OutboxOptions::new()).expect("it starts");
            device.publish(100).unwrap();
            assert_eq!(device.drain(), (1..=60).chain([100]).collect::<Vec<_>>(), "{kind:?}, torn: {torn}");
            // What became of them is written when that is possible again.
            disk.repair();
            device.worker.reopen();
            device.publish(101).unwrap();
            device.close();
            assert_eq!(open(&disk).drain(), [101], "{kind:?}, torn: {torn}");
        }
    }
}

#[test]
fn each_policy_when_the_store_is_full_also_after_a_restart() {
    for (policy, accepted, left) in [
        (WhenFull::Wait, 300, 300..600),
        (WhenFull::Refuse, 300, 300..600),
        (WhenFull::DropNewest, 600, 300..600),
        (WhenFull::DropOldest, 600, 0..300),
    ] {
        let disk = Disk::new(1);
        let options = OutboxOptions::new().messages(300).when_full(policy);
        let mut one = device(&disk, Commit::Each, options).unwrap();
        let taken = (0..600)
            .filter(|number| {
                let taken = one.publish(*number).is_ok();
                one.step();
                taken
            })
            .count();
        assert_eq!(taken, accepted, "{policy:?}");
        assert_eq!(one.outbox.depth().0, 300, "{policy:?}");
        let dropped = one.outbox.counters.lock().dropped;
        assert_eq!(dropped, if accepted == 600 { 300 } else { 0 }, "{policy:?}");
        one.close();
        let mut one = device(&disk, Commit::Each, options).unwrap();
        assert_eq!(one.outbox.depth().0, 300, "{policy:?}");
        assert_eq!(one.publish(600).is_ok(), accepted == 600, "{policy:?}");
        one.step();
        let numbers = one.drain();
        assert!(numbers.iter().all(|number| !left.contains(number)), "{policy:?}: {numbers:?}");
        assert_eq!(numbers.len(), 300, "{policy:?}");
    }
}

#[test]
fn bytes_are_a_bound_and_the_disk_is_given_back() {
    let disk = Disk::new(1);
    let options = OutboxOptions::new().bytes(40_000).when_full(WhenFull::DropOldest);
    let mut device = device(&disk, Commit::Each, options).unwrap();
    for number in 0..2000 {
        device.publish(number).unwrap();
        device.step();
        let (_, bytes) = device.outbox.depth();
        assert!(bytes <= 40_000, "{bytes}");
        let files: usize = disk.names().iter().map(|name| disk.length_of(name)).sum();
        assert!(files < 40_000 + 4 * SEGMENT as usize, "{files}");
    }
    assert_eq!(device.drain().last(), Some(&1999));
}

#[test]
fn messages_that_were_sent_are_not_dropped() {
    let disk = Disk::new(1);
    let options = OutboxOptions::new().messages(4).when_full(WhenFull::DropOldest);
    let mut device = device(&disk, Commit::Each, options).unwrap();
    for number in 0..4 {
        device.publish(number).unwrap();
    }
    device.step();
    let sent = device.send(2);
    device.outbox.requeue(sent.iter().map(|one| (one.key, one.packet_id)), []);
    for number in 4..8 {
        device.publish(number).unwrap();
        device.step();
    }
    assert_eq!(device.drain(), [0, 1, 6, 7]);
}

#[test]
fn age_counts_through_a_restart_and_messages_that_are_too_old_are_counted() {
    let disk = Disk::new(1);
    let options = OutboxOptions::new().max_age(HOUR);
    let mut one = device(&disk, Commit::Each, options).unwrap();
    // Accepted two hours ago; more than are in memory at a time.
    let now = one.now.wall;
    one.now.wall = now - 2 * HOUR;
    for number in 0..400 {
        one.publish(number).unwrap();
    }
    one.now.wall = now;
    one.publish(1000).unwrap();
    one.close();
    let mut one = device(&disk, Commit::Each, options).unwrap();
    assert_eq!(one.drain(), [1000]);
    assert_eq!(one.outbox.counters.lock().dropped, 400);
}

#[test]
fn a_clock_that_is_not_set_expires_nothing() {
    let disk = Disk::new(1);
    let options = OutboxOptions::new().max_age(HOUR);
    let mut one = device(&disk, Commit::Each, options).unwrap();
    // No battery: the device thinks that it is 1970.
    one.now.wall = SystemTime::UNIX_EPOCH + HOUR;
    one.publish(1).unwrap();
    one.close();
    let mut one = device(&disk, Commit::Each, options).unwrap();
    assert_eq!(one.drain(), [1], "how long it waited is not known");
    // The other way round: a good clock, then none until the time server answers.
    one.publish(2).unwrap();
    one.step();
    one.outbox.expire(SystemTime::UNIX_EPOCH + HOUR);
    one.outbox.expire(SystemTime::UNIX_EPOCH + CLOCK_IS_SET + HOUR);
    assert_eq!(one.drain(), [2]);
}

#[test]
fn a_message_that_the_server_refuses_is_set_aside_with_its_reason_and_blocks_nothing() {
    let disk = Disk::new(1);
    let mut device = open(&disk);
    for number in 1..=3 {
        device.publish(number).unwrap();
    }
    device.step();
    let sent = device.send(1);
    device.outbox.complete([(sent[0].key, Err(refused()))]);
    assert_eq!(device.drain(), [2, 3]);
    device.close();
    let mut device = open(&disk);
    assert!(device.drain().is_empty());
    let items = set_aside::items(&disk).unwrap();
    assert_eq!(items.len(), 1);
    assert!(items[0].reason.contains("not authorized (0x87)"), "{}", items[0].reason);
    let SetAsideContent::Message(message) = &items[0].what else { panic!("{items:?}") };
    assert_eq!((&message.payload[..], message.topic.as_str()), (&payload(1)[..], "t/numbers"));
    assert_eq!(message.properties.as_ref().unwrap().user_properties.len(), 1);
}

#[test]
fn a_refused_message_that_cannot_be_set_aside_is_set_aside_later() {
    let disk = Disk::new(1);
    let mut device = open(&disk);
    device.publish(1).unwrap();
    device.step();
    let sent = device.send(1);
    disk.fail_always(ErrorKind::StorageFull);
    device.outbox.complete([(sent[0].key, Err(refused()))]);
    device.step();
    disk.repair();
    device.worker.reopen();
    device.step();
    assert_eq!(set_aside::items(&disk).unwrap().len(), 1);
    assert!(device.drain().is_empty());
}

#[test]
fn what_is_set_aside_does_not_fill_the_disk() {
    let disk = Disk::new(1);
    let mut device = open(&disk);
    for number in 0..60 {
        let large = Publication::new("t", QoS::AtLeastOnce, vec![7; 100_000]).unwrap();
        device.publish_with(number, large).unwrap();
        device.step();
        let mut keys = Vec::new();
        device.outbox.send(1, device.now, |key, _| {
            keys.push((key, Err(refused())));
            crate::outbox::Sending::Sent(Some(1))
        });
        device.outbox.complete(keys);
    }
    device.step();
    let bytes: usize = ["set-aside", "set-aside.old"].iter().map(|name| disk.length_of(name)).sum();
    assert!((1_000_000..2_500_000).contains(&bytes), "{bytes}");
}

#[test]
fn opening_reads_no_more_when_there_is_more_and_loads_no_more() {
    let read = |messages: u64| {
        let disk = Disk::new(1);
        let options = OutboxOptions::new().messages(usize::MAX).bytes(usize::MAX);
        let mut one = device(&disk, LATE, options).unwrap();
        for number in 0..messages {
            one.publish(number).unwrap();
            one.step();
        }
        one.close();
        let disk = disk.copy();
        let one = device(&disk, LATE, options).unwrap();
        assert_eq!(one.outbox.depth().0 as u64, messages);
        let in_memory = one.outbox.store().entries.len();
        (disk.bytes_read() / (1 + disk.names().len() as u64), in_memory)
    };
    let (few, many) = (read(500), read(5000));
    // Of each file its last record alone; the first ones are loaded.
    assert!(many.0 < few.0, "{many:?} bytes a file, {few:?}");
    assert!(many.1 <= 256 && few.1 <= 256, "{many:?} {few:?}");
}

#[test]
fn the_files_hold_little_more_than_the_messages() {
    let disk = Disk::new(1);
    let mut device =
        device(&disk, Commit::Batched { delay: HOUR, messages: 10 }, OutboxOptions::new()).unwrap();
    for number in 0..500 {
        let message = Publication::new("t/numbers", QoS::AtLeastOnce, vec![7; 1000]).unwrap();
        device.publish_with(number, message).unwrap();
        device.step();
        let mut sent = Vec::new();
        device.outbox.send(100, device.now, |key, _| {
            sent.push((key, Ok(())));
            crate::outbox::Sending::Sent(Some(1))
        });
        device.outbox.complete(sent);
    }
    device.step();
    let written = device.outbox.counters.lock().stored_bytes;
    assert!((500_000..600_000).contains(&written), "{written}");
}
