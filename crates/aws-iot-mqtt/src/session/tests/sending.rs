//! What the application asks for, and how it is answered.

use super::*;

#[test]
fn the_window_is_the_servers_and_opens_with_each_acknowledgement() {
    let mut wire = Wire::new(3);
    assert_eq!(wire.session.room(), 3);
    let answers: Vec<_> = (0..3).map(|_| wire.publish("t", QoS::AtLeastOnce, b"x")).collect();
    assert_eq!(wire.session.room(), 0);
    assert_eq!(publish_ids(&wire.sent()), [1, 2, 3]);
    wire.receive(puback(1)).unwrap();
    assert_eq!(wire.session.room(), 1);
    let _fourth = wire.publish("t", QoS::AtLeastOnce, b"x");
    assert_eq!(publish_ids(&wire.sent()), [4], "an id is not used again at once");
    drop(answers);
}

#[test]
fn a_server_that_names_no_maximum_gets_the_profiles() {
    assert_eq!(Wire::new(u16::MAX).session.room(), 100);
}

#[test]
fn acknowledgements_come_in_any_order() {
    let mut wire = Wire::new(100);
    let mut answers: Vec<_> = (0..3).map(|_| wire.publish("t", QoS::AtLeastOnce, b"x")).collect();
    for (acknowledged, id) in [(1, 2), (2, 3), (0, 1)] {
        wire.receive(puback(id)).unwrap();
        assert!(answers[acknowledged].try_recv().unwrap().is_ok());
    }
    assert_eq!(wire.session.unacknowledged(), 0);
}

#[test]
fn an_acknowledgement_that_nobody_waits_for_does_no_harm() {
    let mut wire = Wire::new(100);
    wire.receive(puback(77)).unwrap();
    wire.receive(suback(78, SubscribeReasonCode::NotAuthorized)).unwrap();
    let mut answer = wire.publish("t", QoS::AtLeastOnce, b"x");
    // A SUBACK with the id of a message answers nothing.
    wire.receive(suback(1, SubscribeReasonCode::NotAuthorized)).unwrap();
    assert!(answer.try_recv().is_err());
    wire.receive(puback(1)).unwrap();
    wire.receive(puback(1)).unwrap();
    assert!(answer.try_recv().unwrap().is_ok());
    assert_eq!(wire.session.room(), 100);
}

#[test]
fn a_refused_message_tells_topic_and_reason() {
    let mut wire = Wire::new(100);
    let mut answer = wire.publish("secret/topic", QoS::AtLeastOnce, b"x");
    let text = Some("no such right".to_owned());
    wire.receive(Packet::PubAck(PubAck {
        pkid: 1,
        reason: PubAckReason::NotAuthorized,
        properties: Some(PubAckProperties { reason_string: text, user_properties: vec![] }),
    }))
    .unwrap();
    let error = answer.try_recv().unwrap().unwrap_err();
    assert!(
        matches!(&error, Error::PublishRefused { reason: crate::ReasonCode::NOT_AUTHORIZED, .. }),
        "{error:?}"
    );
    let words = error.to_string();
    for word in ["'secret/topic'", "not authorized (0x87)", "no such right", "iot:Publish"] {
        assert!(words.contains(word), "{word} in {words}");
    }
}

#[test]
fn qos_0_is_done_when_it_is_in_the_buffer_and_takes_no_id() {
    let mut wire = Wire::new(1);
    assert!(wire.publish("t", QoS::AtMostOnce, b"x").try_recv().unwrap().is_ok());
    assert_eq!(publish_ids(&wire.sent()), [0]);
    assert_eq!(wire.session.room(), 1);
}

#[test]
fn a_packet_that_the_server_would_not_take_is_not_sent() {
    let mut wire = Wire::new(100);
    wire.session.connected(granted::tests::small_packets(100), wire.now);
    // 1 type, 1 length, 2 + 1 topic, 2 id, 1 properties: 92 bytes are left of the 100.
    let mut fits = wire.publish("t", QoS::AtLeastOnce, &[0; 92]);
    let mut too_large = wire.publish("t", QoS::AtLeastOnce, &[0; 93]);
    assert_eq!(publish_ids(&wire.sent()), [1]);
    assert!(fits.try_recv().is_err());
    let words = too_large.try_recv().unwrap().unwrap_err().to_string();
    assert!(words.contains("101 bytes, but the server allows at most 100"), "{words}");
}

#[test]
fn silence_brings_a_ping_and_then_the_end() {
    let mut wire = Wire::new(100);
    let minute = wire.session.deadline().unwrap();
    wire.session.timer(minute).unwrap();
    assert_eq!(wire.sent(), [Packet::PingReq(PingReq)]);
    let end = wire.session.deadline().unwrap();
    let error = wire.session.timer(end).unwrap_err();
    assert!(matches!(error, Error::KeepAlive { .. }), "{error:?}");
}

#[test]
fn any_bytes_are_an_answer_to_the_ping() {
    let mut wire = Wire::new(100);
    let minute = wire.session.deadline().unwrap();
    wire.session.timer(minute).unwrap();
    let end = wire.session.deadline().unwrap();
    wire.now = minute;
    wire.receive(message("x", 0)).unwrap();
    wire.session.timer(end).unwrap();
}

#[test]
fn what_was_unanswered_is_named_the_oldest_first() {
    let mut wire = Wire::new(100);
    assert_eq!(wire.session.unanswered(), None);
    let _publish = wire.publish("first", QoS::AtLeastOnce, b"x");
    let _subscribe = wire.subscribe("second");
    assert_eq!(wire.session.unanswered().unwrap(), "the message to 'first'");
    wire.receive(puback(1)).unwrap();
    assert_eq!(wire.session.unanswered().unwrap(), "the subscription to 'second'");
}

#[test]
fn packet_ids_go_round_and_step_over_those_in_use() {
    let mut wire = Wire::with(Limits::mqtt5(), u16::MAX);
    let _kept = wire.publish("kept", QoS::AtLeastOnce, b"");
    for round in 0..70_000_u32 {
        let _answer = wire.publish("t", QoS::AtLeastOnce, b"");
        let ids = publish_ids(&wire.sent());
        let id = *ids.last().unwrap();
        assert!(id > 1 || round == 0, "id {id} is in use or no id");
        wire.receive(puback(id)).unwrap();
    }
    assert_eq!(wire.session.unacknowledged(), 1);
}

#[test]
fn the_last_packet_says_why() {
    let mut wire = Wire::new(100);
    wire.session.goodbye(&Ok(()), DisconnectReason::Normal);
    assert_eq!(&wire.bytes()[..], [0xE0, 0]);
    wire.session.goodbye(&Ok(()), DisconnectReason::WithWill);
    assert_eq!(&wire.bytes()[..], [0xE0, 1, 0x04]);
    wire.session.goodbye(&Err(protocol(Malformed::Qos2)), DisconnectReason::Normal);
    assert_eq!(&wire.bytes()[..], [0xE0, 1, 0x82]);
}

#[test]
fn all_that_a_message_can_carry_goes_out() {
    let mut wire = Wire::new(100);
    let publication = Publication::new("t", QoS::AtLeastOnce, "x")
        .unwrap()
        .retain(true)
        .content_type("text/plain")
        .response_topic("answers".parse().unwrap())
        .correlation_data("7")
        .user_property("a", "1")
        .user_property("a", "2")
        .expiry(std::time::Duration::from_secs(3600));
    let _answer = wire.put(publication);
    let sent = wire.sent();
    let [Packet::Publish(packet)] = &sent[..] else { panic!("{sent:?}") };
    assert!(packet.retain && !packet.dup);
    let properties = packet.properties.as_ref().unwrap();
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    assert_eq!(properties.response_topic.as_deref(), Some("answers"));
    assert_eq!(properties.correlation_data.as_deref(), Some(&b"7"[..]));
    assert_eq!(properties.user_properties.len(), 2);
    assert!((3599..=3600).contains(&properties.message_expiry_interval.unwrap()));
}

#[test]
fn an_expired_message_is_not_sent_but_told() {
    let mut wire = Wire::offline(unpaced());
    let mut events = wire.events();
    let publication = Publication::new("t", QoS::AtLeastOnce, "x").unwrap();
    let mut answer = wire.put(publication.expiry(std::time::Duration::from_secs(60)));
    wire.now += std::time::Duration::from_secs(61);
    wire.session.connected(granted::tests::granted(100, &unpaced()), wire.now);
    wire.settle();
    assert_eq!(wire.sent(), []);
    assert!(matches!(answer.try_recv().unwrap(), Err(Error::Expired { .. })));
    assert!(matches!(events.try_next(), Some(Event::Connected { session_present: false })));
    assert!(matches!(events.try_next(), Some(Event::MessageDropped { .. })));
    assert_eq!(wire.left, (1, wire_bytes()));
}

/// What a message of one byte with an expiry takes.
fn wire_bytes() -> usize {
    let publication = Publication::new("t", QoS::AtLeastOnce, "x").unwrap();
    Entry::new(publication.expiry(std::time::Duration::from_secs(60))).0.bytes()
}

#[test]
fn the_rates_hold_back_what_is_too_much_and_say_until_when() {
    let mut wire = Wire::with(Limits::aws_iot_core(), 100);
    let _answers: Vec<_> = (0..50).map(|_| wire.publish("t", QoS::AtLeastOnce, b"x")).collect();
    assert_eq!(wire.sent().len(), 10, "a burst of a tenth of a second");
    assert_eq!(wire.session.room(), 0, "the rest stays in the outbox");
    let mut rounds = 0;
    while !wire.session.outgoing().is_empty() {
        wire.now = wire.session.deadline().unwrap();
        wire.session.send(wire.now);
        rounds += 1;
    }
    assert_eq!(wire.sent().len(), 40);
    assert!((20..=41).contains(&rounds), "{rounds}");
    assert!(wire.session.room() > 0);
}
