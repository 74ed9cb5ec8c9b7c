//! Sequences of packets and commands that nobody has thought of.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Publish(bool),
    Subscribe(u8),
    Drop(u8),
    Bytes(Vec<u8>),
    PubAck(u16),
    SubAck(u16, Vec<bool>),
    UnsubAck(u16),
    Message(u16, bool),
    Acknowledge,
    Reconnect(bool),
    Time(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let id = 1_u16..20;
    prop_oneof![
        4 => any::<bool>().prop_map(Step::Publish),
        1 => (0_u8..4).prop_map(Step::Subscribe),
        1 => any::<u8>().prop_map(Step::Drop),
        1 => proptest::collection::vec(any::<u8>(), 0..20).prop_map(Step::Bytes),
        4 => id.clone().prop_map(Step::PubAck),
        2 => (id.clone(), proptest::collection::vec(any::<bool>(), 1..4)).prop_map(|(id, c)| Step::SubAck(id, c)),
        1 => id.clone().prop_map(Step::UnsubAck),
        4 => (id, any::<bool>()).prop_map(|(id, qos)| Step::Message(id, qos)),
        2 => Just(Step::Acknowledge),
        1 => any::<bool>().prop_map(Step::Reconnect),
        1 => (0_u16..100).prop_map(Step::Time),
    ]
}

proptest! {
    /// No panic; an error, where it is one, is followed by a reconnect; each message is answered at most once, no
    /// packet id is used twice, the server's window is kept; and in the end everything that was accepted is sent.
    #[test]
    fn any_sequence_leaves_the_session_sound(steps in proptest::collection::vec(step(), 1..80)) {
        let mut wire = Wire::new(5);
        let (mut subscribing, mut subscriptions, mut unread) = (Vec::new(), Vec::new(), Vec::new());
        let mut answers = Vec::new();
        for step in steps {
            let mut result = Ok(());
            match step {
                Step::Publish(qos1) => {
                    let qos = if qos1 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                    answers.push(wire.publish("t/1", qos, b"x"));
                }
                Step::Subscribe(n) => {
                    let filter = ["t/+", "t/1", "#", "other"][usize::from(n)];
                    subscribing.push(wire.want(filter, n % 2 == 0));
                }
                Step::Drop(n) => if !subscriptions.is_empty() {
                    drop(subscriptions.swap_remove(usize::from(n) % subscriptions.len()));
                    wire.session.room_in_queues();
                },
                Step::Bytes(bytes) => result = wire.session.received(&mut BytesMut::from(&bytes[..]), wire.now),
                Step::PubAck(id) => result = wire.receive(puback(id)),
                Step::SubAck(id, codes) => {
                    let code = |good: bool| match good {
                        true => SubscribeReasonCode::Success(WireQoS::AtLeastOnce),
                        false => SubscribeReasonCode::NotAuthorized,
                    };
                    let return_codes = codes.into_iter().map(code).collect();
                    result = wire.receive(Packet::SubAck(SubAck { pkid: id, return_codes, properties: None }));
                }
                Step::UnsubAck(id) => {
                    let reasons = vec![UnsubAckReason::Success];
                    result = wire.receive(Packet::UnsubAck(UnsubAck { pkid: id, reasons, properties: None }));
                }
                Step::Message(id, qos1) => result = wire.receive(message("t/1", if qos1 { id } else { 0 })),
                Step::Acknowledge => {
                    for subscription in &mut subscriptions {
                        let subscription: &mut Subscription = subscription;
                        unread.extend(std::iter::from_fn(|| subscription.queue.try_recv().ok()));
                    }
                    unread.drain(..).for_each(|message: crate::Message| message.acknowledge());
                    wire.session.room_in_queues();
                }
                Step::Reconnect(present) => wire.reconnect(present),
                Step::Time(seconds) => {
                    wire.now += std::time::Duration::from_secs(seconds.into());
                    result = wire.session.timer(wire.now);
                }
            }
            if result.is_err() {
                wire.reconnect(false);
            }
            wire.session.send(wire.now);
            wire.settle();
            subscribing.retain_mut(|answered| match answered.try_recv() {
                Ok(Ok(subscription)) => { subscriptions.push(subscription); false }
                Ok(Err(_)) => false,
                Err(_) => true,
            });
            prop_assert!(wire.session.pending.publishes() <= 100);
            wire.session.out().clear();
        }
        // A server that behaves.
        wire.reconnect(false);
        let mut silent = 0;
        while wire.session.unacknowledged() > 0 && silent < 3 {
            let sent = wire.sent();
            silent = if sent.is_empty() { silent + 1 } else { 0 };
            let mut ids: Vec<u16> = Vec::new();
            for packet in sent {
                if let Packet::Publish(publish) = packet && publish.pkid > 0 {
                    prop_assert!(!ids.contains(&publish.pkid));
                    ids.push(publish.pkid);
                }
            }
            for id in ids {
                wire.receive(puback(id)).unwrap();
            }
            wire.session.send(wire.now);
            wire.settle();
        }
        prop_assert_eq!(wire.session.unacknowledged(), 0);
        for answer in &mut answers {
            prop_assert!(answer.try_recv().is_ok(), "an accepted message without an answer");
        }
    }
}
