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
        let (answer, mut answered) = oneshot::channel();
        wire.session.command(Command::Unsubscribe("a".parse().unwrap(), answer));
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
