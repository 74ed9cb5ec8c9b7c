//! What is accepted, what is dropped, and who is told.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Instant;

use tokio::sync::oneshot;

use super::store::CLOCK_IS_SET;
use super::*;
use crate::clock::Moment;
use crate::{Publication, QoS};

const TOPICS: [&str; 4] = ["t/0", "t/1", "t/2", "t/3"];
const MINUTE: Duration = Duration::from_secs(60);

struct Bench {
    outbox: Outbox,
    now: Moment,
    receipts: Vec<oneshot::Receiver<Result<(), Error>>>,
}

impl Bench {
    fn new(options: OutboxOptions) -> Self {
        let outbox = Outbox::new(options, Arc::default(), Arc::default(), Arc::default());
        outbox.online(false);
        let now = Moment { instant: Instant::now(), wall: SystemTime::now() };
        Self { outbox, now, receipts: Vec::new() }
    }

    fn put(&mut self, topic: &str, qos: QoS) -> Result<(), Error> {
        self.put_message(Publication::new(topic, qos, "x").unwrap())
    }

    fn put_message(&mut self, publication: Publication) -> Result<(), Error> {
        let (entry, answered) = Entry::new(publication, self.now.wall);
        self.receipts.push(answered);
        self.outbox.try_put(entry)
    }

    fn put_all(&mut self) -> Vec<bool> {
        TOPICS.map(|topic| self.put(topic, QoS::AtLeastOnce).is_ok()).to_vec()
    }

    /// Sends what waits, at most so many of QoS 1.
    fn send(&self, window: usize) -> Vec<(Key, String)> {
        let mut sent = Vec::new();
        self.outbox.send(window, self.now, |key, entry| {
            sent.push((key, entry.topic()));
            Sending::Sent(None)
        });
        sent
    }

    fn topics(&self) -> Vec<String> {
        self.send(usize::MAX).into_iter().map(|(_, topic)| topic).collect()
    }

    /// Whether the session was woken since the last call.
    fn woken(&self) -> bool {
        let woken = pin!(self.outbox.session.notified());
        woken.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Which of the messages were reported as dropped.
    fn dropped(&mut self) -> Vec<usize> {
        let is_dropped = |answer| matches!(answer, Ok(Err(Error::Dropped { .. })));
        let answers = self.receipts.iter_mut().map(|receipt| is_dropped(receipt.try_recv()));
        answers.enumerate().filter_map(|(index, dropped)| dropped.then_some(index)).collect()
    }
}

#[test]
fn each_policy_when_the_outbox_is_full() {
    for (policy, accepted, waiting, dropped) in [
        (WhenFull::Refuse, [true, true, false, false], ["t/0", "t/1"], &[][..]),
        (WhenFull::DropOldest, [true; 4], ["t/2", "t/3"], &[0, 1]),
        (WhenFull::DropNewest, [true; 4], ["t/0", "t/1"], &[2, 3]),
    ] {
        let mut bench = Bench::new(OutboxOptions::new().messages(2).when_full(policy));
        let mut events = bench.outbox.hub.listen();
        assert_eq!(bench.put_all(), accepted, "{policy:?}");
        assert_eq!(bench.topics(), waiting, "{policy:?}");
        assert_eq!(bench.dropped(), dropped, "{policy:?}");
        let told = std::iter::from_fn(|| events.try_next()).count();
        assert_eq!(told, dropped.len(), "{policy:?}");
        assert_eq!(bench.outbox.counters.lock().dropped, dropped.len() as u64);
    }
}

#[test]
fn what_was_sent_is_not_dropped_and_takes_its_room_until_it_is_acknowledged() {
    let mut bench = Bench::new(OutboxOptions::new().messages(2).when_full(WhenFull::DropOldest));
    bench.put_all();
    let sent = bench.send(usize::MAX);
    assert_eq!(sent.len(), 2);
    bench.put("t/4", QoS::AtLeastOnce).unwrap();
    assert_eq!(bench.dropped().last(), Some(&4), "the new one, as nothing else can go");
    // Nor while it waits to be sent again.
    bench.outbox.requeue(sent.iter().map(|(key, _)| (*key, 1)), []);
    bench.put("t/5", QoS::AtLeastOnce).unwrap();
    assert_eq!(bench.dropped().last(), Some(&5));
    bench.outbox.complete([(sent[0].0, Ok(()))]);
    bench.put("t/6", QoS::AtLeastOnce).unwrap();
    assert_eq!(bench.topics(), ["t/3", "t/6"]);
}

#[test]
fn bytes_are_a_bound_too_but_a_single_message_always_goes_in() {
    let mut bench = Bench::new(OutboxOptions::new().bytes(10).when_full(WhenFull::Refuse));
    bench.put("t/0", QoS::AtLeastOnce).unwrap();
    let words = bench.put("t/1", QoS::AtLeastOnce).unwrap_err().to_string();
    assert!(words.contains("'t/1'") && words.contains("the outbox is full, with 1 messages"), "{words}");
}

#[test]
fn a_message_that_is_larger_than_the_outbox_does_not_drop_all_the_others() {
    let mut bench = Bench::new(OutboxOptions::new().bytes(2000).when_full(WhenFull::DropOldest));
    bench.put_all();
    bench.put_message(Publication::new("large", QoS::AtLeastOnce, vec![0; 10_000]).unwrap()).unwrap();
    assert_eq!(bench.dropped(), [4], "the large one alone");
    assert_eq!(bench.topics(), TOPICS);
}

#[test]
fn expired_messages_make_room_for_fresh_ones_and_are_told_as_expired() {
    for policy in [WhenFull::Refuse, WhenFull::DropOldest, WhenFull::DropNewest, WhenFull::Wait] {
        let mut bench = Bench::new(OutboxOptions::new().messages(2).when_full(policy));
        for _ in 0..2 {
            let old = Publication::new("old", QoS::AtLeastOnce, "x").unwrap();
            bench.put_message(old.message_expiry_interval(MINUTE)).unwrap();
        }
        bench.now.wall += MINUTE;
        bench.put("fresh", QoS::AtLeastOnce).unwrap();
        for receipt in &mut bench.receipts[..2] {
            assert!(matches!(receipt.try_recv(), Ok(Err(Error::Expired { sent: false, .. }))), "{policy:?}");
        }
        assert_eq!(bench.topics(), ["fresh"], "{policy:?}");
        assert_eq!(bench.outbox.deadline(bench.now), None);
    }
}

#[test]
fn qos_0_does_not_wait_behind_a_full_window() {
    let mut bench = Bench::new(OutboxOptions::new());
    bench.put("one", QoS::AtLeastOnce).unwrap();
    bench.put("two", QoS::AtLeastOnce).unwrap();
    bench.put("zero", QoS::AtMostOnce).unwrap();
    let topics: Vec<String> = bench.send(1).into_iter().map(|(_, topic)| topic).collect();
    assert_eq!(topics, ["one", "zero"]);
    assert_eq!(bench.topics(), ["two"]);
}

#[test]
fn the_session_is_woken_for_what_it_can_send_now() {
    for (case, window, takes, qos0, qos1) in [
        ("all", 9, true, true, true),
        ("no room in the window", 1, true, true, false),
        ("no room in the connection", 9, false, false, false),
    ] {
        let mut bench = Bench::new(OutboxOptions::new().offline_qos0(OfflineQos0::Queue));
        bench.put("t", QoS::AtLeastOnce).unwrap();
        assert!(!bench.woken(), "{case}: it has not asked for anything yet");
        bench.outbox.send(window, bench.now, |_, _| if takes { Sending::Sent(None) } else { Sending::Stop });
        for (qos, expected) in [(QoS::AtMostOnce, qos0), (QoS::AtLeastOnce, qos1)] {
            bench.put("t", qos).unwrap();
            assert_eq!(bench.woken(), expected, "{case}, {qos:?}");
        }
        bench.outbox.requeue([], []);
        bench.put("t", QoS::AtLeastOnce).unwrap();
        assert!(!bench.woken(), "{case}: without a connection");
    }
}

/// Or it would be told with the next attempt to connect.
#[test]
fn the_session_is_woken_for_a_message_that_expires_first_also_without_a_connection() {
    let mut bench = Bench::new(OutboxOptions::new());
    bench.outbox.requeue([], []);
    for (minutes, woken) in [(2, true), (3, false), (1, true)] {
        let message = Publication::new("t", QoS::AtLeastOnce, "x").unwrap();
        bench.put_message(message.message_expiry_interval(minutes * MINUTE)).unwrap();
        assert_eq!(bench.woken(), woken, "{minutes}");
    }
}

#[test]
fn whoever_waits_for_room_gets_it_and_whoever_stops_waiting_leaves_nothing_behind() {
    let mut bench = Bench::new(OutboxOptions::new().messages(1));
    bench.put("t/0", QoS::AtLeastOnce).unwrap();
    let wall = bench.now.wall;
    let message = |topic| Entry::new(Publication::new(topic, QoS::AtLeastOnce, "x").unwrap(), wall).0;
    let mut context = Context::from_waker(Waker::noop());
    let mut stops = Box::pin(bench.outbox.put(message("stops")));
    let mut waits = Box::pin(bench.outbox.put(message("waits")));
    assert!(stops.as_mut().poll(&mut context).is_pending());
    assert!(waits.as_mut().poll(&mut context).is_pending());
    drop(stops);
    let sent = bench.send(1);
    bench.outbox.complete([(sent[0].0, Ok(()))]);
    assert!(waits.as_mut().poll(&mut context).is_ready());
    assert_eq!(bench.topics(), ["waits"]);
}

#[test]
fn qos_0_while_offline_is_refused_or_queued_as_chosen() {
    for (choice, accepted) in [(OfflineQos0::Refuse, false), (OfflineQos0::Queue, true)] {
        let mut bench = Bench::new(OutboxOptions::new().offline_qos0(choice));
        bench.put("before", QoS::AtMostOnce).unwrap();
        bench.put("kept", QoS::AtLeastOnce).unwrap();
        bench.outbox.requeue([], []);
        assert_eq!(bench.put("during", QoS::AtMostOnce).is_ok(), accepted, "{choice:?}");
        let expected = if accepted { &["before", "kept", "during"][..] } else { &["kept"] };
        assert_eq!(bench.outbox.depth().0, expected.len(), "{choice:?}");
        assert_eq!(bench.topics(), expected, "{choice:?}");
    }
}

#[test]
fn the_end_is_told_to_all_who_wait_and_all_who_come() {
    let mut bench = Bench::new(OutboxOptions::new());
    bench.put("t", QoS::AtLeastOnce).unwrap();
    bench.put("sent", QoS::AtLeastOnce).unwrap();
    bench.send(1);
    bench.outbox.fail_all(&Error::Closed);
    assert!(bench.receipts.iter_mut().all(|receipt| matches!(receipt.try_recv(), Ok(Err(Error::Closed)))));
    assert!(matches!(bench.put("late", QoS::AtLeastOnce), Err(Error::Closed)));
    assert_eq!(bench.outbox.depth(), (0, 0));
}

#[test]
fn an_expiry_interval_counts_from_the_moment_of_acceptance() {
    let now = SystemTime::now();
    let publication = Publication::new("t", QoS::AtLeastOnce, "x").unwrap().message_expiry_interval(MINUTE);
    let (entry, _answered) = Entry::new(publication, now);
    assert_eq!(entry.expires_in(now), Some(MINUTE));
    assert_eq!(entry.expires_in(now + MINUTE / 2), Some(MINUTE / 2));
    assert_eq!(entry.expires_in(now + 2 * MINUTE), Some(Duration::ZERO));
    let (forever, _answered) = Entry::new(Publication::new("t", QoS::AtLeastOnce, "x").unwrap(), now);
    assert_eq!(forever.expires_in(now), None);
}

#[test]
fn a_clock_that_is_set_after_the_start_expires_nothing() {
    let mut bench = Bench::new(OutboxOptions::new());
    let expiring =
        || Publication::new("t", QoS::AtLeastOnce, "x").unwrap().message_expiry_interval(2 * MINUTE);
    bench.now.wall = SystemTime::UNIX_EPOCH + MINUTE;
    bench.put_message(expiring()).unwrap();
    bench.now.wall += MINUTE;
    bench.outbox.expire(bench.now.wall);
    // The time server answers.
    bench.now.wall = SystemTime::UNIX_EPOCH + CLOCK_IS_SET + MINUTE;
    bench.outbox.expire(bench.now.wall);
    assert!(bench.receipts[0].try_recv().is_err(), "it has a minute left");
    bench.now.wall += MINUTE;
    bench.outbox.expire(bench.now.wall);
    assert!(matches!(bench.receipts[0].try_recv(), Ok(Err(Error::Expired { .. }))));
    assert_eq!(bench.outbox.deadline(bench.now), None);
}
