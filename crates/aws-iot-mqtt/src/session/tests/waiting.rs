//! Answers that do not come, and silence.

use super::*;
use crate::session::keep_alive::PING_TIMEOUT;

const PING: &[u8] = &[0xC0, 0];

#[test]
fn silence_brings_a_ping_and_then_the_end() {
    let mut wire = Wire::new(100);
    wire.pass(60 * SECOND).unwrap();
    assert_eq!(&wire.bytes()[..], PING);
    let error = wire.pass(PING_TIMEOUT).unwrap_err();
    assert!(matches!(error, Error::KeepAlive { .. }), "{error:?}");
}

#[test]
fn any_bytes_are_an_answer_to_the_ping() {
    let mut wire = Wire::new(100);
    wire.pass(60 * SECOND).unwrap();
    wire.sent();
    wire.receive(message("x", 0)).unwrap();
    wire.pass(PING_TIMEOUT).unwrap();
}

#[test]
fn a_ping_goes_out_ahead_of_what_waits() {
    let mut wire = Wire::new(100);
    let _answers: Vec<_> = (0..20).map(|_| wire.publish("t", QoS::AtMostOnce, &[0; 10_000])).collect();
    // The line is slow: a part of the first message is written.
    wire.session.written(100, wire.now);
    wire.pass(60 * SECOND).unwrap();
    // 1 type, 2 length, 3 topic, 1 properties, and the payload.
    let first_message = 10_007 - 100;
    let output = wire.session.output();
    assert_eq!(&output[first_message..first_message + 2], PING, "right behind the message that was begun");
}

#[test]
fn a_slow_line_on_which_data_flows_is_not_given_up() {
    let mut wire = Wire::new(100);
    // 8 KiB/s, and always something to write: for ten minutes nothing comes back but the answer to a ping after a minute.
    for second in 0..600 {
        drop(wire.publish("t", QoS::AtMostOnce, &[0; 10_000]));
        wire.session.written(8192.min(wire.session.output().len()), wire.now);
        wire.pass(SECOND).unwrap_or_else(|error| panic!("after {second} s: {error}"));
    }
}

#[test]
fn silence_while_an_answer_is_owed_is_noticed_sooner() {
    let mut wire = Wire::new(100);
    let _answer = wire.publish("t", QoS::AtLeastOnce, b"x");
    wire.sent();
    wire.pass(10 * SECOND).unwrap();
    assert_eq!(&wire.bytes()[..], PING);
    assert!(matches!(wire.pass(PING_TIMEOUT), Err(Error::KeepAlive { .. })), "40 s and not 90");
}

/// Lets time pass, with pings answered. Returns what was sent beside the pings.
fn pass_with_pings(wire: &mut Wire, time: Duration) -> Result<Vec<Packet>, Error> {
    let mut sent = Vec::new();
    for _ in 0..time.as_secs() {
        wire.pass(SECOND)?;
        for packet in wire.sent() {
            match packet {
                Packet::PingReq(_) => {
                    wire.session.received(&mut BytesMut::from(&[0xD0, 0][..]), wire.now)?;
                }
                other => sent.push(other),
            }
        }
    }
    Ok(sent)
}

#[test]
fn a_message_whose_acknowledgement_is_withheld_ends_the_connection_and_is_sent_again() {
    let mut wire = Wire::new(100);
    let mut answer = wire.publish("some/topic", QoS::AtLeastOnce, b"x");
    assert_eq!(publish_ids(&wire.sent()), [1]);
    let error = pass_with_pings(&mut wire, TIMEOUT).unwrap_err();
    assert!(
        error.to_string().contains("the message to 'some/topic' was not answered within 60 s"),
        "{error}"
    );
    wire.session.disconnected(&error, wire.now);
    assert!(answer.try_recv().is_err());
    wire.accept(true, 100);
    let sent = wire.sent();
    assert!(matches!(&sent[..], [Packet::Publish(packet)] if packet.dup && packet.pkid == 1), "{sent:?}");
    wire.receive(puback(1)).unwrap();
    assert!(answer.try_recv().unwrap().is_ok());
}

#[test]
fn the_time_for_an_acknowledgement_runs_from_when_the_message_is_written() {
    let mut wire = Wire::new(100);
    let _answer = wire.publish("t", QoS::AtLeastOnce, &[0; 10_000]);
    // 100 bytes a second.
    for _ in 0..100 {
        wire.session.written(100, wire.now);
        wire.pass(SECOND).unwrap();
    }
    // The rest, and the ping that waited behind it, which is answered.
    wire.bytes();
    wire.session.received(&mut BytesMut::from(&[0xD0, 0][..]), wire.now).unwrap();
    pass_with_pings(&mut wire, TIMEOUT - SECOND).unwrap();
}

#[test]
fn an_unanswered_subscribe_is_sent_once_more_with_the_same_id_and_then_fails() {
    let mut wire = Wire::new(100);
    let mut stream = wire.subscribe("a");
    let first = wire.sent();
    let again = pass_with_pings(&mut wire, 10 * SECOND).unwrap();
    assert_eq!(again, first);
    let more = pass_with_pings(&mut wire, 49 * SECOND).unwrap();
    assert_eq!(more, [], "not a third time");
    assert!(stream.answered.try_recv().is_err());
    pass_with_pings(&mut wire, SECOND).unwrap();
    let words = stream.answered.try_recv().unwrap().unwrap_err().to_string();
    assert!(words.contains("the subscription to 'a' was not answered within 60 s"), "{words}");
    assert!(stream.messages.has_ended());
}

#[test]
fn an_answer_to_the_repeated_subscribe_is_the_answer() {
    let mut wire = Wire::new(100);
    let mut stream = wire.subscribe("a");
    wire.sent();
    pass_with_pings(&mut wire, 10 * SECOND).unwrap();
    wire.receive(suback(1, AGREED)).unwrap();
    wire.receive(suback(1, AGREED)).unwrap();
    assert!(stream.answered.try_recv().unwrap().is_ok());
    assert_eq!(pass_with_pings(&mut wire, 2 * TIMEOUT).unwrap(), []);
}

#[test]
fn an_unanswered_unsubscribe_is_sent_once_more_and_then_fails() {
    let mut wire = Wire::new(100);
    let _stream = wire.subscribed("a");
    let mut answer = wire.unsubscribe("a");
    let first = wire.sent();
    assert_eq!(pass_with_pings(&mut wire, 10 * SECOND).unwrap(), first);
    pass_with_pings(&mut wire, 50 * SECOND).unwrap();
    assert!(matches!(answer.try_recv(), Ok(Err(Error::OperationTimeout { .. }))));
    assert_eq!(pass_with_pings(&mut wire, 2 * TIMEOUT).unwrap(), [], "and that is the end of it");
}

#[test]
fn a_call_that_gave_up_waiting_for_a_connection_sends_nothing() {
    let mut wire = Wire::offline(unpaced());
    drop((wire.subscribe("a"), wire.unsubscribe("b")));
    wire.session.woken();
    assert!(wire.session.is_drained());
    wire.accept(false, 100);
    assert_eq!(wire.sent(), []);
}

#[test]
fn what_is_refused_for_now_is_sent_again_after_a_pause_and_others_pass_it() {
    for reason in [PubAckReason::QuotaExceeded, PubAckReason::PacketIdentifierInUse] {
        let mut wire = Wire::new(100);
        let mut events = wire.events();
        let mut answer = wire.publish("t", QoS::AtLeastOnce, b"first");
        wire.sent();
        wire.receive(refusal(1, reason)).unwrap();
        assert_eq!(wire.sent(), []);
        let mut other = wire.publish("t", QoS::AtLeastOnce, b"other");
        assert_eq!(publish_ids(&wire.sent()), [2]);
        wire.receive(puback(2)).unwrap();
        assert!(other.try_recv().unwrap().is_ok());
        let pause = wire.session.deadline(wire.now).unwrap() - wire.now.instant;
        assert_eq!(pause, SECOND);
        wire.pass(pause).unwrap();
        assert_eq!(publish_ids(&wire.sent()), [3], "{reason:?}");
        wire.receive(puback(3)).unwrap();
        assert!(answer.try_recv().unwrap().is_ok());
        assert!(matches!(events.try_next(), Some(Event::Connected { .. })));
        assert!(events.try_next().is_none(), "nothing was lost");
    }
}

#[test]
fn what_is_refused_for_now_for_longer_than_the_operation_time_out_fails() {
    let mut wire = Wire::new(100);
    let mut answer = wire.publish("t", QoS::AtLeastOnce, b"x");
    let mut tries = 0;
    let error = loop {
        if let Ok(answer) = answer.try_recv() {
            break answer.unwrap_err();
        }
        for id in
            wire.sent().iter().filter_map(|p| if let Packet::Publish(p) = p { Some(p.pkid) } else { None })
        {
            tries += 1;
            wire.receive(refusal(id, PubAckReason::QuotaExceeded)).unwrap();
        }
        wire.pass(SECOND).unwrap();
    };
    assert!(error.to_string().contains("quota exceeded (0x97)"), "{error}");
    assert_eq!(tries, 6, "after 0, 1, 3, 7, 15 and 31 s");
    assert_eq!(wire.outbox.depth(), (0, 0));
}

#[test]
fn a_message_that_expires_is_told_at_once_and_what_is_in_flight_is_not() {
    let mut wire = Wire::new(1);
    let mut events = wire.events();
    let expiring =
        || Publication::new("t", QoS::AtLeastOnce, "x").unwrap().message_expiry_interval(5 * SECOND);
    let mut in_flight = wire.put(expiring());
    let mut waits = wire.put(expiring());
    assert_eq!(publish_ids(&wire.sent()), [1]);
    assert!(wire.session.deadline(wire.now).unwrap() <= wire.now.instant + 6 * SECOND);
    wire.pass(6 * SECOND).unwrap();
    assert!(matches!(waits.try_recv(), Ok(Err(Error::Expired { sent: false, .. }))));
    assert!(in_flight.try_recv().is_err(), "its acknowledgement is awaited");
    assert!(matches!(events.try_next(), Some(Event::Connected { .. })));
    assert!(matches!(events.try_next(), Some(Event::MessageDropped { .. })));
    // The connection breaks: now it cannot be sent again, and whether it arrived is not known.
    wire.session.disconnected(&hung_up(), wire.now);
    wire.session.timer(wire.now).unwrap();
    let words = in_flight.try_recv().unwrap().unwrap_err().to_string();
    assert!(words.contains("it may have arrived"), "{words}");
}

#[test]
fn the_time_that_a_device_sleeps_counts_for_the_expiry() {
    let mut wire = Wire::offline(unpaced());
    let publication = Publication::new("t", QoS::AtLeastOnce, "x").unwrap();
    let mut answer = wire.put(publication.message_expiry_interval(60 * SECOND));
    // The monotonic clock stands still in suspend.
    wire.now.wall += 61 * SECOND;
    wire.accept(false, 100);
    assert_eq!(wire.sent(), []);
    assert!(matches!(answer.try_recv(), Ok(Err(Error::Expired { .. }))));
}

/// Or the loop around the session would go round and round without a pause.
#[test]
fn a_pause_that_is_over_while_another_message_is_sent_alone_is_not_waited_for() {
    let mut wire = Wire::new(100);
    let _answers = [(); 2].map(|()| wire.publish("t", QoS::AtLeastOnce, b"x"));
    let ids = publish_ids(&wire.sent());
    wire.receive(refusal(ids[1], PubAckReason::QuotaExceeded)).unwrap();
    wire.session.disconnected(&hung_up(), wire.now);
    wire.accept(false, 100);
    assert_eq!(wire.sent().len(), 1);
    wire.pass(2 * SECOND).unwrap();
    assert_eq!(wire.sent(), []);
    assert!(wire.session.deadline(wire.now).unwrap() > wire.now.instant);
}
