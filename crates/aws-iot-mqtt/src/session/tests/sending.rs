//! What the application asks for, and how it is answered.

use super::*;

#[test]
fn the_window_is_the_servers_and_opens_with_each_acknowledgement() {
    let mut wire = Wire::new(3);
    assert_eq!(wire.session.window(), 3);
    let answers: Vec<_> = (0..3).map(|_| wire.publish("t", QoS::AtLeastOnce, b"x")).collect();
    assert_eq!(wire.session.window(), 0);
    assert_eq!(publish_ids(&wire.sent()), [1, 2, 3]);
    wire.receive(puback(1)).unwrap();
    assert_eq!(wire.session.window(), 1);
    let _fourth = wire.publish("t", QoS::AtLeastOnce, b"x");
    assert_eq!(publish_ids(&wire.sent()), [4], "an id is not used again at once");
    drop(answers);
}

#[test]
fn a_refused_message_tells_topic_and_reason() {
    let mut wire = Wire::new(100);
    let mut events = wire.events();
    let mut answer = wire.publish("secret/topic", QoS::AtLeastOnce, b"x");
    wire.sent();
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
    let told = events.try_next();
    assert!(matches!(&told, Some(Event::Connected { .. })), "{told:?}");
    let told = events.try_next();
    assert!(
        matches!(&told, Some(Event::PublishRefused { topic, .. }) if topic == "secret/topic"),
        "{told:?}"
    );
    assert_eq!(wire.session.shared.counters.lock().refused, 1);
}

#[test]
fn acknowledgements_come_in_any_order() {
    let mut wire = Wire::new(100);
    let mut answers: Vec<_> = (0..3).map(|_| wire.publish("t", QoS::AtLeastOnce, b"x")).collect();
    wire.sent();
    for (acknowledged, id) in [(1, 2), (2, 3), (0, 1)] {
        wire.receive(puback(id)).unwrap();
        assert!(answers[acknowledged].try_recv().unwrap().is_ok());
    }
    assert_eq!(wire.outbox.depth(), (0, 0));
    assert!(wire.session.deadline(wire.now).unwrap() >= wire.now.instant + TIMEOUT, "nothing is awaited");
}

#[test]
fn an_acknowledgement_that_nobody_waits_for_does_no_harm() {
    let mut wire = Wire::new(100);
    wire.receive(puback(77)).unwrap();
    wire.receive(suback(78, SubscribeReasonCode::NotAuthorized)).unwrap();
    let mut answer = wire.publish("t", QoS::AtLeastOnce, b"x");
    wire.sent();
    // A SUBACK with the id of a message answers nothing.
    wire.receive(suback(1, SubscribeReasonCode::NotAuthorized)).unwrap();
    assert!(answer.try_recv().is_err());
    wire.receive(puback(1)).unwrap();
    wire.receive(puback(1)).unwrap();
    assert!(answer.try_recv().unwrap().is_ok());
    assert_eq!(wire.session.window(), 100);
}

#[test]
fn qos_0_is_done_when_it_is_written_takes_no_id_and_passes_a_full_window() {
    let mut wire = Wire::new(1);
    let _in_flight = wire.publish("t", QoS::AtLeastOnce, b"x");
    let mut waits = wire.publish("t", QoS::AtLeastOnce, b"x");
    let mut answer = wire.publish("t", QoS::AtMostOnce, b"x");
    assert!(answer.try_recv().is_err(), "it is not written yet");
    assert_eq!(publish_ids(&wire.sent()), [1, 0]);
    assert!(answer.try_recv().unwrap().is_ok());
    assert!(waits.try_recv().is_err());
}

#[test]
fn what_the_server_forbids_in_connack_fails_at_once_by_the_name_of_the_limit() {
    let small = Negotiated { maximum_packet_size: 100, ..Negotiated::for_tests() };
    let poor =
        Negotiated { maximum_qos: QoS::AtMostOnce, retain_available: false, ..Negotiated::for_tests() };
    for (negotiated, qos, retain, bytes, expected) in [
        (small.clone(), QoS::AtLeastOnce, false, 92, None),
        // 1 type, 1 length, 2 + 1 topic, 2 id, 1 properties: 92 bytes are left of the 100.
        (small.clone(), QoS::AtLeastOnce, false, 93, Some("101 bytes, but the server allows at most 100")),
        (poor.clone(), QoS::AtLeastOnce, false, 1, Some("Maximum QoS")),
        (poor.clone(), QoS::AtMostOnce, true, 1, Some("Retain Available")),
        (poor.clone(), QoS::AtMostOnce, false, 1, None),
    ] {
        let mut wire = Wire::offline(unpaced());
        wire.session.connected(negotiated, wire.now);
        let mut answer = wire.put(Publication::new("t", qos, vec![0; bytes]).unwrap().retain(retain));
        let sent = wire.sent();
        match expected {
            None => assert_eq!(sent.len(), 1),
            Some(words) => {
                let error = answer.try_recv().unwrap().unwrap_err();
                assert!(error.to_string().contains(words), "{error}");
                assert_eq!(sent, []);
            }
        }
    }
}

#[test]
fn the_last_packet_says_why() {
    let mut wire = Wire::new(100);
    let dead = Error::KeepAlive { after: SECOND };
    for (outcome, reason, expected) in [
        (Ok(()), DisconnectReason::Normal, &[0xE0, 0][..]),
        (Ok(()), DisconnectReason::WithWill, &[0xE0, 1, 0x04]),
        (Err(dead), DisconnectReason::Normal, &[0xE0, 1, 0x8D]),
        (Err(ProtocolError::new(0x81, "malformed").into()), DisconnectReason::Normal, &[0xE0, 1, 0x81]),
        (Err(ProtocolError::new(0x94, "a topic alias").into()), DisconnectReason::Normal, &[0xE0, 1, 0x94]),
        (Err(ProtocolError::new(0x82, "a CONNECT").into()), DisconnectReason::WithWill, &[0xE0, 1, 0x82]),
    ] {
        wire.session.disconnect(&outcome, reason);
        assert_eq!(&wire.bytes()[..], expected, "{outcome:?}");
    }
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
    assert_eq!(wire.outbox.depth().0, 1);
}

#[test]
fn the_rates_hold_back_what_is_too_much_and_say_until_when() {
    let mut wire = Wire::with(Limits::aws_iot_core(), 100);
    let _answers: Vec<_> = (0..50).map(|_| wire.publish("t", QoS::AtLeastOnce, b"x")).collect();
    assert_eq!(wire.sent().len(), 10, "a burst of a tenth of a second");
    let (mut rounds, mut sent) = (0, 0);
    while sent < 40 {
        let wait = wire.session.connection.as_ref().unwrap().not_before.unwrap() - wire.now.instant;
        wire.pass(wait).unwrap();
        sent += wire.sent().len();
        rounds += 1;
    }
    assert!((20..=41).contains(&rounds), "{rounds}");
    assert!(wire.session.connection.as_ref().unwrap().not_before.is_none());
}

#[test]
fn a_message_that_the_rates_hold_back_is_not_sent_stale_after_an_outage() {
    let mut wire = Wire::with(Limits::aws_iot_core(), 100);
    let mut answers: Vec<_> = (0..11).map(|_| wire.publish("t", QoS::AtMostOnce, b"x")).collect();
    assert_eq!(wire.sent().len(), 10);
    wire.reconnect(true);
    assert_eq!(wire.sent(), []);
    assert!(matches!(answers[10].try_recv(), Ok(Err(Error::Offline { .. }))));
}

#[test]
fn what_was_unanswered_is_named_the_oldest_first() {
    let mut wire = Wire::new(100);
    assert_eq!(wire.session.unanswered(), None);
    let _publish = wire.publish("first", QoS::AtLeastOnce, b"x");
    assert_eq!(wire.session.unanswered(), None, "it is not written");
    wire.sent();
    wire.pass(SECOND).unwrap();
    let _subscribe = wire.subscribe("second");
    wire.sent();
    assert_eq!(wire.session.unanswered().unwrap(), "the message to 'first'");
    wire.receive(puback(1)).unwrap();
    assert_eq!(wire.session.unanswered().unwrap(), "the subscription to 'second'");
}

#[test]
fn all_that_a_message_can_carry_goes_out() {
    let mut wire = Wire::new(100);
    let publication = Publication::new("t", QoS::AtLeastOnce, "x")
        .unwrap()
        .retain(true)
        .payload_format(crate::PayloadFormat::Utf8)
        .content_type("text/plain")
        .response_topic("answers".parse().unwrap())
        .correlation_data("7")
        .user_property("a", "1")
        .user_property("a", "2")
        .message_expiry_interval(3600 * SECOND);
    let _answer = wire.put(publication);
    let sent = wire.sent();
    let [Packet::Publish(packet)] = &sent[..] else { panic!("{sent:?}") };
    assert!(packet.retain && !packet.dup);
    let properties = packet.properties.as_ref().unwrap();
    assert_eq!(properties.payload_format_indicator, Some(1));
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    assert_eq!(properties.response_topic.as_deref(), Some("answers"));
    assert_eq!(properties.correlation_data.as_deref(), Some(&b"7"[..]));
    assert_eq!(properties.user_properties.len(), 2);
    assert_eq!(properties.message_expiry_interval, Some(3600));
}

#[test]
fn a_message_that_is_sent_again_after_a_refusal_counts_as_a_repetition() {
    let mut wire = Wire::new(100);
    let mut answer = wire.publish("t", QoS::AtLeastOnce, b"x");
    let ids = publish_ids(&wire.sent());
    wire.receive(refusal(ids[0], PubAckReason::QuotaExceeded)).unwrap();
    wire.pass(2 * SECOND).unwrap();
    let ids = publish_ids(&wire.sent());
    wire.receive(puback(ids[0])).unwrap();
    assert!(answer.try_recv().unwrap().is_ok());
    let counters = wire.session.shared.counters.lock().clone();
    assert_eq!((counters.publishes, counters.repetitions, counters.acknowledged), (2, 1, 1));
}
