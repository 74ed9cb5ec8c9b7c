//! What the server sends, and where it goes.

use super::*;

#[test]
fn what_is_not_read_holds_back_its_own_acknowledgements_and_nothing_else() {
    let mut wire = Wire::new(100);
    let mut slow = wire.subscribed("slow");
    let mut other = wire.subscribed("other");
    let mut events = wire.events();
    let capacity = u16::try_from(CAPACITY).unwrap();
    for id in 1..=capacity + 2 {
        wire.receive(message("slow", id)).unwrap();
    }
    assert_eq!(puback_ids(&wire.sent()), (1..=capacity).collect::<Vec<_>>());
    // The other subscription gets its messages, and our own messages are acknowledged.
    wire.receive(message("other", 99)).unwrap();
    assert_eq!(other.messages.try_next().unwrap().payload, "99");
    let mut answer = wire.publish("t", QoS::AtLeastOnce, b"x");
    wire.sent();
    wire.receive(puback(3)).unwrap();
    assert!(answer.try_recv().unwrap().is_ok());
    let told =
        std::iter::from_fn(|| events.try_next()).filter(|e| matches!(e, Event::SubscriptionUnread { .. }));
    assert_eq!(told.count(), 1, "it is told once");

    for _ in 0..=capacity {
        slow.messages.try_next().unwrap();
    }
    wire.session.woken();
    assert_eq!(puback_ids(&wire.sent()), [capacity + 1]);
    drop(slow);
    wire.session.woken();
    let sent = wire.sent();
    assert_eq!(puback_ids(&sent[..2]), [capacity + 2, 99], "nobody is left to wait for");
    assert!(matches!(&sent[2..], [Packet::Unsubscribe(packet)] if packet.filters == ["slow"]), "{sent:?}");
}

#[test]
fn where_the_oldest_may_be_dropped_nothing_is_held_back() {
    let mut wire = Wire::new(100);
    let options = SubscribeOptions::new("t", QoS::AtLeastOnce).unwrap().queue(2, WhenUnread::DropOldest);
    let stream = wire.subscribe_with(options);
    let mut stream = wire.agree(stream);
    for id in 1..=5 {
        wire.receive(message("t", id)).unwrap();
    }
    assert_eq!(puback_ids(&wire.sent()), [1, 2, 3, 4, 5]);
    let read: Vec<_> =
        std::iter::from_fn(|| stream.messages.try_next()).map(|message| message.payload).collect();
    assert_eq!(read, ["4", "5"]);
    assert_eq!(wire.session.shared.counters.lock().received_dropped, 3);
}

#[test]
fn a_server_that_ignores_our_receive_maximum_is_borne_while_there_is_memory() {
    let mut wire = Wire::new(100);
    let mut slow = wire.subscribed("slow");
    for id in 1..=1000 {
        wire.receive(message("slow", id)).unwrap();
    }
    assert_eq!(std::iter::from_fn(|| slow.messages.try_next()).count(), 1000);
    wire.session.woken();

    let large = Publish::new("slow", WireQoS::AtLeastOnce, vec![0; 131_072], None);
    let mut results =
        (1..=1000).map(|id| wire.receive(Packet::Publish(Publish { pkid: id, ..large.clone() })));
    let error = results.find_map(Result::err).unwrap();
    assert!(
        error.report().to_string().contains("more than 16777216 bytes of unacknowledged"),
        "{}",
        error.report()
    );
}

#[test]
fn what_connect_agrees_to_fits_the_memory_for_every_profile() {
    for limits in [Limits::aws_iot_core(), Limits::mqtt5()] {
        let agreed = usize::from(limits.inbound_receive_maximum()) * limits.maximum_packet_size as usize;
        assert!(agreed <= limits.inbound_bytes() && agreed <= 32 << 20, "{agreed}");
    }
    assert_eq!(Limits::aws_iot_core().inbound_receive_maximum(), 100);
}

#[test]
fn qos_0_that_is_not_read_is_dropped_and_does_not_grow() {
    let mut wire = Wire::new(100);
    let mut slow = wire.subscribed("slow");
    for _ in 0..3 * CAPACITY {
        wire.receive(message("slow", 0)).unwrap();
    }
    assert_eq!(std::iter::from_fn(|| slow.messages.try_next()).count(), CAPACITY);
    assert_eq!(wire.sent(), []);
}

#[test]
fn messages_go_to_every_subscription_that_matches() {
    let mut wire = Wire::new(100);
    let (mut all, mut plus, mut other) = (wire.subscribed("#"), wire.subscribed("a/+"), wire.subscribed("b"));
    wire.receive(message("a/b", 5)).unwrap();
    assert_eq!(puback_ids(&wire.sent()), [5]);
    assert_eq!(all.messages.try_next().unwrap().topic.as_str(), "a/b");
    assert_eq!(plus.messages.try_next().unwrap().payload, "5");
    assert!(other.messages.try_next().is_none());
}

#[test]
fn a_message_that_comes_before_suback_is_kept() {
    let mut wire = Wire::new(100);
    let mut stream = wire.subscribe("a");
    wire.sent();
    wire.receive(message("a", 9)).unwrap();
    wire.receive(suback(1, SubscribeReasonCode::Success(WireQoS::AtMostOnce))).unwrap();
    assert_eq!(stream.answered.try_recv().unwrap().unwrap(), QoS::AtMostOnce, "as the server granted it");
    assert_eq!(stream.messages.try_next().unwrap().payload, "9");
}

#[test]
fn a_message_without_a_subscription_is_refused_unless_somebody_reads_such_messages() {
    let mut wire = Wire::new(100);
    wire.receive(message("direct", 3)).unwrap();
    assert_eq!(wire.sent(), [refusal(3, PubAckReason::ImplementationSpecificError)]);
    wire.unrouted.attach();
    wire.receive(message("direct", 4)).unwrap();
    assert_eq!(puback_ids(&wire.sent()), [4]);
    assert_eq!(wire.unrouted.try_next().unwrap().payload, "4");
    assert_eq!(wire.session.shared.counters.lock().unwanted, 2);
}

#[test]
fn what_is_not_utf_8_is_an_error_that_names_it_and_never_delivered() {
    for (case, bytes, expected) in [
        ("topic", &[0x30, 5, 0, 2, b'a', 0xFF, 0][..], "is not UTF-8"),
        ("content type", &[0x30, 8, 0, 1, b'a', 4, 3, 0, 1, 0xFF], "not UTF-8"),
        ("payload format", &[0x30, 6, 0, 1, b'a', 2, 1, 2], "payload format indicator is 2"),
        ("NUL in the topic", &[0x30, 6, 0, 3, b'a', 0, b'b', 0], "cannot be read: its topic has a NUL"),
        ("SUBACK of MQTT 3.1.1", &[0x90, 3, 0, 1, 1], "MQTT 3.1.1"),
    ] {
        let mut wire = Wire::new(100);
        let mut all = wire.subscribed("#");
        let error = wire.session.received(&mut BytesMut::from(bytes), wire.now).unwrap_err();
        let words = error.report().to_string();
        assert!(words.starts_with("the server broke") && words.contains(expected), "{case}: {words}");
        assert!(!words.contains(char::is_control), "fit for a log: {words:?}");
        assert!(all.messages.try_next().is_none(), "{case}");
    }
}

#[test]
fn the_servers_disconnect_is_told_with_its_reason() {
    let mut wire = Wire::new(100);
    let error = wire.session.received(&mut BytesMut::from(&[0xE0, 1, 0x8E][..]), wire.now).unwrap_err();
    let words = error.to_string();
    assert!(words.contains("session taken over") && words.contains("another client"), "{words}");
}

#[test]
fn what_the_server_must_not_send_ends_the_connection_with_an_error() {
    for (case, bytes) in [
        ("garbage", &[0xFF; 8][..]),
        ("a second CONNACK", &[0x20, 3, 0, 0, 0]),
        ("PINGREQ", &[0xC0, 0]),
        ("a QoS 2 message", &[0x34, 7, 0, 1, b't', 0, 1, 0, b'x']),
        ("a topic with a wildcard", &[0x30, 5, 0, 1, b'#', 0, b'x']),
        ("a topic that is empty", &[0x30, 4, 0, 0, 0, b'x']),
        ("a SUBACK without codes", &[0x90, 3, 0, 1, 0]),
    ] {
        let mut wire = Wire::new(100);
        let result = wire.session.received(&mut BytesMut::from(bytes), wire.now);
        assert!(matches!(result, Err(Error::Protocol { .. })), "{case}: {result:?}");
    }
}
