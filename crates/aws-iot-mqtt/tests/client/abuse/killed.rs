//! SIGKILL at random moments.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use aws_iot_mqtt::durable;
use test_peers::{Mosquitto, Pki, TlsVersion};

use super::mounted::Mounted;
use super::process::{Place, payload};
use super::{Random, figure, scale};
use crate::support::PATIENCE;
use crate::support::cutter::{Cutter, Trouble};

/// The numbers of a round do not meet those of another.
const ROUND: u64 = 1_000_000;

#[test]
fn a_process_that_is_killed_on_ext4_loses_nothing_that_was_confirmed() {
    killed_on("ext4");
}

#[test]
fn a_process_that_is_killed_on_btrfs_loses_nothing_that_was_confirmed() {
    killed_on("btrfs");
}

fn killed_on(kind: &str) {
    let Some(disk) = Mounted::new(kind, 160 * 1024 * 1024) else { return };
    let store = disk.path().join("outbox");
    let place = Place::offline(&store, disk.beside());
    let random = Random::new(7);
    let (mut stored, mut all) = (Vec::new(), 0);
    // Milliseconds that a process is left longer: where the machine is busy, it takes that long to start.
    let mut longer = 0;
    let rounds = scale(250, 5000);
    for round in 0..rounds {
        let delay = Duration::from_millis(random.below(2) * 3);
        let publisher = place.start(round * ROUND, ROUND, delay);
        let before = stored.len();
        stored.extend(publisher.kill_after(Duration::from_millis(10 + random.below(60) + longer)));
        longer = if stored.len() == before { longer + 10 } else { longer.saturating_sub(1) };
        if round % 20 == 19 || round + 1 == rounds {
            let messages: Vec<_> = durable::messages(&store).unwrap().collect();
            let mut there = HashSet::new();
            let mut last = None;
            for message in &messages {
                let number: u64 = message.topic.as_str().strip_prefix("abuse/").unwrap().parse().unwrap();
                assert_eq!(message.payload, payload(number), "altered");
                assert!(last < Some(number), "{number} after {last:?}");
                last = Some(number);
                there.insert(number);
            }
            let lost: Vec<_> = stored.iter().filter(|number| !there.contains(number)).collect();
            assert!(lost.is_empty(), "{kind}, round {round}: confirmed and lost: {lost:?}");
            assert_eq!(durable::status(&store).unwrap().damaged, 0, "{kind}, round {round}");
            all += stored.len();
            stored.clear();
            durable::clear(&store, false).unwrap();
        }
    }
    assert!(all as u64 > rounds, "{all} messages in {rounds} rounds");
    figure(&format!("{kind}: killed {rounds} times, {all} messages confirmed, 0 lost"));
}

#[test]
fn client_and_broker_killed_at_random_lose_nothing_that_was_confirmed() {
    let pki = Pki::new();
    let Some(mut broker) = Mosquitto::start(&pki.ca_pem(), TlsVersion::Any) else { return };
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("outbox");
    let place = Place::new(&store, directory.path(), &pki.client("device"), &broker);
    let random = Random::new(11);
    let mut stored: Vec<u64> = Vec::new();
    let until = Instant::now() + scale(Duration::from_secs(8), Duration::from_secs(180));
    let (mut rounds, mut brokers) = (0, 0);
    // On a busy machine, a process may be killed before it has stored anything.
    while Instant::now() < until || (rounds < 5 || stored.len() <= 20) && rounds < 100 {
        rounds += 1;
        let publisher = place.start(rounds * ROUND, 400, Duration::from_millis(random.below(2) * 5));
        if random.below(3) == 0 {
            std::thread::sleep(Duration::from_millis(random.below(300)));
            broker.kill();
            std::thread::sleep(Duration::from_millis(random.below(100)));
            broker.start_again();
            brokers += 1;
        }
        stored.extend(publisher.kill_after(Duration::from_millis(30 + random.below(700))));
    }
    // Now in peace.
    stored.extend(place.start((rounds + 1) * ROUND, 1, Duration::ZERO).wait());
    wait_for(&broker, (rounds + 1) * ROUND);
    // What the broker had is in its log; what it had acknowledged and not delivered when it was killed is its own loss.
    let log = broker.log();
    let (mut received, mut seen, mut duplicates) = (Vec::new(), HashSet::new(), 0);
    for line in log.lines().filter(|line| line.contains("Received PUBLISH from device")) {
        let number = line.split("'abuse/").nth(1).and_then(|rest| rest.split('\'').next());
        let number: u64 = number.unwrap().parse().unwrap();
        if seen.insert(number) { received.push(number) } else { duplicates += 1 }
    }
    let lost: Vec<_> = stored.iter().filter(|number| !seen.contains(number)).collect();
    assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
    assert!(received.is_sorted(), "not in order");
    assert!(stored.len() > 20 && rounds > 3, "{} messages in {rounds} rounds", stored.len());
    figure(&format!(
        "client killed {rounds} times, broker {brokers} times: {} messages confirmed, 0 lost, in order, {duplicates} \
         duplicates",
        stored.len()
    ));
}

/// As MQTT 5, section 4.4 wants it from a client whose session the server has kept.
#[test]
fn a_message_that_was_sent_before_the_kill_is_sent_again_under_its_packet_id() {
    const MESSAGES: u64 = 60;
    let pki = Pki::new();
    let Some(broker) = Mosquitto::start(&pki.ca_pem(), TlsVersion::Any) else { return };
    let directory = tempfile::tempdir().unwrap();
    // After the handshake and some messages, no acknowledgement comes through.
    let cutter = Cutter::start(broker.port(), [Trouble::HalfOpen { after: 8000 }]);
    let device = pki.client("device");
    let store = directory.path().join("outbox");
    let place = Place::new(&store, directory.path(), &device, &broker).through(cutter.port);
    let publisher = place.start(0, MESSAGES, Duration::ZERO);
    wait_for(&broker, MESSAGES - 1);
    // A packet id is written together with the next message, or within 10 s.
    publisher.kill_after(Duration::from_secs(15));
    place.start(MESSAGES, 1, Duration::ZERO).wait();
    wait_for(&broker, MESSAGES);
    let log = broker.log();
    assert!(log.contains("Sending CONNACK to device (1, 0)"), "the server has kept the session");
    let (mut first, mut under_its_id, mut as_new) = (HashMap::new(), Vec::new(), Vec::new());
    for line in log.lines().filter_map(|line| line.split_once("Received PUBLISH from device (d")) {
        // `0, q1, r0, m7, 'abuse/6', … (20 bytes))`
        let words: Vec<&str> = line.1.split(", ").collect();
        let [duplicate, _, _, id, topic, ..] = words[..] else { panic!("{line:?}") };
        let number: u64 = topic.trim_matches('\'').strip_prefix("abuse/").unwrap().parse().unwrap();
        match first.get(&number) {
            None => drop(first.insert(number, id)),
            Some(before) if duplicate == "1" => {
                assert_eq!(*before, id, "{number}");
                under_its_id.push(number);
            }
            Some(_) => as_new.push(number),
        }
    }
    assert!(under_its_id.len() > 10 && as_new.is_empty(), "{under_its_id:?}, as new: {as_new:?}");
    figure(&format!("{} messages again under their packet ids", under_its_id.len()));
}

/// Until the broker has that number.
fn wait_for(broker: &Mosquitto, number: u64) {
    let (topic, begun) = (format!("'abuse/{number}'"), Instant::now());
    while !broker.log().contains(&topic) {
        assert!(begun.elapsed() < PATIENCE, "message {number} does not arrive");
        std::thread::sleep(Duration::from_millis(20));
    }
}
