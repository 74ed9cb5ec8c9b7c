//! What the server sends, and where it goes.

use super::*;

#[test]
fn what_is_not_read_holds_back_acknowledgements_and_nothing_else() {
    let mut wire = Wire::new(100);
    let mut slow = wire.subscribed("slow");
    let queue = u16::try_from(QUEUE).unwrap();
    for id in 1..=queue + 2 {
        wire.receive(message("slow", id)).unwrap();
    }
    assert_eq!(puback_ids(&wire.sent()), (1..=queue).collect::<Vec<_>>());
    // Our own messages are still acknowledged meanwhile.
    let mut answer = wire.publish("t", QoS::AtLeastOnce, b"x");
    wire.receive(puback(2)).unwrap();
    assert!(answer.try_recv().unwrap().is_ok());
    wire.sent();

    assert_eq!(slow.queue.try_recv().unwrap().payload, "1");
    wire.session.room_in_queues();
    assert_eq!(puback_ids(&wire.sent()), [queue + 1]);
    drop(slow);
    wire.session.room_in_queues();
    let sent = wire.sent();
    assert_eq!(puback_ids(&sent[..1]), [queue + 2], "nobody is left to wait for");
    assert!(matches!(&sent[1..], [Packet::Unsubscribe(packet)] if packet.filters == ["slow"]), "{sent:?}");
}

#[test]
fn a_server_that_ignores_our_receive_maximum_is_borne_while_there_is_memory() {
    let mut wire = Wire::new(100);
    let mut slow = wire.subscribed("slow");
    for id in 1..=1000 {
        wire.receive(message("slow", id)).unwrap();
    }
    let read = std::iter::from_fn(|| {
        let message = slow.queue.try_recv().ok();
        wire.session.room_in_queues();
        message
    });
    assert_eq!(read.count(), 1000);

    let large = Publish::new("slow", WireQoS::AtLeastOnce, vec![0; 131_072], None);
    let mut results =
        (1..=1000).map(|id| wire.receive(Packet::Publish(Publish { pkid: id, ..large.clone() })));
    let error = results.find_map(Result::err).unwrap();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
}

#[test]
fn qos_0_that_is_not_read_is_dropped_and_does_not_grow() {
    let mut wire = Wire::new(100);
    let mut slow = wire.subscribed("slow");
    for _ in 0..3 * QUEUE {
        wire.receive(message("slow", 0)).unwrap();
    }
    assert_eq!(std::iter::from_fn(|| slow.queue.try_recv().ok()).count(), QUEUE);
    assert_eq!(wire.sent(), []);
}

#[test]
fn messages_go_to_every_subscription_that_matches() {
    let mut wire = Wire::new(100);
    let (mut all, mut plus, mut other) = (wire.subscribed("#"), wire.subscribed("a/+"), wire.subscribed("b"));
    wire.receive(message("a/b", 5)).unwrap();
    assert_eq!(puback_ids(&wire.sent()), [5]);
    assert_eq!(all.queue.try_recv().unwrap().topic.as_str(), "a/b");
    assert_eq!(plus.queue.try_recv().unwrap().payload, "5");
    assert!(other.queue.try_recv().is_err());
}

#[test]
fn a_message_that_comes_before_suback_is_kept() {
    let mut wire = Wire::new(100);
    let mut answer = wire.subscribe("a");
    wire.receive(message("a", 9)).unwrap();
    wire.receive(suback(1, SubscribeReasonCode::Success(WireQoS::AtMostOnce))).unwrap();
    let mut subscription = answer.try_recv().unwrap().unwrap();
    assert_eq!(subscription.qos(), QoS::AtMostOnce, "as the server granted it");
    assert_eq!(subscription.queue.try_recv().unwrap().payload, "9");
}

#[test]
fn a_message_that_nobody_wants_is_acknowledged_all_the_same() {
    let mut wire = Wire::new(100);
    wire.receive(message("left/over", 3)).unwrap();
    assert_eq!(puback_ids(&wire.sent()), [3]);
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
