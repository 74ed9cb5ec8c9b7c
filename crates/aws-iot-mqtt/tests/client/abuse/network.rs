//! A network that does all that networks do, and a durable outbox.

use std::collections::HashSet;
use std::sync::mpsc;
use std::time::Duration;

use aws_iot_mqtt::durable::DurableOptions;
use aws_iot_mqtt::{DisconnectReason, Error, Limits, Publication, QoS};

use super::{Random, figure, scale};
use crate::support::bench::Bench;
use crate::support::cutter::{Cutter, Trouble};
use crate::support::{PATIENCE, block_on};

#[test]
fn no_message_is_lost_whatever_the_network_does() {
    let Some(bench) = Bench::new() else { return };
    let messages = scale(3_000, 50_000);
    let random = Random::new(3);
    let trouble = (0..scale(25, 400)).map(|number| {
        let after = usize::try_from(500 + random.below(40_000)).unwrap();
        match number % 12 {
            0..=4 => Trouble::Reset { after },
            5..=8 => Trouble::Close { after },
            9 => Trouble::Close { after: 0 },
            10 => Trouble::HalfOpen { after },
            _ => Trouble::BlackHole { after },
        }
    });
    let plan: Vec<_> = trouble.chain([Trouble::Slow { piece: 1 }]).collect();
    let troubles = plan.len();
    let cutter = Cutter::start(bench.broker.port(), plan);
    let (arrives, arrived) = mpsc::channel();
    let witness = block_on(bench.connect("witness"));
    let mut subscription = block_on(witness.subscribe("abuse/network", QoS::AtLeastOnce)).unwrap();
    std::thread::spawn(move || {
        while let Some(message) = block_on(subscription.next()) {
            let number: u64 = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
            if arrives.send(number).is_err() {
                return;
            }
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let mut limits = Limits::aws_iot_core();
    limits.connect_interval = Duration::ZERO;
    limits.keep_alive_seconds = 1..=60;
    let client = bench
        .lasting_through(cutter.port, "device")
        .limits(limits)
        .pacing(false)
        .keep_alive(Duration::from_secs(1))
        .connect_timeout(Duration::from_secs(2))
        .durable(DurableOptions::new(directory.path().join("outbox")))
        .start()
        .unwrap();
    // Fast enough to be cut often, slow enough to see all of the plan.
    let (mut sent, mut missing) = (0, HashSet::new());
    let mut duplicates = 0;
    let mut order = Vec::new();
    while sent < messages || !missing.is_empty() {
        while sent < messages && missing.len() < 500 {
            let message = Publication::new("abuse/network", QoS::AtLeastOnce, sent.to_string()).unwrap();
            match client.try_publish(message) {
                Ok(receipt) => drop(receipt),
                Err(Error::OutboxFull { .. }) => break,
                Err(error) => panic!("{error}"),
            }
            missing.insert(sent);
            sent += 1;
        }
        let number = arrived.recv_timeout(PATIENCE).expect("a message is lost");
        if missing.remove(&number) { order.push(number) } else { duplicates += 1 }
    }
    assert!(order.is_sorted(), "not in order");
    block_on(client.disconnect(DisconnectReason::Normal)).unwrap();
    let statistics = client.statistics();
    assert_eq!((statistics.dropped, statistics.refused, statistics.outbox_messages), (0, 0, 0));
    assert!(statistics.reconnects > 3, "{statistics:?}");
    figure(&format!(
        "network: {messages} messages, {} reconnects with {troubles} kinds of trouble planned, 0 lost, in order, {duplicates} \
         duplicates",
        statistics.reconnects
    ));
}
