//! Acknowledgements that the application gives, and messages that wait over a reconnect.

use super::*;

#[test]
fn what_the_application_acknowledges_goes_out_in_the_order_of_arrival() {
    let mut wire = Wire::new(100);
    let answered = wire.want("m", true);
    let mut manual = wire.agreed(answered);
    for id in 1..=3 {
        wire.receive(message("m", id)).unwrap();
    }
    assert_eq!(wire.sent(), []);
    let messages: Vec<_> = (0..3).map(|_| manual.queue.try_recv().unwrap()).collect();
    messages[2].acknowledge();
    wire.session.room_in_queues();
    assert_eq!(wire.sent(), [], "the first is missing");
    messages[0].acknowledge();
    messages[0].acknowledge();
    wire.session.room_in_queues();
    assert_eq!(puback_ids(&wire.sent()), [1]);
    messages[1].clone().acknowledge();
    wire.session.room_in_queues();
    assert_eq!(puback_ids(&wire.sent()), [2, 3]);
}

#[test]
fn where_two_subscriptions_have_a_message_both_have_to_agree() {
    let mut wire = Wire::new(100);
    let answered = wire.want("m/+", true);
    let mut one = wire.agreed(answered);
    let answered = wire.want("m/#", true);
    let mut other = wire.agreed(answered);
    let mut automatic = wire.subscribed("#");
    wire.receive(message("m/1", 7)).unwrap();
    one.queue.try_recv().unwrap().acknowledge();
    automatic.queue.try_recv().unwrap().acknowledge();
    wire.session.room_in_queues();
    assert_eq!(wire.sent(), []);
    other.queue.try_recv().unwrap().acknowledge();
    wire.session.room_in_queues();
    assert_eq!(puback_ids(&wire.sent()), [7]);
}

#[test]
fn an_acknowledgement_for_an_earlier_connection_is_not_sent() {
    let mut wire = Wire::new(100);
    let answered = wire.want("m", true);
    let mut manual = wire.agreed(answered);
    wire.receive(message("m", 1)).unwrap();
    let late = manual.queue.try_recv().unwrap();
    wire.reconnect(true);
    wire.sent();
    wire.receive(message("m", 1)).unwrap();
    late.acknowledge();
    wire.session.room_in_queues();
    assert_eq!(wire.sent(), [], "it is not the one that came now");
    manual.queue.try_recv().unwrap().acknowledge();
    wire.session.room_in_queues();
    assert_eq!(puback_ids(&wire.sent()), [1]);
}

#[test]
fn what_waits_for_a_slow_reader_is_not_lost_with_a_session_that_the_server_forgot() {
    for (session_present, expected) in [(false, QUEUE + 5), (true, QUEUE)] {
        let mut wire = Wire::new(100);
        let mut slow = wire.subscribed("slow");
        for id in 1..=QUEUE as u16 + 5 {
            wire.receive(message("slow", id)).unwrap();
        }
        wire.reconnect(session_present);
        wire.sent();
        let mut read = 0;
        while slow.queue.try_recv().is_ok() {
            read += 1;
            wire.session.room_in_queues();
        }
        // A server that has kept the session sends the others again.
        assert_eq!(read, expected, "session present: {session_present}");
        assert_eq!(wire.sent(), [], "and nobody is left to acknowledge them to");
    }
}
