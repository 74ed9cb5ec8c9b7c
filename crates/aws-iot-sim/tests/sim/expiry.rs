//! Times that pass: message expiry, will delay, and a session whose expiry DISCONNECT changes.

use std::time::Duration;

use crate::support::client::{Client, Tls};
use crate::support::packets::{
    PING, PONG, connect_kept, connect_with, connect_with_will, packet, publish, publish_flagged, subscribe,
};
use crate::support::{ALLOW_ALL, device, sim};

/// The message expiry interval, as a property of PUBLISH.
fn expires_in(seconds: u8) -> [u8; 5] {
    [0x02, 0, 0, 0, seconds]
}

#[test]
fn a_message_is_dropped_when_its_expiry_interval_has_passed() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut sender = Client::connected(&sim, &issued, "sender");
    let (mut client, _) = Client::resumed(&sim, &issued, "d");
    client.send(&subscribe(1, &[("a", 1)]));
    client.receive();
    client.leave();
    for (payload, seconds) in [("short", 1), ("long", 200)] {
        sender.send(&publish_flagged(0x32, "a", 1, &expires_in(seconds), payload.as_bytes()));
        sender.receive();
        sender.send(&publish_flagged(0x33, payload, 2, &expires_in(seconds), payload.as_bytes()));
        sender.receive();
    }
    std::thread::sleep(Duration::from_millis(1100));
    let (mut client, _) = Client::resumed(&sim, &issued, "d");
    let message = client.receive();
    assert!(message.ends_with(b"long"), "the other one has expired: {message:02x?}");
    let [0x02, 0, 0, 0, left] = message[8..13] else { panic!("no message expiry interval: {message:02x?}") };
    assert!(left < 200, "what is left of it, not {left}");
    client.send(&subscribe(2, &[("short", 0), ("long", 0)]));
    assert_eq!(client.receive()[0], 0x90);
    assert!(client.receive().ends_with(b"long"), "a retained message expires, too");
    client.send(&PING);
    assert_eq!(client.receive(), PONG);
}

#[test]
fn a_will_waits_for_its_delay_but_not_beyond_the_session() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut watcher = Client::connected(&sim, &issued, "watcher");
    watcher.send(&subscribe(1, &[("wills/#", 0)]));
    watcher.receive();
    // (client id, session expiry, will delay): the second has no session that could wait.
    for (name, expiry, delay) in [("patient", 60, 1), ("without-session", 0, 250)] {
        let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
        let topic = format!("wills/{name}");
        client.send(&connect_with_will(name, expiry, &[0x18, 0, 0, 0, delay], &topic, "gone"));
        assert_eq!(client.receive()[3], 0);
        drop(client);
        let will = watcher.receive();
        assert!(will.windows(topic.len()).any(|bytes| bytes == topic.as_bytes()), "{will:02x?}");
        assert!(!will.contains(&0x18), "the delay is for the broker: {will:02x?}");
    }
}

#[test]
fn a_delayed_will_is_cancelled_by_a_client_that_continues_its_session_and_not_by_a_clean_start() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut watcher = Client::connected(&sim, &issued, "watcher");
    watcher.send(&subscribe(1, &[("wills/#", 0)]));
    watcher.receive();
    for name in ["continued", "anew"] {
        let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
        client.send(&connect_with_will(name, 250, &[0x18, 0, 0, 0, 250], &format!("wills/{name}"), "gone"));
        assert_eq!(client.receive()[3], 0);
        drop(client);
        // A second after the first CONNECT with this client id.
        std::thread::sleep(Duration::from_millis(1100));
        let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
        client.send(&connect_kept(name, name == "anew", 250));
        assert_eq!(client.receive()[3], 0);
    }
    let will = watcher.receive();
    assert!(
        will.windows(10).any(|bytes| bytes == b"wills/anew"),
        "long before its delay is over: {will:02x?}"
    );
}

#[test]
fn disconnect_changes_how_long_the_session_is_kept() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let ends_session = packet(0xe0, &[0, 5, 0x11, 0, 0, 0, 0]);
    let keeps_session = packet(0xe0, &[0, 5, 0x11, 0, 0, 0, 60]);
    let (mut client, _) = Client::resumed(&sim, &issued, "d");
    client.send(&keeps_session);
    client.ended();
    let (mut client, present) = Client::resumed(&sim, &issued, "d");
    assert!(present);
    client.send(&ends_session);
    client.ended();
    assert!(!Client::resumed(&sim, &issued, "d").1, "DISCONNECT ended the session");

    let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
    client.send(&connect_kept("e", true, 0));
    client.receive();
    client.send(&keeps_session);
    assert_eq!(client.disconnected(), 0x82, "a session that CONNECT did not want");
}

#[test]
fn a_message_keeps_its_properties() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
    client.send(&connect_with("d", 60, &[], None));
    client.receive();
    client.send(&subscribe(1, &[("t", 0)]));
    client.receive();
    // Payload format, content type, response topic, correlation data, a user property twice.
    let properties: &[&[u8]] = &[
        &[0x01, 1],
        b"\x03\0\x01c",
        b"\x08\0\x01r",
        b"\x09\0\x02\xff\0",
        b"\x26\0\x01k\0\x01v",
        b"\x26\0\x01k\0\x01w",
    ];
    client.send(&publish_flagged(0x30, "t", 0, &properties.concat(), b"x"));
    let message = client.receive();
    for property in properties {
        assert!(message.windows(property.len()).any(|bytes| bytes == *property), "{property:02x?}");
    }
    assert_eq!(usize::from(message[5]), properties.concat().len(), "and no other");
    client.send(&publish("t", 0, b"plain"));
    assert_eq!(client.receive()[5], 0, "properties belong to one message");
}
