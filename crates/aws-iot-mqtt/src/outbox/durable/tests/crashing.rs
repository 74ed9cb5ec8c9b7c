//! Power failures and failing disks, at each call of the operating system.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Duration;

use super::super::Commit;
use super::device::{Device, device};
use super::disk::{Disk, Fault, Random};
use crate::outbox::OutboxOptions;

const MESSAGES: u64 = 60;

/// What the outside world knows.
#[derive(Default)]
struct World {
    published: u64,
    /// Messages whose receipt has come.
    confirmed: BTreeSet<u64>,
    /// In the order in which the server saw them first.
    received: Vec<u64>,
    seen: BTreeSet<u64>,
    duplicates: u64,
}

impl World {
    /// Publishes so many, sends, acknowledges some, until all is published or the power fails.
    fn run(&mut self, device: &mut Device, disk: &Disk, random: &mut Random, messages: u64) {
        let mut last = 0;
        let mut open = Vec::new();
        let most = self.published + messages;
        while self.published < most && !disk.is_off() {
            for _ in 0..=random.below(3) {
                self.published += 1;
                // Refused while the disk fails: then it was never promised.
                let _ = device.publish(self.published);
            }
            device.step();
            self.take_receipts(device);
            if device.worker.has_failed() {
                device.worker.reopen();
            }
            let sent = device.send(random.below(6) as usize);
            for one in &sent {
                assert!(one.number > last, "{} after {last}", one.number);
                last = one.number;
                self.receive(one.number);
            }
            open.extend(sent);
            let count = random.below(open.len() as u64 + 1) as usize;
            let acknowledged: Vec<_> = open.drain(..count).collect();
            device.acknowledge(&acknowledged);
        }
        device.outbox.requeue(open.iter().map(|sent| (sent.key, sent.packet_id)), []);
    }

    fn receive(&mut self, number: u64) {
        if self.seen.insert(number) {
            self.received.push(number);
        } else {
            self.duplicates += 1;
        }
    }

    fn take_receipts(&mut self, device: &mut Device) {
        self.confirmed.extend(device.receipts().0);
    }

    /// All is well from now on: what was promised arrives.
    fn finish(&mut self, mut device: Device, case: &str) {
        for _ in 0..3 {
            if device.worker.has_failed() {
                device.worker.reopen();
            }
        }
        for number in device.drain() {
            self.receive(number);
        }
        self.take_receipts(&mut device);
        let missing: Vec<_> = self.confirmed.difference(&self.seen).collect();
        assert!(missing.is_empty(), "{case}: confirmed and lost: {missing:?}");
        let in_order = self.received.is_sorted();
        assert!(in_order, "{case}: not in order: {:?}", self.received);
    }
}

fn commits() -> [Commit; 2] {
    [Commit::Each, Commit::Batched { delay: Duration::from_secs(3600), messages: 4 }]
}

fn options() -> OutboxOptions {
    OutboxOptions::new()
}

/// Runs with one fault at that call; false when the run ends before it.
fn run_with(fault: Fault, call: u64, commit: Commit, all_lost: bool) -> bool {
    let case = format!("{fault:?} at call {call}, {commit:?}, all lost: {all_lost}");
    let mut random = Random(call);
    let mut disk = Disk::new(call);
    let mut world = World::default();
    disk.fail(call, fault);
    if let Ok(mut device) = device(&disk, commit, options()) {
        world.run(&mut device, &disk, &mut random, MESSAGES);
        if !disk.is_off() && disk.calls() <= call {
            return false;
        }
        if !disk.is_off() {
            disk.repair();
            world.finish(device, &case);
            return true;
        }
    }
    disk.power_failure();
    disk = disk.after_power_failure(all_lost);
    // Once more while it starts.
    let again = Random(call + 1).below(12);
    disk.fail(again, Fault::PowerFailure);
    if let Ok(mut device) = device(&disk, commit, options()) {
        world.run(&mut device, &disk, &mut random, MESSAGES / 2);
    }
    if disk.is_off() {
        disk = disk.after_power_failure(!all_lost);
    }
    disk.repair();
    let device = device(&disk, commit, options()).expect("it always starts");
    world.finish(device, &case);
    true
}

#[test]
fn a_power_failure_at_each_call_loses_nothing_that_was_confirmed() {
    for commit in commits() {
        for all_lost in [false, true] {
            let mut call = 0;
            while run_with(Fault::PowerFailure, call, commit, all_lost) {
                call += 1;
            }
            assert!(call > 100, "only {call} calls");
        }
    }
}

#[test]
fn an_error_at_each_call_loses_nothing_that_was_confirmed() {
    for fault in [Fault::Error(ErrorKind::Other), Fault::Error(ErrorKind::StorageFull), Fault::ShortWrite] {
        for commit in commits() {
            let mut call = 0;
            while run_with(fault, call, commit, false) {
                call += 1;
            }
            assert!(call > 100, "only {call} calls");
        }
    }
}

#[test]
fn errors_and_power_failures_at_random_over_and_over_lose_nothing_that_was_confirmed() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let mut disk = Disk::new(seed);
        let mut world = World::default();
        let commit = commits()[random.below(2) as usize];
        for _ in 0..12 {
            for _ in 0..random.below(4) {
                let kind = [ErrorKind::Other, ErrorKind::StorageFull][random.below(2) as usize];
                let fault = [Fault::Error(kind), Fault::ShortWrite][random.below(2) as usize];
                disk.fail(random.below(150), fault);
            }
            disk.fail(random.below(200), Fault::PowerFailure);
            if let Ok(mut device) = device(&disk, commit, options()) {
                world.run(&mut device, &disk, &mut random, 30);
            }
            disk.power_failure();
            disk = disk.after_power_failure(random.one_in(3));
        }
        let device = device(&disk, commit, options()).expect("it always starts");
        world.finish(device, &format!("seed {seed}"));
    }
}
