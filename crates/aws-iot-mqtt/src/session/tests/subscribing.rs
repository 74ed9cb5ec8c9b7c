//! Subscriptions: asked for, refused, ended.

use super::*;

#[test]
fn a_refused_subscription_names_the_filter_and_the_policy_and_leaves_nothing_behind() {
    let mut wire = Wire::new(100);
    let mut answer = wire.subscribe("a/#");
    wire.receive(suback(1, SubscribeReasonCode::NotAuthorized)).unwrap();
    let words = answer.try_recv().unwrap().unwrap_err().to_string();
    assert!(words.contains("'a/#'") && words.contains("iot:Subscribe"), "{words}");
    wire.sent();
    wire.session.room_in_queues();
    assert_eq!(wire.sent(), [], "what was refused is not unsubscribed");
}

#[test]
fn the_51st_subscription_is_refused_here() {
    let mut wire = Wire::new(100);
    let _held: Vec<_> = (0..50).map(|n| wire.subscribed(&format!("t/{n}"))).collect();
    let words = wire.subscribe("one/more").try_recv().unwrap().unwrap_err().to_string();
    assert!(words.contains("51 subscriptions, but AWS IoT Core allows at most 50"), "{words}");
    assert_eq!(wire.sent(), []);
}

#[test]
fn what_is_ended_again_before_it_was_asked_for_takes_no_place() {
    let mut wire = Wire::offline(unpaced());
    let mut answers: Vec<_> = (0..60).map(|_| (wire.subscribe("a"), wire.unsubscribe("a"))).collect();
    assert!(answers.iter_mut().all(|(answer, _)| answer.try_recv().is_err()), "all wait");
    let mut held: Vec<_> = (0..50).map(|n| wire.subscribe(&format!("t/{n}"))).collect();
    assert!(held.iter_mut().all(|answer| answer.try_recv().is_err()), "and so do 50 that stay");
    assert!(matches!(wire.subscribe("one/more").try_recv(), Ok(Err(Error::Limit { .. }))));
}

#[test]
fn the_same_filter_twice_is_unsubscribed_once_both_are_gone() {
    let mut wire = Wire::new(100);
    let (one, two) = (wire.subscribed("a"), wire.subscribed("a"));
    drop(one);
    wire.session.room_in_queues();
    assert_eq!(wire.sent(), []);
    drop(two);
    wire.session.room_in_queues();
    assert!(matches!(&wire.sent()[..], [Packet::Unsubscribe(_)]));
}

#[test]
fn many_filters_go_in_as_few_packets_as_the_limit_allows_each_with_its_own_answer() {
    let mut wire = Wire::new(100);
    let (wanted, mut answers): (Vec<_>, Vec<_>) = (0..20)
        .map(|n| {
            let (answer, answered) = oneshot::channel();
            let filter: Filter = format!("t/{n}").parse().unwrap();
            (Wanted::new(filter, QoS::AtLeastOnce, false, answer), answered)
        })
        .unzip();
    wire.session.command(Command::Subscribe(wanted));
    let sent = wire.sent();
    let sizes: Vec<_> =
        sent.iter().map(|p| if let Packet::Subscribe(p) = p { p.filters.len() } else { 0 }).collect();
    assert_eq!(sizes, [8, 8, 4]);
    let agreed = SubscribeReasonCode::Success(WireQoS::AtLeastOnce);
    let mut codes = vec![agreed; 8];
    codes[3] = SubscribeReasonCode::NotAuthorized;
    wire.receive(Packet::SubAck(SubAck { pkid: 2, return_codes: codes, properties: None })).unwrap();
    let answered: Vec<_> =
        answers.iter_mut().map(|answer| answer.try_recv().ok().map(|a| a.is_ok())).collect();
    assert_eq!(answered[..8], [None; 8]);
    let (mut expected, refused) = ([Some(true); 8], 3);
    expected[refused] = Some(false);
    assert_eq!(answered[8..16], expected);
    // An answer with too few codes refuses the rest.
    wire.receive(suback(3, agreed)).unwrap();
    let answered: Vec<_> =
        answers[16..].iter_mut().map(|answer| answer.try_recv().unwrap().is_ok()).collect();
    assert_eq!(answered, [true, false, false, false]);
}

#[test]
fn unsubscribing_ends_the_stream_and_waits_for_the_answer() {
    let mut wire = Wire::new(100);
    let mut subscription = wire.subscribed("a");
    for (reason, good) in [(UnsubAckReason::Success, true), (UnsubAckReason::NotAuthorized, false)] {
        let mut answered = wire.unsubscribe("a");
        let sent = wire.sent();
        let [Packet::Unsubscribe(packet)] = &sent[..] else { panic!("{sent:?}") };
        assert!(answered.try_recv().is_err());
        let ack = UnsubAck { pkid: packet.pkid, reasons: vec![reason], properties: None };
        wire.receive(Packet::UnsubAck(ack)).unwrap();
        assert_eq!(answered.try_recv().unwrap().is_ok(), good);
    }
    assert!(matches!(
        subscription.queue.try_recv(),
        Err(tokio::sync::mpsc::error::TryRecvError::Disconnected)
    ));
}

#[test]
fn what_is_asked_without_a_connection_goes_out_with_the_next_one() {
    let mut wire = Wire::offline(unpaced());
    let answered = wire.subscribe("a");
    assert_eq!(wire.sent(), []);
    wire.session.connected(granted::tests::granted(100, &unpaced()), wire.now);
    assert_eq!(wire.agreed(answered).filter().as_str(), "a");
}

fn unsuback(id: u16) -> Packet {
    Packet::UnsubAck(UnsubAck { pkid: id, reasons: vec![UnsubAckReason::Success], properties: None })
}

fn stands(subscription: &mut Subscription) -> bool {
    use tokio::sync::mpsc::error::TryRecvError;
    subscription.queue.try_recv() == Err(TryRecvError::Empty)
}

const AGREED: SubscribeReasonCode = SubscribeReasonCode::Success(WireQoS::AtLeastOnce);

#[test]
fn the_last_word_on_a_filter_is_kept_also_where_all_words_wait_for_a_connection() {
    // What the application asks for in a row, and whether the filter stands in the end.
    for (case, words) in [
        ("subscribed and unsubscribed", &[true, false][..]),
        ("unsubscribed and subscribed", &[false, true]),
        ("back and forth", &[true, false, true, false]),
        ("and back", &[true, false, true, false, true]),
    ] {
        let mut wire = Wire::offline(unpaced());
        let (mut subscribing, mut unsubscribing) = (Vec::new(), Vec::new());
        for subscribes in words {
            match subscribes {
                true => subscribing.push(wire.subscribe("a")),
                false => unsubscribing.push(wire.unsubscribe("a")),
            }
        }
        wire.session.connected(granted::tests::granted(100, &unpaced()), wire.now);
        let mut told = Vec::new();
        for packet in wire.sent() {
            let (word, answer) = match packet {
                Packet::Subscribe(packet) => (true, suback(packet.pkid, AGREED)),
                Packet::Unsubscribe(packet) => (false, unsuback(packet.pkid)),
                other => panic!("{case}: {other:?}"),
            };
            told.push(word);
            wire.receive(answer).unwrap();
        }
        assert_eq!(told, words, "{case}");
        assert!(unsubscribing.iter_mut().all(|answer| answer.try_recv().unwrap().is_ok()), "{case}");
        let mut subscriptions: Vec<_> =
            subscribing.iter_mut().map(|answer| answer.try_recv().unwrap().unwrap()).collect();
        let last = subscriptions.len() - 1;
        for (number, subscription) in subscriptions.iter_mut().enumerate() {
            assert_eq!(stands(subscription), number == last && words.ends_with(&[true]), "{case}: {number}");
        }
    }
}

#[test]
fn what_a_lost_connection_left_unanswered_is_asked_again_in_order_and_first() {
    let mut wire = Wire::new(100);
    let _answers = (wire.subscribe("a"), wire.unsubscribe("a"), wire.subscribe("b"));
    assert_eq!(wire.sent().len(), 3);
    wire.session.disconnected();
    let _later = (wire.unsubscribe("b"), wire.subscribe("c"));
    wire.session.connected(granted::tests::granted(100, &unpaced()), wire.now);
    let word = |packet: &Packet| match packet {
        Packet::Subscribe(packet) => format!("+{}", packet.filters[0].path),
        Packet::Unsubscribe(packet) => format!("-{}", packet.filters[0]),
        other => panic!("{other:?}"),
    };
    assert_eq!(wire.sent().iter().map(word).collect::<Vec<_>>(), ["+a", "-a", "+b", "-b", "+c"]);
}

#[test]
fn an_unsubscription_that_was_overtaken_is_not_asked_again() {
    let mut wire = Wire::new(100);
    drop(wire.subscribed("a"));
    let mut ended = wire.unsubscribe("a");
    wire.sent();
    // The server answers the second subscription, and the connection is gone before the answer to the first end.
    let mut subscription = wire.subscribed("a");
    wire.reconnect(true);
    assert_eq!(wire.sent(), []);
    assert!(ended.try_recv().unwrap().is_ok());
    wire.receive(message("a", 0)).unwrap();
    assert!(subscription.queue.try_recv().is_ok());
}
