//! What one connection leaves to the next.

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
    assert_eq!(publishes(&wire.sent()), []);
    wire.session.send(wire.now);
    assert_eq!(publishes(&wire.sent()), expected(&[(4, false, "3")]));
    wire.reconnect(true);
    let again = [(1, true, "0"), (3, true, "2"), (4, true, "3"), (5, false, "4")];
    assert_eq!(publishes(&wire.sent()), expected(&again));
    for id in [3, 1, 5, 4] {
        wire.receive(puback(id)).unwrap();
    }
    assert!(answers.iter_mut().all(|answer| answer.try_recv().unwrap().is_ok()));
    assert_eq!(wire.left.0, 5);
}

#[test]
fn a_new_session_gets_everything_again_as_new() {
    let mut wire = Wire::new(100);
    let mut answers: Vec<_> =
        (0..3).map(|n| wire.publish("t", QoS::AtLeastOnce, n.to_string().as_bytes())).collect();
    wire.receive(puback(1)).unwrap();
    wire.sent();
    wire.reconnect(false);
    let sent = publishes(&wire.sent());
    assert!(sent.iter().all(|(_, duplicate, _)| !duplicate), "{sent:?}");
    assert_eq!(sent.iter().map(|(.., payload)| payload.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    for (id, ..) in sent {
        wire.receive(puback(id)).unwrap();
    }
    assert!(answers.iter_mut().all(|answer| answer.try_recv().unwrap().is_ok()));
    assert_eq!(wire.session.counters.repetitions.get(), 2);
}

#[test]
fn an_id_that_the_server_may_know_is_given_to_nobody_else() {
    let mut limits = unpaced();
    limits.in_flight = 1000;
    let mut wire = Wire::with(limits, 1000);
    let _answers: Vec<_> = (0..200).map(|_| wire.publish("t", QoS::AtLeastOnce, b"x")).collect();
    wire.sent();
    // The next connection takes fewer at a time, so half of the old ids wait.
    wire.reconnect(true);
    assert_eq!(publish_ids(&wire.sent()), (1..=100).collect::<Vec<_>>());
    let _subscribe = wire.subscribe("a");
    let sent = wire.sent();
    assert!(matches!(&sent[..], [Packet::Subscribe(packet)] if packet.pkid == 201), "{sent:?}");
    wire.session.out().clear();
    for id in 1..=100 {
        wire.receive(puback(id)).unwrap();
    }
    wire.session.send(wire.now);
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
        wire.session.disconnected();
        let limits = unpaced();
        let granted =
            if present { granted::tests::resumed(2, &limits) } else { granted::tests::granted(2, &limits) };
        wire.session.connected(granted, wire.now);
        let payloads: Vec<_> = publishes(&wire.sent()).into_iter().map(|(.., payload)| payload).collect();
        assert_eq!(payloads, ["0", "1"], "session present: {present}");
    }
}

#[test]
fn subscriptions_are_made_again_only_where_the_server_has_forgotten_them() {
    let mut wire = Wire::new(100);
    let mut events = wire.events();
    let mut kept: Vec<_> = (0..10).map(|n| wire.subscribed(&format!("t/{n}"))).collect();
    wire.reconnect(true);
    assert_eq!(wire.sent(), []);
    wire.reconnect(false);
    let sent = wire.sent();
    let [Packet::Subscribe(first), Packet::Subscribe(second)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((first.filters.len(), second.filters.len()), (8, 2));
    let agreed = SubscribeReasonCode::Success(WireQoS::AtLeastOnce);
    let mut codes = vec![agreed; 8];
    codes[0] = SubscribeReasonCode::NotAuthorized;
    wire.receive(Packet::SubAck(SubAck { pkid: first.pkid, return_codes: codes, properties: None })).unwrap();
    // The connection breaks before the second answer: only what does not stand is asked for again.
    wire.reconnect(true);
    let sent = wire.sent();
    let [Packet::Subscribe(again)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(again.filters, second.filters);
    let ack = SubAck { pkid: again.pkid, return_codes: vec![agreed; 2], properties: None };
    wire.receive(Packet::SubAck(ack)).unwrap();

    let told: Vec<String> =
        std::iter::from_fn(|| events.try_next()).map(|event| format!("{event:?}")).collect();
    let starts = |prefix: &str| told.iter().filter(|event| event.starts_with(prefix)).count();
    assert_eq!((starts("Connected"), starts("Resumed"), starts("SubscriptionLost")), (4, 2, 1), "{told:?}");
    let lost = first.filters[0].path.clone();
    for subscription in &mut kept {
        let is_lost = subscription.filter().as_str() == lost;
        let ended =
            subscription.queue.try_recv() == Err(tokio::sync::mpsc::error::TryRecvError::Disconnected);
        assert_eq!(ended, is_lost, "{}", subscription.filter());
    }
}

#[test]
fn a_subscription_that_was_under_way_is_asked_for_again_and_answered_once() {
    let mut wire = Wire::new(100);
    let answered = wire.subscribe("a");
    wire.sent();
    wire.reconnect(false);
    let _subscription = wire.agreed(answered);
    wire.reconnect(true);
    assert_eq!(wire.sent(), []);
}

#[test]
fn giving_up_answers_everybody() {
    let mut wire = Wire::new(1);
    let mut publishes: Vec<_> = (0..3).map(|_| wire.publish("t", QoS::AtLeastOnce, b"x")).collect();
    let mut subscribe = wire.subscribe("a");
    wire.session.disconnected();
    wire.session.give_up(&Error::Closed);
    assert!(publishes.iter_mut().all(|answer| matches!(answer.try_recv(), Ok(Err(Error::Closed)))));
    assert!(matches!(subscribe.try_recv(), Ok(Err(Error::Closed))));
}
