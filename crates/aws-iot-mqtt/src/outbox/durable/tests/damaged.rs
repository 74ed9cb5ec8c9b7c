//! Files that somebody or something has changed: the store always starts, and no other message is lost.

use super::super::Commit;
use super::super::set_aside;
use super::device::{Device, device};
use super::disk::{Disk, Random};
use crate::outbox::OutboxOptions;

const MESSAGES: u64 = 6;

fn open(disk: &Disk) -> Device {
    device(disk, Commit::Each, OutboxOptions::new()).expect("it always starts")
}

/// A small store of messages that wait, and the name of the file that they are in.
fn store() -> (Disk, String) {
    let disk = Disk::new(1);
    let mut device = open(&disk);
    for number in 1..=MESSAGES {
        device.publish(number).unwrap();
    }
    device.step();
    let names = disk.names();
    assert_eq!(names.len(), 1, "{names:?}");
    (disk.copy(), names[0].clone())
}

/// Opens the changed store; returns the messages that are there, and how many places were set aside.
fn read(disk: &Disk, case: &str) -> (Vec<u64>, usize) {
    let mut device = open(disk);
    let numbers = device.drain();
    assert!(numbers.is_sorted(), "{case}: {numbers:?}");
    // It works as before.
    device.publish(100).unwrap();
    device.step();
    assert_eq!(device.receipts().0, [100], "{case}");
    device.close();
    let mut device = open(disk);
    assert_eq!(device.drain(), [100], "{case}");
    device.close();
    let set_aside = set_aside::items(disk).unwrap().len();
    // Nothing is set aside twice.
    assert!(open(disk).drain().is_empty(), "{case}");
    assert_eq!(set_aside::items(disk).unwrap().len(), set_aside, "{case}");
    (numbers, set_aside)
}

#[test]
fn every_byte_altered_costs_at_most_the_message_that_it_is_in() {
    let (store, name) = store();
    let all: Vec<u64> = (1..=MESSAGES).collect();
    let (mut lost_one, mut lost_none) = (0, 0);
    for at in 0..store.length_of(&name) {
        for bits in [0x01, 0xFF] {
            let disk = store.copy();
            disk.change(&name, |bytes| bytes[at] ^= bits);
            let case = format!("byte {at}, bits {bits:#x}");
            let (numbers, set_aside) = read(&disk, &case);
            let missing = all.iter().filter(|number| !numbers.contains(number)).count();
            assert!(missing <= 1, "{case}: {numbers:?}");
            assert_eq!(set_aside, 1, "{case}");
            if missing == 1 { lost_one += 1 } else { lost_none += 1 }
        }
    }
    assert!(lost_one > 2000 && lost_none > 200, "{lost_one} {lost_none}");
}

#[test]
fn every_truncation_costs_the_messages_behind_it_alone_and_counts_as_no_damage() {
    let (store, name) = store();
    let mut before = 0;
    for length in 0..=store.length_of(&name) {
        let disk = store.copy();
        disk.change(&name, |bytes| bytes.truncate(length));
        let (numbers, set_aside) = read(&disk, &format!("{length} bytes"));
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "{length}: {numbers:?}");
        assert!(numbers.len() >= before, "{length}");
        assert_eq!(set_aside, 0, "{length}");
        before = numbers.len();
    }
    assert_eq!(before as u64, MESSAGES);
}

#[test]
fn zeros_and_garbage_at_the_end_cost_nothing() {
    let (store, name) = store();
    let all: Vec<u64> = (1..=MESSAGES).collect();
    for (garbage, set_aside) in [(vec![0; 5000], 0), (vec![0xA5; 5000], 1), (b"MQO1".repeat(300), 1)] {
        let disk = store.copy();
        disk.change(&name, |bytes| bytes.extend_from_slice(&garbage));
        assert_eq!(read(&disk, "garbage"), (all.clone(), set_aside));
    }
}

#[test]
fn a_record_inside_a_payload_is_none() {
    let (store, name) = store();
    let mut stolen = Vec::new();
    store.change(&name, |bytes| stolen.clone_from(bytes));
    let disk = Disk::new(1);
    let mut device = open(&disk);
    let publication = crate::Publication::new("t", crate::QoS::AtLeastOnce, stolen).unwrap();
    device.publish_with(1, publication).unwrap();
    device.publish(2).unwrap();
    device.step();
    drop(device);
    // Its header is damaged, so the next record is looked for inside the payload.
    let at = disk.length_of(&disk.names()[0]) - 3000;
    let name = disk.names()[0].clone();
    disk.change(&name, |bytes| {
        let header = bytes.windows(5).position(|five| five == b"MQO1\x01").unwrap();
        assert!(header < at);
        bytes[header] = 0;
    });
    assert_eq!(open(&disk).drain(), [2]);
}

#[test]
fn whole_files_may_be_missing_or_be_nothing_of_ours() {
    let disk = Disk::new(1);
    let mut device = open(&disk);
    for number in 1..=60 {
        device.publish(number).unwrap();
    }
    device.step();
    drop(device);
    let names = disk.names();
    assert!(names.len() > 3, "{names:?}");
    for name in &names {
        for content in [&b""[..], b"x", &[0; 9000], &[0xFF; 9000]] {
            let disk = disk.copy();
            disk.change(name, |bytes| *bytes = content.to_vec());
            let numbers = open(&disk).drain();
            assert!(numbers.is_sorted() && numbers.len() >= 40, "{name}: {numbers:?}");
        }
    }
}

/// Bytes altered, removed, inserted and moved, in several files at once. `cargo xtask abuse` does it for longer.
#[test]
fn whatever_is_done_to_the_files_it_starts_and_nothing_altered_is_sent() {
    let disk = Disk::new(1);
    let mut device = open(&disk);
    for number in 1..=30 {
        device.publish(number).unwrap();
    }
    device.step();
    let sent = device.send(4);
    device.acknowledge(&sent[..2]);
    device.close();
    let store = disk.copy();
    let names = store.names();
    for seed in 0..if std::env::var_os("ABUSE").is_some() { 100_000 } else { 400 } {
        let disk = store.copy();
        let mut random = Random(seed);
        for _ in 0..=random.below(6) {
            let name = &names[random.below(names.len() as u64) as usize];
            disk.change(name, |bytes| alter(bytes, &mut random));
        }
        // `drain` looks at the content of each message.
        let mut device = open(&disk);
        let numbers = device.drain();
        assert!(numbers.is_sorted(), "{seed}: {numbers:?}");
        device.publish(100).unwrap();
        device.step();
        assert_eq!(device.receipts().0, [100], "{seed}");
        assert_eq!(device.drain(), [100], "{seed}");
    }
}

fn alter(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() as u64 + 1) as usize;
    let end = (at + random.below(200) as usize).min(bytes.len());
    match random.below(6) {
        0 => bytes[at..end].iter_mut().for_each(|byte| *byte = random.below(256) as u8),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.truncate(at),
        3 => {
            let copied = bytes[at..end].to_vec();
            let to = random.below(bytes.len() as u64 + 1) as usize;
            bytes.splice(to..to, copied);
        }
        4 => bytes[at..end].fill(0),
        _ => bytes.extend((0..random.below(300)).map(|byte| byte as u8)),
    }
}
