//! What one connection leaves to the next.

use tokio::sync::oneshot::error::TryRecvError;

use super::*;

/// Id, and whether it is marked as a duplicate, and the payload.
fn publishes(packets: &[Packet]) -> Vec<(u16, bool, String)> {
    let one = |packet: &Packet| match packet {
        Packet::Publish(p) => (p.pkid, p.dup, String::from_utf8_lossy(&p.payload).into_owned()),
        other => panic!("{other:?}"),
    };
    packets.iter().map(one).collect()
}

fn expected(list: &[(u16, bool, &str)]) -> Vec<(u16, bool, String)> {
    list.iter().map(|(id, dup, payload)| (*id, *dup, (*payload).to_owned())).collect()
}

#[test]
fn a_kept_session_gets_the_same_ids_marked_as_duplicates_in_order() {
    let mut wire = Wire::new(3);
    let mut answers: Vec<_> =
        (0..5).map(|n| wire.publish("t", QoS::AtLeastOnce, n.to_string().as_bytes())).collect();
    assert_eq!(publish_ids(&wire.sent()), [1, 2, 3]);
    wire.receive(puback(2)).unwrap();
    assert_eq!(publishes(&wire.sent()), expected(&[(4, false, "3")]));
    wire.reconnect(true);
    let again = [(1, true, "0"), (3, true, "2"), (4, true, "3"), (5, false, "4")];
    assert_eq!(publishes(&wire.sent()), expected(&again));
    for id in [3, 1, 5, 4] {
        wire.receive(puback(id)).unwrap();
    }
    assert!(answers.iter_mut().all(|answer| answer.try_recv().unwrap().is_ok()));
    assert_eq!(wire.outbox.depth(), (0, 0));
}

#[test]
fn a_new_session_gets_everything_again_as_new() {
    let mut wire = Wire::new(100);
    let mut answers: Vec<_> =
        (0..3).map(|n| wire.publish("t", QoS::AtLeastOnce, n.to_string().as_bytes())).collect();
    wire.sent();
    wire.receive(puback(1)).unwrap();
    wire.reconnect(false);
    let sent = publishes(&wire.sent());
    assert!(sent.iter().all(|(_, duplicate, _)| !duplicate), "{sent:?}");
    assert_eq!(sent.iter().map(|(.., payload)| payload.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    for (id, ..) in sent {
        wire.receive(puback(id)).unwrap();
    }
    assert!(answers.iter_mut().all(|answer| answer.try_recv().unwrap().is_ok()));
    assert_eq!(wire.session.shared.counters.lock().repetitions, 2);
    assert_eq!(wire.session.shared.counters.lock().publishes, 5);
}

#[test]
fn an_id_that_the_server_may_know_is_given_to_no_other_packet() {
    let mut limits = unpaced();
    limits.receive_maximum = 1000;
    let mut wire = Wire::with(limits, 1000);
    let _answers: Vec<_> = (0..200).map(|_| wire.publish("t", QoS::AtLeastOnce, b"x")).collect();
    wire.sent();
    // The next connection takes fewer at a time, so half of the old ids wait.
    wire.reconnect(true);
    assert_eq!(publish_ids(&wire.sent()), (1..=100).collect::<Vec<_>>());
    let _subscribe = wire.subscribe("a");
    let sent = wire.sent();
    assert!(matches!(&sent[..], [Packet::Subscribe(packet)] if packet.pkid == 201), "{sent:?}");
    for id in 1..=100 {
        wire.receive(puback(id)).unwrap();
    }
    let sent = publishes(&wire.sent());
    assert_eq!(sent.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), (101..=200).collect::<Vec<_>>());
    assert!(sent.iter().all(|(_, duplicate, _)| *duplicate));
}

#[test]
fn the_order_is_that_of_the_first_time_over_any_number_of_connections() {
    let mut wire = Wire::new(2);
    let _answers: Vec<_> =
        (0..6).map(|n| wire.publish("t", QoS::AtLeastOnce, n.to_string().as_bytes())).collect();
    wire.sent();
    for present in [false, true, true, false] {
        wire.session.disconnected(&Error::KeepAlive { after: TIMEOUT }, wire.now);
        wire.accept(present, 2);
        let payloads: Vec<_> = publishes(&wire.sent()).into_iter().map(|(.., payload)| payload).collect();
        assert_eq!(payloads, ["0", "1"], "session present: {present}");
    }
}

#[test]
fn a_message_that_was_written_in_part_was_not_sent() {
    let mut wire = Wire::new(100);
    let mut answer = wire.publish("t", QoS::AtLeastOnce, &[0; 1000]);
    wire.session.written(500, wire.now);
    wire.reconnect(true);
    let sent = publishes(&wire.sent());
    assert!(matches!(sent[..], [(_, false, _)]), "no duplicate: {sent:?}");
    wire.receive(puback(sent[0].0)).unwrap();
    assert!(answer.try_recv().unwrap().is_ok());
    let counters = wire.session.shared.counters.lock().clone();
    assert_eq!((counters.publishes, counters.repetitions, counters.acknowledged), (1, 0, 1));
}

#[test]
fn a_message_of_qos_0_that_was_not_written_is_told_or_waits_as_chosen() {
    use crate::OfflineQos0;
    for (choice, sent_later) in [(OfflineQos0::Refuse, 0), (OfflineQos0::Queue, 1)] {
        let mut wire = Wire::with_outbox(unpaced(), OutboxOptions::new().offline_qos0(choice));
        wire.accept(false, 100);
        let mut answer = wire.publish("t", QoS::AtMostOnce, &[0; 1000]);
        // A part of it is written.
        wire.session.written(500, wire.now);
        wire.reconnect(false);
        assert_eq!(wire.sent().len(), sent_later, "{choice:?}");
        let answer = answer.try_recv().unwrap();
        assert_eq!(answer.is_ok(), sent_later == 1, "{choice:?}: {answer:?}");
    }
}

#[test]
fn whoever_hears_of_the_connection_can_publish() {
    let mut wire = Wire::offline(unpaced());
    let mut refused = wire.publish("t", QoS::AtMostOnce, b"x");
    assert!(matches!(refused.try_recv(), Ok(Err(Error::Offline { .. }))));
    wire.accept(false, 100);
    let _accepted = wire.publish("t", QoS::AtMostOnce, b"x");
    assert_eq!(wire.sent().len(), 1);
}

#[test]
fn subscriptions_are_made_again_only_where_the_server_has_forgotten_them() {
    let mut wire = Wire::new(100);
    let mut events = wire.events();
    let kept: Vec<_> = (0..10).map(|n| (n, wire.subscribed(&format!("t/{n}")))).collect();
    wire.reconnect(true);
    assert_eq!(wire.sent(), []);
    wire.reconnect(false);
    let sent = wire.sent();
    let [Packet::Subscribe(first), Packet::Subscribe(second)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((first.filters.len(), second.filters.len()), (8, 2));
    let mut codes = vec![AGREED; 8];
    codes[3] = SubscribeReasonCode::NotAuthorized;
    wire.receive(Packet::SubAck(SubAck { pkid: first.pkid, return_codes: codes, properties: None })).unwrap();
    // The connection breaks before the second answer: only what does not stand is asked for again.
    wire.reconnect(true);
    let sent = wire.sent();
    let [Packet::Subscribe(again)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(again.filters, second.filters);
    let ack = SubAck { pkid: again.pkid, return_codes: vec![AGREED; 2], properties: None };
    wire.receive(Packet::SubAck(ack)).unwrap();

    let told: Vec<String> =
        std::iter::from_fn(|| events.try_next()).map(|event| format!("{event:?}")).collect();
    let starts = |prefix: &str| told.iter().filter(|event| event.starts_with(prefix)).count();
    assert_eq!((starts("Connected"), starts("Resumed"), starts("SubscriptionLost")), (4, 2, 1), "{told:?}");
    for (n, stream) in kept {
        assert_eq!(stream.messages.has_ended(), n == 3, "t/{n}");
    }
}

#[test]
fn a_subscription_that_was_under_way_is_asked_for_again_and_answered_once() {
    let mut wire = Wire::new(100);
    let stream = wire.subscribe("a");
    wire.sent();
    wire.reconnect(false);
    let _stream = wire.agree(stream);
    wire.reconnect(true);
    assert_eq!(wire.sent(), []);
}

#[test]
fn a_subscription_of_the_builder_needs_no_packet_where_the_session_is_kept() {
    for (session_present, packets) in [(true, 0), (false, 1)] {
        let mut wire = Wire::offline(unpaced());
        let (request, mut messages) =
            wire.request(SubscribeOptions::new("a", QoS::AtLeastOnce).unwrap(), None);
        wire.session.command(Command::Subscribe(vec![request]), wire.now);
        wire.accept(session_present, 100);
        assert_eq!(wire.sent().len(), packets, "session present: {session_present}");
        wire.receive(message("a", 1)).unwrap();
        assert_eq!(messages.try_next().unwrap().payload, "1");
        // On the next connection it is like any other.
        wire.reconnect(false);
        assert!(matches!(&wire.sent()[..], [Packet::Subscribe(_)]));
    }
}

#[test]
fn the_end_answers_everybody() {
    let mut wire = Wire::new(1);
    let mut publishes: Vec<_> = (0..3).map(|_| wire.publish("t", QoS::AtLeastOnce, b"x")).collect();
    let mut stream = wire.subscribe("a");
    let mut ending = wire.unsubscribe("b");
    wire.session.disconnected(&hung_up(), wire.now);
    wire.outbox.fail_all(&Error::Closed);
    drop(wire.session);
    assert!(publishes.iter_mut().all(|answer| matches!(answer.try_recv(), Ok(Err(Error::Closed)))));
    // Whoever gets no answer asks why the client has ended.
    assert!(matches!(stream.answered.try_recv(), Err(TryRecvError::Closed)));
    assert!(matches!(ending.try_recv(), Err(TryRecvError::Closed)));
    assert!(stream.messages.has_ended() && wire.unrouted.has_ended());
}

#[test]
fn a_session_that_is_dropped_ends_all_streams() {
    let mut wire = Wire::new(1);
    let stream = wire.subscribed("a");
    let mut waits = wire.subscribe("b");
    drop(wire.session);
    assert!(stream.messages.has_ended() && wire.unrouted.has_ended());
    assert!(matches!(waits.answered.try_recv(), Err(TryRecvError::Closed)));
}
