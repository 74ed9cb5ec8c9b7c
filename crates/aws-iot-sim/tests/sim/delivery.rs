//! Who gets which message, seen by a client that writes its packets byte by byte.

use crate::support::client::{Client, Tls};
use crate::support::packets::{PING, PONG, connect_with, packet, publish, publish_flagged, subscribe};
use crate::support::{ALLOW_ALL, device, sim};

#[test]
fn messages_come_back_at_the_lower_qos() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut client = Client::connected(&sim, &issued, "d");
    client.send(&subscribe(1, &[("a/zero", 0), ("a/one", 1)]));
    assert_eq!(client.receive(), [0x90, 5, 0, 1, 0, 0, 1]);
    client.send(&publish("a/zero", 7, b"x"));
    let mut received = [client.receive(), client.receive()];
    received.sort();
    assert_eq!(received[0][0], 0x30, "QoS 0 for the subscription at QoS 0");
    assert_eq!(received[1], [0x40, 2, 0, 7]);
    client.send(&publish("a/one", 8, b"y"));
    let mut received = [client.receive(), client.receive()];
    received.sort();
    assert_eq!(received[0][0], 0x32, "QoS 1 for the subscription at QoS 1");
    assert_eq!(received[1], [0x40, 2, 0, 8]);
}

#[test]
fn retained_messages_go_to_subscriptions_of_exactly_their_topic() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut client = Client::connected(&sim, &issued, "d");
    client.send(&publish_flagged(0x31, "config/d", 0, &[], b"kept"));
    client.send(&subscribe(1, &[("config/+", 0)]));
    assert_eq!(client.receive()[0], 0x90);
    client.send(&subscribe(2, &[("config/d", 0)]));
    assert_eq!(client.receive()[0], 0x90);
    let retained = client.receive();
    assert_eq!(retained[0], 0x31, "one copy, with the retain flag: the wildcard brought none");
    assert!(retained.ends_with(b"kept"));
    // An empty one clears it, and goes to subscribers as a message.
    client.send(&publish_flagged(0x31, "config/d", 0, &[], b""));
    assert_eq!(client.receive()[0], 0x30);
    client.send(&subscribe(3, &[("config/d", 0)]));
    assert_eq!(client.receive()[0], 0x90);
    client.send(&PING);
    assert_eq!(client.receive(), PONG, "and no retained message before it");
}

#[test]
fn will_messages_are_for_connections_that_break() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut watcher = Client::connected(&sim, &issued, "watcher");
    watcher.send(&subscribe(1, &[("wills/#", 0)]));
    watcher.receive();
    let connect_with_will = |name: &str| {
        let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
        client.send(&connect_with(name, 60, &[], Some((&format!("wills/{name}"), "gone"))));
        assert_eq!(client.receive()[3], 0);
        client
    };
    let mut polite = connect_with_will("polite");
    polite.send(&[0xe0, 0]);
    polite.ended();
    drop(connect_with_will("lost"));
    let will = watcher.receive();
    assert!(will.windows(10).any(|bytes| bytes == b"wills/lost"), "{will:02x?}");
    let mut told = connect_with_will("told");
    told.send(&[0xe0, 1, 4]);
    let will = watcher.receive();
    assert!(will.windows(10).any(|bytes| bytes == b"wills/told"), "{will:02x?}");
}

#[test]
fn topic_aliases_stand_for_topics() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut client = Client::connected(&sim, &issued, "d");
    client.send(&subscribe(1, &[("long/topic", 0)]));
    client.receive();
    client.send(&publish_flagged(0x30, "long/topic", 0, &[0x23, 0, 8], b"one"));
    client.send(&publish_flagged(0x30, "", 0, &[0x23, 0, 8], b"two"));
    assert!(client.receive().ends_with(b"one"));
    let second = client.receive();
    assert!(second.ends_with(b"two"));
    assert!(
        second.windows(10).any(|bytes| bytes == b"long/topic"),
        "the alias is between two, not for others"
    );
}

#[test]
fn shared_subscriptions_take_turns() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut workers = ["one", "two"].map(|name| {
        let mut worker = Client::connected(&sim, &issued, name);
        worker.send(&subscribe(1, &[("$share/work/jobs/+", 0)]));
        assert_eq!(worker.receive()[5], 0);
        worker
    });
    let mut sender = Client::connected(&sim, &issued, "sender");
    for number in 0..4 {
        sender.send(&publish(&format!("jobs/{number}"), 0, b"job"));
    }
    for worker in &mut workers {
        for _ in 0..2 {
            assert_eq!(worker.receive()[0], 0x30);
        }
    }
}

#[test]
fn the_window_waits_for_acknowledgements() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
    client.send(&connect_with("d", 60, &[0x21, 0, 2], None));
    client.receive();
    client.send(&subscribe(1, &[("t", 1)]));
    client.receive();
    let mut sender = Client::connected(&sim, &issued, "sender");
    for id in 1..=3 {
        sender.send(&publish("t", id, b"x"));
        assert_eq!(sender.receive()[0], 0x40);
    }
    let (first, second) = (client.receive(), client.receive());
    assert_eq!((first[0], second[0]), (0x32, 0x32));
    client.send(&PING);
    assert_eq!(client.receive(), PONG, "the third message waits");
    client.send(&packet(0x40, &first[5..7]));
    assert_eq!(client.receive()[0], 0x32, "and comes with the acknowledgement");
}

#[test]
fn a_subscriber_that_takes_nothing_does_not_stop_the_others() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut dead = Client::open(&sim, &Tls::of(&issued)).unwrap();
    dead.send(&connect_with("dead", 60, &[0x21, 0, 1], None));
    dead.receive();
    let mut alive = Client::connected(&sim, &issued, "alive");
    for client in [&mut dead, &mut alive] {
        client.send(&subscribe(1, &[("t", 1)]));
        client.receive();
    }
    let mut sender = Client::connected(&sim, &issued, "sender");
    // One is in flight to the dead one, 1000 wait, and one is too many.
    for number in 0..1100_u16 {
        sender.send(&publish("t", number + 1, b"x"));
        assert_eq!(sender.receive()[0], 0x40);
        let message = alive.receive();
        assert_eq!(message[0], 0x32);
        alive.send(&packet(0x40, &message[5..7]));
    }
    assert_eq!(dead.receive()[0], 0x32);
    assert_eq!(dead.disconnected(), 0x97, "quota exceeded");
    assert_eq!(sim.connections(), ["alive", "sender"]);
}

#[test]
fn a_client_that_floods_itself_gets_its_messages() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut client = Client::connected(&sim, &issued, "d");
    client.send(&subscribe(1, &[("t", 0)]));
    client.receive();
    let flood: Vec<u8> = std::iter::repeat_n(publish("t", 0, b"x"), 3000).flatten().collect();
    client.send(&flood);
    for number in 0..3000 {
        assert_eq!(client.receive()[0], 0x30, "message {number}");
    }
}

#[test]
fn a_message_that_is_larger_than_the_clients_maximum_packet_is_dropped() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
    // 1 byte, a length of 1, "t" with its length, 2 bytes of packet id, no properties: 8 bytes and the payload.
    client.send(&connect_with("d", 60, &[0x27, 0, 0, 0, 20], None));
    client.receive();
    client.send(&subscribe(1, &[("t", 1)]));
    client.receive();
    for length in [13, 12] {
        sim.publish("t", "x".repeat(length)).unwrap();
    }
    let message = client.receive();
    assert_eq!(message.len(), 20, "the larger one is dropped: {message:02x?}");
    client.send(&PING);
    assert_eq!(client.receive(), PONG);
}
