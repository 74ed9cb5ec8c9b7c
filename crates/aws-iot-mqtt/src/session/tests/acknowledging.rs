//! Acknowledgements that the application gives, and messages that wait over a reconnect.

use super::*;

fn manual(wire: &mut Wire, filter: &str) -> Stream {
    let options = SubscribeOptions::new(filter, QoS::AtLeastOnce).unwrap().manual_acknowledgement();
    let stream = wire.subscribe_with(options);
    wire.agree(stream)
}

#[test]
fn what_the_application_acknowledges_goes_out_in_the_order_of_arrival() {
    let mut wire = Wire::new(100);
    let mut manual = manual(&mut wire, "m");
    for id in 1..=3 {
        wire.receive(message("m", id)).unwrap();
    }
    assert_eq!(wire.sent(), []);
    let messages: Vec<_> = (0..3).map(|_| manual.messages.try_next().unwrap()).collect();
    messages[2].acknowledge();
    wire.session.woken();
    assert_eq!(wire.sent(), [], "the first is missing");
    messages[0].acknowledge();
    messages[0].acknowledge();
    wire.session.woken();
    assert_eq!(puback_ids(&wire.sent()), [1]);
    messages[1].clone().acknowledge();
    wire.session.woken();
    assert_eq!(puback_ids(&wire.sent()), [2, 3]);
}

#[test]
fn where_two_subscriptions_have_a_message_both_have_to_agree() {
    let mut wire = Wire::new(100);
    let (mut one, mut other) = (manual(&mut wire, "m/+"), manual(&mut wire, "m/#"));
    let mut automatic = wire.subscribed("#");
    wire.receive(message("m/1", 7)).unwrap();
    one.messages.try_next().unwrap().acknowledge();
    automatic.messages.try_next().unwrap().acknowledge();
    wire.session.woken();
    assert_eq!(wire.sent(), []);
    other.messages.try_next().unwrap().acknowledge();
    wire.session.woken();
    assert_eq!(puback_ids(&wire.sent()), [7]);
}

#[test]
fn an_acknowledgement_for_an_earlier_connection_is_not_sent() {
    let mut wire = Wire::new(100);
    let mut manual = manual(&mut wire, "m");
    wire.receive(message("m", 1)).unwrap();
    let late = manual.messages.try_next().unwrap();
    wire.reconnect(true);
    wire.sent();
    wire.receive(message("m", 1)).unwrap();
    late.acknowledge();
    wire.session.woken();
    assert_eq!(wire.sent(), [], "it is not the one that came now");
    manual.messages.try_next().unwrap().acknowledge();
    wire.session.woken();
    assert_eq!(puback_ids(&wire.sent()), [1]);
}

#[test]
fn what_is_dropped_counts_as_acknowledged() {
    let drops: [(&str, fn(&mut Wire) -> Option<Stream>); 4] = [
        ("a dropped subscription with unread messages", |wire| {
            let manual = manual(wire, "m");
            wire.receive(message("m", 1)).unwrap();
            drop(manual);
            None
        }),
        ("a dropped message", |wire| {
            let mut manual = manual(wire, "m");
            wire.receive(message("m", 1)).unwrap();
            drop(manual.messages.try_next().unwrap());
            Some(manual)
        }),
        ("a call that was cancelled before the answer", |wire| {
            let options = SubscribeOptions::new("m", QoS::AtLeastOnce).unwrap().manual_acknowledgement();
            let cancelled = wire.subscribe_with(options);
            wire.receive(message("m", 1)).unwrap();
            drop(cancelled);
            None
        }),
        ("an unsubscription", |wire| {
            let manual = manual(wire, "m");
            wire.receive(message("m", 1)).unwrap();
            drop(wire.unsubscribe("m"));
            drop(manual);
            None
        }),
    ];
    for (case, drops) in drops {
        let mut wire = Wire::new(100);
        let mut other = wire.subscribed("other");
        let _kept = drops(&mut wire);
        wire.receive(message("other", 2)).unwrap();
        wire.session.woken();
        let acknowledged: Vec<_> =
            wire.sent().into_iter().filter(|packet| matches!(packet, Packet::PubAck(_))).collect();
        assert_eq!(puback_ids(&acknowledged), [1, 2], "{case}");
        assert!(other.messages.try_next().is_some(), "{case}");
    }
}

#[test]
fn what_waits_for_a_slow_reader_is_not_lost_with_a_session_that_the_server_forgot() {
    for (session_present, expected) in [(false, CAPACITY + 5), (true, CAPACITY)] {
        let mut wire = Wire::new(100);
        let mut slow = wire.subscribed("slow");
        for id in 1..=CAPACITY as u16 + 5 {
            wire.receive(message("slow", id)).unwrap();
        }
        wire.reconnect(session_present);
        wire.sent();
        let read = std::iter::from_fn(|| slow.messages.try_next()).count();
        wire.session.woken();
        // A server that has kept the session sends the others again.
        assert_eq!(read, expected, "session present: {session_present}");
        assert_eq!(wire.sent(), [], "and nobody is left to acknowledge them to");
    }
}
