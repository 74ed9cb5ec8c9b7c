//! A device with a store on a disk, step by step: the application publishes numbers, the server takes them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use super::super::spool::DiskSpool;
use super::super::worker::Worker;
use super::super::{Commit, DurableOptions};
use super::disk::Disk;
use crate::clock::Moment;
use crate::outbox::{Entry, Key, Outbox, OutboxOptions, Sending};
use crate::{Error, Publication, QoS};

/// Small, so that segments are begun and removed.
pub(super) const SEGMENT: u64 = 4096;

type Answer = oneshot::Receiver<Result<(), Error>>;

pub(super) struct Device {
    pub(super) outbox: Arc<Outbox>,
    spool: Arc<DiskSpool>,
    pub(super) worker: Worker<Disk, Box<dyn Fn() -> Disk>>,
    answers: BTreeMap<u64, Answer>,
    pub(super) now: Moment,
    next_packet_id: u16,
}

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) key: Key,
    pub(super) number: u64,
    /// The packet id of an earlier connection.
    pub(super) again_as: Option<u16>,
    pub(super) packet_id: u16,
}

/// When the store cannot be opened: the disk fails, or the power does.
pub(super) fn device(disk: &Disk, commit: Commit, options: OutboxOptions) -> std::io::Result<Device> {
    device_with(disk, DurableOptions::new("/outbox").commit(commit), options)
}

pub(super) fn device_with(
    disk: &Disk,
    durable: DurableOptions,
    options: OutboxOptions,
) -> std::io::Result<Device> {
    let outbox = Arc::new(Outbox::new(options, Arc::default(), Arc::default(), Arc::default()));
    let spool = Arc::new(DiskSpool::new(durable.clone()));
    let again = disk.clone();
    let files: Box<dyn Fn() -> Disk> = Box::new(move || again.clone());
    let worker = Worker::open(&outbox, &spool, files, SEGMENT, None, 100)?;
    assert!(outbox.spool.set(spool.clone()).is_ok());
    let now = Moment { instant: Instant::now(), wall: SystemTime::now() };
    Ok(Device { outbox, spool, worker, answers: BTreeMap::new(), now, next_packet_id: 0 })
}

/// A payload that tells its number, of a length that differs.
pub(super) fn payload(number: u64) -> Vec<u8> {
    let mut payload = number.to_le_bytes().to_vec();
    payload.extend((0..number % 7 * 150).map(|index| (number + index) as u8));
    payload
}

pub(super) fn number_of(payload: &[u8]) -> u64 {
    u64::from_le_bytes(payload[..8].try_into().unwrap())
}

impl Device {
    pub(super) fn publish(&mut self, number: u64) -> Result<(), Error> {
        let publication = Publication::new("t/numbers", QoS::AtLeastOnce, payload(number)).unwrap();
        self.publish_with(number, publication.content_type("number").user_property("a", "b"))
    }

    pub(super) fn publish_with(&mut self, number: u64, publication: Publication) -> Result<(), Error> {
        let (entry, answer) = Entry::new(publication, self.now.wall);
        self.outbox.try_put(entry)?;
        self.answers.insert(number, answer);
        Ok(())
    }

    /// Lets the thread do what there is to do.
    pub(super) fn step(&mut self) {
        self.step_after(|_| {});
    }

    /// The same, with something in between: the thread has taken what there is to do, and not done it yet.
    pub(super) fn step_after(&mut self, meanwhile: impl FnOnce(&Outbox)) {
        let mail = self.spool.take(Some(Instant::now()));
        meanwhile(&self.outbox);
        self.worker.step(mail, false);
    }

    /// Ends in order: everything is written.
    pub(super) fn close(mut self) {
        let mail = self.spool.take(Some(Instant::now()));
        self.worker.step(mail, true);
    }

    /// Numbers whose receipts have come since the last call, and those that failed.
    pub(super) fn receipts(&mut self) -> (Vec<u64>, Vec<(u64, Error)>) {
        let (mut confirmed, mut failed) = (Vec::new(), Vec::new());
        self.answers.retain(|number, answer| match answer.try_recv() {
            Ok(Ok(())) => {
                confirmed.push(*number);
                false
            }
            Ok(Err(error)) => {
                failed.push((*number, error));
                false
            }
            Err(_) => true,
        });
        (confirmed, failed)
    }

    /// Sends at most so many messages; checks each one's content.
    pub(super) fn send(&mut self, most: usize) -> Vec<Sent> {
        let (mut sent, mut next) = (Vec::new(), self.next_packet_id);
        self.outbox.send(most, self.now, |key, entry| {
            let number = number_of(&entry.payload);
            assert_eq!(entry.payload, payload(number), "altered");
            assert_eq!(&entry.topic[..], b"t/numbers");
            assert_eq!(entry.properties.as_ref().unwrap().content_type.as_deref(), Some("number"));
            let again_as = entry.packet_id;
            let packet_id = again_as.unwrap_or_else(|| {
                next += 1;
                next
            });
            sent.push(Sent { key, number, again_as, packet_id });
            Sending::Sent(Some(packet_id))
        });
        self.next_packet_id = next;
        sent
    }

    pub(super) fn acknowledge<'a>(&mut self, sent: impl IntoIterator<Item = &'a Sent>) {
        self.outbox.complete(sent.into_iter().map(|sent| (sent.key, Ok(()))));
    }

    /// Sends and acknowledges everything.
    pub(super) fn drain(&mut self) -> Vec<u64> {
        let mut all = Vec::new();
        for _ in 0..10_000 {
            self.step();
            let sent = self.send(100);
            if sent.is_empty() && self.outbox.depth().0 == 0 {
                return all;
            }
            self.acknowledge(&sent);
            all.extend(sent.into_iter().map(|sent| sent.number));
        }
        panic!("{} messages are left, {} were sent", self.outbox.depth().0, all.len());
    }
}

/// Everything waits until the store is closed.
pub(super) const LATE: Commit = Commit::Batched { delay: Duration::from_secs(3600), messages: usize::MAX };
