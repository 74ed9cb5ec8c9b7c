//! What is accepted, what is dropped, and who is told.

use std::time::Duration;

use tokio::sync::oneshot;

use super::*;
use crate::Publication;

const TOPICS: [&str; 4] = ["t/0", "t/1", "t/2", "t/3"];

struct Bench {
    queue: Queue,
    receipts: Vec<oneshot::Receiver<Result<(), Error>>>,
}

impl Bench {
    fn new(settings: Outbox) -> Self {
        let queue = Queue::new(settings, Arc::default(), Arc::default());
        queue.set_online(true);
        Self { queue, receipts: Vec::new() }
    }

    fn put(&mut self, topic: &str, qos: QoS) -> Result<(), Error> {
        let (entry, answered) = Entry::new(Publication::new(topic, qos, "x").unwrap());
        self.receipts.push(answered);
        self.queue.try_put(entry)
    }

    fn put_all(&mut self) -> Vec<bool> {
        TOPICS.map(|topic| self.put(topic, QoS::AtLeastOnce).is_ok()).to_vec()
    }

    fn waiting(&self) -> Vec<String> {
        let mut taken = VecDeque::new();
        self.queue.take(usize::MAX, &mut taken);
        taken.iter().map(Entry::topic).collect()
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
        let mut bench = Bench::new(Outbox::new().messages(2).when_full(policy));
        let mut events = bench.queue.hub.listen();
        assert_eq!(bench.put_all(), accepted, "{policy:?}");
        assert_eq!(bench.waiting(), waiting, "{policy:?}");
        assert_eq!(bench.dropped(), dropped, "{policy:?}");
        let told = std::iter::from_fn(|| events.try_next()).count();
        assert_eq!(told, dropped.len(), "{policy:?}");
        assert_eq!(bench.queue.counters.dropped.get(), dropped.len() as u64);
    }
}

#[test]
fn what_is_under_way_is_not_dropped_and_takes_its_room_until_it_is_acknowledged() {
    let mut bench = Bench::new(Outbox::new().messages(2).when_full(WhenFull::DropOldest));
    bench.put_all();
    let bytes = bench.queue.depth().1;
    assert_eq!(bench.waiting(), ["t/2", "t/3"], "and they are under way now");
    bench.put("t/4", QoS::AtLeastOnce).unwrap();
    assert_eq!(bench.dropped().last(), Some(&4), "the new one, as nothing else can go");
    bench.queue.left(1, bytes / 2);
    bench.put("t/5", QoS::AtLeastOnce).unwrap();
    assert_eq!(bench.waiting(), ["t/5"]);
}

#[test]
fn bytes_are_a_bound_too_but_a_single_message_always_goes_in() {
    let mut bench = Bench::new(Outbox::new().bytes(10).when_full(WhenFull::Refuse));
    bench.put("t/0", QoS::AtLeastOnce).unwrap();
    let words = bench.put("t/1", QoS::AtLeastOnce).unwrap_err().to_string();
    assert!(words.contains("'t/1'") && words.contains("the outbox is full, with 1 messages"), "{words}");
}

#[test]
fn whoever_waits_for_room_gets_it_and_whoever_stops_waiting_leaves_nothing_behind() {
    use std::task::{Context, Waker};
    let mut bench = Bench::new(Outbox::new().messages(1));
    bench.put("t/0", QoS::AtLeastOnce).unwrap();
    let message = |topic| Entry::new(Publication::new(topic, QoS::AtLeastOnce, "x").unwrap()).0;
    let mut context = Context::from_waker(Waker::noop());
    let mut stops = Box::pin(bench.queue.put(message("stops")));
    let mut waits = Box::pin(bench.queue.put(message("waits")));
    assert!(stops.as_mut().poll(&mut context).is_pending());
    assert!(waits.as_mut().poll(&mut context).is_pending());
    drop(stops);
    assert_eq!(bench.waiting(), ["t/0"]);
    bench.queue.left(1, bench.queue.depth().1);
    assert!(waits.as_mut().poll(&mut context).is_ready());
    assert_eq!(bench.waiting(), ["waits"]);
}

#[test]
fn qos_0_while_offline_is_refused_or_queued_as_chosen() {
    for (choice, accepted) in [(OfflineQos0::Refuse, false), (OfflineQos0::Queue, true)] {
        let mut bench = Bench::new(Outbox::new().offline_qos0(choice));
        bench.put("before", QoS::AtMostOnce).unwrap();
        bench.put("kept", QoS::AtLeastOnce).unwrap();
        bench.queue.set_online(false);
        assert_eq!(bench.put("during", QoS::AtMostOnce).is_ok(), accepted, "{choice:?}");
        let expected = if accepted { &["before", "kept", "during"][..] } else { &["kept"] };
        assert_eq!(bench.waiting(), expected, "{choice:?}");
        assert_eq!(bench.queue.depth().0, expected.len(), "{choice:?}");
    }
}

#[test]
fn the_end_is_told_to_all_who_wait_and_all_who_come() {
    let mut bench = Bench::new(Outbox::new());
    bench.put("t", QoS::AtLeastOnce).unwrap();
    bench.queue.end(&Error::Closed);
    assert!(matches!(bench.receipts[0].try_recv(), Ok(Err(Error::Closed))));
    assert!(matches!(bench.put("late", QoS::AtLeastOnce), Err(Error::Closed)));
}

#[test]
fn an_expiry_counts_from_the_moment_of_acceptance() {
    let minute = Duration::from_secs(60);
    let publication = Publication::new("t", QoS::AtLeastOnce, "x").unwrap().expiry(minute);
    let (entry, _answered) = Entry::new(publication);
    let accepted = entry.accepted.unwrap();
    assert_eq!(entry.expiry_left(accepted), Some(Some(minute)));
    assert_eq!(entry.expiry_left(accepted + minute / 2), Some(Some(minute / 2)));
    assert_eq!(entry.expiry_left(accepted + minute), None);
    let (forever, _answered) = Entry::new(Publication::new("t", QoS::AtLeastOnce, "x").unwrap());
    assert_eq!(forever.expiry_left(accepted), Some(None));
}
