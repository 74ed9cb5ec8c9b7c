//! Servers that hang up in answer to one request.

use super::*;

fn not_authorized() -> Error {
    Error::Disconnected {
        client_id: CLIENT.to_owned(),
        reason: crate::ReasonCode::NOT_AUTHORIZED,
        text: None,
    }
}

/// Connects until nothing more is sent, to a server that hangs up on the topic or filter "denied" and agrees to the rest.
/// Returns how often it hung up.
fn serve(wire: &mut Wire, hangs_up: impl Fn() -> Error) -> usize {
    for losses in 0..50 {
        let mut denied = false;
        loop {
            let sent = wire.sent();
            if sent.is_empty() || denied {
                break;
            }
            let mut answers = Vec::new();
            for packet in sent {
                match packet {
                    Packet::Publish(p) if p.topic == "denied" => denied = true,
                    Packet::Publish(p) if !denied && p.pkid > 0 => answers.push(puback(p.pkid)),
                    Packet::Subscribe(p) if p.filters.iter().any(|filter| filter.path == "denied") => {
                        denied = true
                    }
                    Packet::Subscribe(p) if !denied => {
                        let return_codes = vec![AGREED; p.filters.len()];
                        answers.push(Packet::SubAck(SubAck { pkid: p.pkid, return_codes, properties: None }));
                    }
                    _ => {}
                }
            }
            // What it answered together with its end is lost, as with a reset.
            if !denied {
                answers.into_iter().for_each(|answer| wire.receive(answer).unwrap());
            }
        }
        if !denied {
            return losses;
        }
        wire.session.disconnected(&hangs_up(), wire.now);
        wire.now.instant += SECOND;
        wire.accept(false, 100);
    }
    panic!("it goes on for ever")
}

#[test]
fn a_message_that_the_server_hangs_up_on_fails_and_the_rest_passes() {
    // One for each message before it, whose answers are lost with the connection, and three for the one itself. Without a
    // reason, one more, after others have passed.
    for (hangs_up, expected, times) in
        [(hung_up as fn() -> Error, 7, "4 times"), (not_authorized, 6, "3 times")]
    {
        let mut wire = Wire::new(100);
        let mut events = wire.events();
        let mut before: Vec<_> = (0..3).map(|_| wire.publish("fine", QoS::AtLeastOnce, b"x")).collect();
        let mut denied = wire.publish("denied", QoS::AtLeastOnce, b"x");
        let mut after: Vec<_> = (0..3).map(|_| wire.publish("fine", QoS::AtLeastOnce, b"x")).collect();
        let losses = serve(&mut wire, hangs_up);
        assert_eq!(losses, expected);
        let error = denied.try_recv().unwrap().unwrap_err();
        let words = error.report().to_string();
        for part in ["the message to 'denied' was given up", times, "iot:Publish"] {
            assert!(words.contains(part), "{part} in {words}");
        }
        assert!(before.iter_mut().chain(&mut after).all(|answer| answer.try_recv().unwrap().is_ok()));
        let told = std::iter::from_fn(|| events.try_next());
        let refused: Vec<_> = told.filter(|event| matches!(event, Event::PublishRefused { .. })).collect();
        assert!(
            matches!(&refused[..], [Event::PublishRefused { topic, .. }] if topic == "denied"),
            "{refused:?}"
        );
        // Full speed again.
        assert_eq!(wire.session.window(), 100);
    }
}

#[test]
fn a_filter_that_the_server_hangs_up_on_fails_and_the_rest_passes() {
    let mut wire = Wire::new(100);
    let mut fine = wire.subscribe("fine");
    let mut denied = wire.subscribe("denied");
    let mut publish = wire.publish("fine", QoS::AtLeastOnce, b"x");
    let losses = serve(&mut wire, hung_up);
    assert!(losses <= 5, "{losses}");
    let words = denied.answered.try_recv().unwrap().unwrap_err().to_string();
    assert!(words.contains("the subscription to 'denied' was given up"), "{words}");
    assert!(fine.answered.try_recv().unwrap().is_ok());
    assert!(publish.try_recv().unwrap().is_ok());
}

#[test]
fn a_standing_subscription_that_the_server_comes_to_hang_up_on_is_told_as_lost() {
    let mut wire = Wire::new(100);
    let stream = wire.subscribed("denied");
    let mut events = wire.events();
    wire.session.disconnected(&hung_up(), wire.now);
    wire.accept(false, 100);
    serve(&mut wire, not_authorized);
    assert!(stream.messages.has_ended());
    let told = std::iter::from_fn(|| events.try_next());
    assert_eq!(told.filter(|event| matches!(event, Event::SubscriptionLost { .. })).count(), 1);
}

#[test]
fn a_network_that_fails_and_a_client_that_takes_over_blame_no_message() {
    let taken_over = || Error::Disconnected {
        client_id: CLIENT.to_owned(),
        reason: crate::ReasonCode::SESSION_TAKEN_OVER,
        text: None,
    };
    let dead = || Error::KeepAlive { after: SECOND };
    let silent = || Error::OperationTimeout { what: String::new(), after: SECOND };
    let network = || {
        let source = Cause::new(std::io::Error::from(std::io::ErrorKind::TimedOut));
        Error::Lost { unanswered: None, source }
    };
    let poison = || ProtocolError::new(0x94, "a PUBLISH with a topic alias").into();
    let ends: [&dyn Fn() -> Error; 5] = [&taken_over, &dead, &silent, &network, &poison];
    for end in ends {
        let mut wire = Wire::new(100);
        let mut answer = wire.publish("t", QoS::AtLeastOnce, b"x");
        for _ in 0..20 {
            wire.sent();
            wire.session.disconnected(&end(), wire.now);
            wire.accept(true, 100);
        }
        assert!(answer.try_recv().is_err(), "{}", end());
        assert_eq!(publish_ids(&wire.sent()), [1]);
    }
}

#[test]
fn a_message_that_is_answered_with_garbage_is_given_up() {
    let mut wire = Wire::new(100);
    let mut answer = wire.publish("t", QoS::AtLeastOnce, b"x");
    for _ in 0..3 {
        let ids = publish_ids(&wire.sent());
        // PUBREC, in answer to QoS 1.
        let [high, low] = ids[0].to_be_bytes();
        let error = wire.session.received(&mut BytesMut::from(&[0x50, 2, high, low][..]), wire.now);
        assert!(answer.try_recv().is_err());
        wire.session.disconnected(&error.unwrap_err(), wire.now);
        wire.accept(false, 100);
    }
    let words = answer.try_recv().unwrap().unwrap_err().report().to_string();
    assert!(words.contains("QoS 2"), "{words}");
}

#[test]
fn a_message_that_alone_is_not_acknowledged_is_given_up_after_some_time_outs() {
    let mut wire = Wire::new(100);
    let mut answer = wire.publish("ignored", QoS::AtLeastOnce, b"x");
    let mut times = 0;
    while answer.try_recv().is_err() {
        let mut ids = publish_ids(&wire.sent());
        let _other = wire.publish("fine", QoS::AtLeastOnce, b"x");
        ids.extend(publish_ids(&wire.sent()));
        if let Some(other) = ids.iter().find(|id| **id != ids[0]) {
            wire.receive(puback(*other)).unwrap();
        }
        let error = Error::OperationTimeout { what: "it".to_owned(), after: TIMEOUT };
        wire.session.disconnected(&error, wire.now);
        wire.accept(true, 100);
        times += 1;
        assert!(times < 20, "it goes on for ever");
    }
}

/// A front end that accepts connections, and hangs up on each PUBLISH for `outage`; the client is back every `pause`.
/// Returns how many of `count` messages are lost.
fn outage(outage: Duration, pause: Duration, count: usize) -> usize {
    let mut wire = Wire::new(100);
    let mut answers: Vec<_> = (0..count).map(|_| wire.publish("t", QoS::AtLeastOnce, b"x")).collect();
    let ends = wire.now.instant + outage;
    while wire.now.instant < ends {
        assert_eq!(wire.sent().is_empty(), wire.outbox.depth().0 == 0, "it goes on trying");
        wire.session.disconnected(&hung_up(), wire.now);
        (wire.now.instant, wire.now.wall) = (wire.now.instant + pause, wire.now.wall + pause);
        wire.accept(true, 100);
    }
    loop {
        let sent = publish_ids(&wire.sent());
        if sent.is_empty() {
            break;
        }
        sent.into_iter().for_each(|id| wire.receive(puback(id)).unwrap());
    }
    answers.iter_mut().map(|answer| answer.try_recv().expect("an end")).filter(Result::is_err).count()
}

#[test]
fn an_outage_of_a_minute_costs_no_message_and_one_of_an_hour_only_a_few() {
    for count in [1, 2, 5, 300] {
        assert_eq!(outage(59 * SECOND, SECOND, count), 0, "{count} messages, back at once");
        assert_eq!(outage(59 * SECOND, 8 * SECOND, count), 0, "{count} messages");
        let lost = outage(3600 * SECOND, 60 * SECOND, count);
        assert!(lost <= 6, "{lost} of {count} messages");
    }
}

#[test]
fn a_single_message_that_the_server_hangs_up_on_is_given_up_after_a_minute() {
    let mut wire = Wire::new(100);
    let mut answer = wire.publish("denied", QoS::AtLeastOnce, b"x");
    let begun = wire.now.instant;
    while answer.try_recv().is_err() {
        assert_eq!(wire.sent().len(), 1);
        wire.session.disconnected(&hung_up(), wire.now);
        wire.now.instant += 7 * SECOND;
        wire.accept(false, 100);
        assert!(wire.now.instant < begun + 80 * SECOND, "it goes on for ever");
    }
    assert!(wire.now.instant >= begun + 60 * SECOND);
    // What comes next is not held up by it.
    let mut next = wire.publish("fine", QoS::AtLeastOnce, b"x");
    let ids = publish_ids(&wire.sent());
    wire.receive(puback(ids[0])).unwrap();
    assert!(next.try_recv().unwrap().is_ok());
}

#[test]
fn several_messages_that_the_server_hangs_up_on_all_fail_and_the_rest_passes() {
    let mut wire = Wire::new(100);
    let topics = ["denied", "fine", "denied", "denied", "fine"];
    let mut answers = topics.map(|topic| wire.publish(topic, QoS::AtLeastOnce, b"x"));
    serve(&mut wire, hung_up);
    for (topic, answer) in topics.iter().zip(&mut answers) {
        assert_eq!(answer.try_recv().unwrap().is_ok(), *topic == "fine", "{topic}");
    }
}

#[test]
fn a_message_that_expires_while_it_is_set_aside_does_not_hold_up_the_others() {
    let mut wire = Wire::new(100);
    let message = Publication::new("denied", QoS::AtLeastOnce, "x").unwrap();
    let mut denied = wire.put(message.message_expiry_interval(5 * SECOND));
    let mut fine = wire.publish("fine", QoS::AtLeastOnce, b"x");
    for _ in 0..3 {
        wire.sent();
        wire.session.disconnected(&hung_up(), wire.now);
        wire.accept(true, 100);
    }
    let ids = publish_ids(&wire.sent());
    wire.pass(6 * SECOND).unwrap();
    wire.receive(puback(ids[0])).unwrap();
    assert!(fine.try_recv().unwrap().is_ok());
    assert!(matches!(denied.try_recv().unwrap(), Err(Error::Expired { .. })));
    let mut next = wire.publish("fine", QoS::AtLeastOnce, b"x");
    for id in publish_ids(&wire.sent()) {
        wire.receive(puback(id)).unwrap();
    }
    assert!(next.try_recv().unwrap().is_ok());
}

/// It is asked no more, so no answer will clear it.
#[test]
fn a_suspect_that_nobody_wants_any_more_does_not_hold_up_the_others() {
    let mut wire = Wire::new(100);
    drop(wire.subscribed("a"));
    wire.session.woken();
    assert!(matches!(wire.sent().as_slice(), [Packet::Unsubscribe(_)]));
    wire.session.disconnected(&hung_up(), wire.now);
    wire.accept(false, 100);
    let _answers: Vec<_> = (0..3).map(|_| wire.publish("fine", QoS::AtLeastOnce, b"x")).collect();
    assert_eq!(publish_ids(&wire.sent()).len(), 3);
}
