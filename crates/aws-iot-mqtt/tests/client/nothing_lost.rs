//! Messages under way while the broker dies, and while the network does what networks do. None is lost.

use std::collections::HashSet;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use aws_iot_mqtt::DisconnectReason::Normal;
use aws_iot_mqtt::{Client, Error, Event, Limits, OfflineQos0, OutboxOptions, Publication, QoS, Receipt};

use crate::support::bench::Bench;
use crate::support::cutter::{Cutter, Trouble};
use crate::support::{PATIENCE, block_on};

const MESSAGES: usize = 1000;

/// A subscriber that no trouble reaches: sends each number that arrives.
fn witness(bench: &Bench, filter: &'static str) -> mpsc::Receiver<usize> {
    let (seen, sees) = mpsc::channel();
    let (ready, waits) = mpsc::channel();
    let builder = bench.client("witness");
    thread::spawn(move || {
        block_on(async {
            let client = builder.connect().await.unwrap();
            let mut subscription = client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
            ready.send(()).unwrap();
            while let Some(message) = subscription.next().await {
                let number = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
                if seen.send(number).is_err() {
                    return;
                }
            }
        });
    });
    waits.recv_timeout(PATIENCE).unwrap();
    sees
}

fn numbered(topic: &str, number: usize) -> Publication {
    Publication::new(topic, QoS::AtLeastOnce, number.to_string()).unwrap()
}

fn publish_all(client: &Client, topic: impl Fn(usize) -> String) -> Vec<Receipt> {
    (0..MESSAGES).map(|n| client.try_publish(numbered(&topic(n), n)).unwrap()).collect()
}

/// Waits until each of the numbers was there at least once.
fn wait_for_all(sees: &mpsc::Receiver<usize>) {
    let mut missing: HashSet<usize> = (0..MESSAGES).collect();
    while !missing.is_empty() {
        missing.remove(&sees.recv_timeout(PATIENCE).expect("the witness lives"));
    }
}

#[test]
fn a_broker_that_is_killed_and_restarted_in_mid_stream() {
    let Some(mut bench) = Bench::new() else { return };
    block_on(async {
        // So that the broker does not swallow all of it before it can be killed.
        let mut limits = Limits::aws_iot_core();
        (limits.publishes_per_second, limits.bytes_per_second) = (Some(500), None);
        limits.connect_interval = Duration::ZERO;
        let builder = bench.lasting("device").limits(limits);
        let client = builder.connect().await.unwrap();
        let mut in_mid_stream = 0;
        for (number, receipt) in publish_all(&client, |n| format!("stream/{n}")).into_iter().enumerate() {
            if number % 300 == 150 {
                in_mid_stream += usize::from(client.statistics().outbox_messages > 0);
                bench.broker.kill();
                bench.broker.start_again();
            }
            receipt.await.unwrap();
        }
        assert!(in_mid_stream > 0);
        let statistics = client.statistics();
        assert_eq!(statistics.acknowledged, MESSAGES as u64);
        assert_eq!((statistics.outbox_messages, statistics.outbox_bytes, statistics.in_flight), (0, 0, 0));
        assert!(statistics.reconnects >= 1, "{statistics:?}");
        client.disconnect(Normal).await.unwrap();
    });
    // What a broker has acknowledged and not delivered when it is killed is its own loss; its log tells what it had. The log
    // may lag behind, and may end without a DISCONNECT: after the last kill, nothing may have been left to connect for.
    let missing = || {
        let log = bench.broker.log();
        (0..MESSAGES).filter(|n| !log.contains(&format!("'stream/{n}'"))).collect::<Vec<_>>()
    };
    let begun = Instant::now();
    while !missing().is_empty() && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(missing(), [0; 0]);
}

/// Random points, the same in each run.
fn points(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let mut state = 7_u32;
    (0..count).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // A handshake takes some 4000 bytes: some of the cuts fall into it.
        500 + (state >> 8) as usize % most
    })
}

fn through(trouble: impl Iterator<Item = Trouble>, keep_alive: u64) {
    let Some(bench) = Bench::new() else { return };
    let sees = witness(&bench, "cut");
    let cutter = Cutter::start(bench.broker.port(), trouble);
    let client = {
        let mut limits = Limits::aws_iot_core();
        limits.connect_interval = Duration::ZERO;
        limits.keep_alive_seconds = 1..=60;
        let builder = bench.lasting_through(cutter.port, "device").limits(limits).pacing(false);
        let builder = builder.keep_alive(Duration::from_secs(keep_alive));
        builder.connect_timeout(Duration::from_secs(if keep_alive < 60 { 2 } else { 30 })).start().unwrap()
    };
    // Over and over, until the last trouble has had its connection.
    let mut rounds = 0;
    while !cutter.is_through() || rounds == 0 {
        let receipts = publish_all(&client, |_| "cut".to_owned());
        block_on(async {
            for receipt in receipts {
                receipt.await.unwrap();
            }
        });
        wait_for_all(&sees);
        rounds += 1;
    }
    block_on(client.disconnect(Normal)).unwrap();
    assert_eq!(client.statistics().acknowledged, (rounds * MESSAGES) as u64);
    assert_eq!(client.statistics().dropped, 0);
}

#[test]
fn connections_that_are_reset_at_random_points() {
    through(points(25, 30_000).map(|after| Trouble::Reset { after }), 60);
}

#[test]
fn connections_that_are_closed_at_random_points() {
    through(points(25, 30_000).map(|after| Trouble::Close { after }), 60);
}

#[test]
fn connections_that_no_longer_bring_an_answer() {
    through(points(2, 20_000).map(|after| Trouble::HalfOpen { after }), 1);
}

#[test]
fn connections_that_swallow_everything() {
    through(points(2, 20_000).map(|after| Trouble::BlackHole { after }), 1);
}

#[test]
fn a_connection_that_trickles() {
    through([Trouble::Slow { piece: 7 }].into_iter(), 60);
}

#[test]
fn a_server_that_falls_silent_is_told_as_that() {
    let Some(bench) = Bench::new() else { return };
    let cutter = Cutter::start(bench.broker.port(), [Trouble::BlackHole { after: 6000 }]);
    let mut limits = Limits::aws_iot_core();
    limits.keep_alive_seconds = 1..=60;
    let builder =
        bench.lasting_through(cutter.port, "device").limits(limits).keep_alive(Duration::from_secs(1));
    block_on(async {
        let client = builder.connect().await.unwrap();
        let mut events = client.events();
        let receipt =
            client.try_publish(Publication::new("t", QoS::AtLeastOnce, vec![0; 8000]).unwrap()).unwrap();
        receipt.await.unwrap();
        assert!(matches!(events.next().await, Some(Event::Connected { .. })));
        match events.next().await {
            Some(Event::Disconnected { error: Error::KeepAlive { .. }, retry_in: Some(_) }) => {}
            other => panic!("{other:?}"),
        }
        client.disconnect(Normal).await.unwrap();
    });
}

#[test]
fn a_message_whose_call_was_given_up_stays_accepted() {
    use std::pin::pin;
    use std::task::{Context, Waker};
    let Some(bench) = Bench::new() else { return };
    let sees = witness(&bench, "given/up");
    // Nothing can be sent yet: the client has no connection.
    let cutter = Cutter::start(bench.broker.port(), [Trouble::Close { after: 0 }]);
    let client = bench.lasting_through(cutter.port, "device").start().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut publishing = pin!(client.publish("given/up", QoS::AtLeastOnce, "7"));
        let _ = publishing.as_mut().poll(&mut context);
    }
    assert_eq!(sees.recv_timeout(PATIENCE).unwrap(), 7);
    // The same where all clients are dropped at once: what was accepted is sent first.
    drop(client.try_publish(numbered("given/up", 8)).unwrap());
    drop(client);
    assert_eq!(sees.recv_timeout(PATIENCE).unwrap(), 8);
}

#[test]
fn disconnect_without_a_connection_ends_within_its_bound_and_says_what_was_left() {
    let Some(mut bench) = Bench::new() else { return };
    block_on(async {
        let client = bench
            .lasting("device")
            .outbox(OutboxOptions::new().offline_qos0(OfflineQos0::Queue))
            .drain_timeout(Duration::from_millis(1))
            .connect()
            .await
            .unwrap();
        let mut events = client.events();
        bench.broker.kill();
        while !matches!(events.next().await, Some(Event::Disconnected { .. })) {}
        let kept = client.try_publish(numbered("t", 1)).unwrap();
        let kept_too = client.try_publish(Publication::new("t", QoS::AtMostOnce, "x").unwrap()).unwrap();
        let error = client.disconnect(Normal).await.unwrap_err();
        assert!(matches!(error, Error::NotDrained { messages: 2, .. }), "{error:?}");
        assert!(matches!(kept.await, Err(Error::NotDrained { .. })));
        assert!(matches!(kept_too.await, Err(Error::NotDrained { .. })));
        let late = client.publish("t", QoS::AtLeastOnce, "x").await.unwrap_err();
        assert!(matches!(late, Error::NotDrained { .. }), "{late:?}");
        // Whoever has listened is told in the end, and so is whoever listens only now.
        for mut events in [events, client.events()] {
            let mut last = None;
            while let Some(event) = events.next().await {
                last = Some(event);
            }
            assert!(matches!(last, Some(Event::Closed { undelivered: 2 })), "{last:?}");
        }
    });
}
