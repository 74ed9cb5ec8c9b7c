//! Subscriptions: asked for, refused, ended.

use super::*;
use crate::RetainHandling;

#[test]
fn a_refused_subscription_names_the_filter_and_the_policy_and_leaves_nothing_behind() {
    let mut wire = Wire::new(100);
    let mut stream = wire.subscribe("a/#");
    wire.sent();
    wire.receive(suback(1, SubscribeReasonCode::NotAuthorized)).unwrap();
    let words = stream.answered.try_recv().unwrap().unwrap_err().to_string();
    assert!(words.contains("'a/#'") && words.contains("iot:Subscribe"), "{words}");
    drop(stream);
    wire.session.woken();
    assert_eq!(wire.sent(), [], "what was refused is not unsubscribed");
}

#[test]
fn the_51st_subscription_is_refused_here() {
    let mut wire = Wire::new(100);
    let _held: Vec<_> = (0..50).map(|n| wire.subscribed(&format!("t/{n}"))).collect();
    let words = wire.subscribe("one/more").answered.try_recv().unwrap().unwrap_err().to_string();
    assert!(words.contains("51 subscriptions, but AWS IoT Core allows at most 50"), "{words}");
    assert_eq!(wire.sent(), []);
}

#[test]
fn what_is_gone_takes_no_place_of_the_limit() {
    type Gone = fn(&mut Wire);
    let gone: [(&str, Gone); 4] = [
        ("dropped", |wire| drop(wire.subscribed("gone"))),
        ("cancelled", |wire| drop(wire.subscribe("gone"))),
        ("unsubscribed", |wire| {
            let _stream = wire.subscribe("gone");
            drop(wire.unsubscribe("gone"));
        }),
        ("refused", |wire| {
            let mut stream = wire.subscribe("gone");
            let id = match wire.sent().last() {
                Some(Packet::Subscribe(packet)) => packet.pkid,
                other => panic!("{other:?}"),
            };
            wire.receive(suback(id, SubscribeReasonCode::NotAuthorized)).unwrap();
            stream.answered.try_recv().unwrap().unwrap_err();
        }),
    ];
    for (case, gone) in gone {
        let mut wire = Wire::new(100);
        for _ in 0..60 {
            gone(&mut wire);
        }
        let mut held: Vec<_> = (0..50).map(|n| wire.subscribe(&format!("t/{n}"))).collect();
        // The same filter once more is not one more.
        held.push(wire.subscribe("t/0"));
        assert!(
            held.iter_mut().all(|stream| stream.answered.try_recv().is_err()),
            "{case}: all wait for the server"
        );
        let refused = wire.subscribe("one/more").answered.try_recv();
        assert!(matches!(refused, Ok(Err(Error::Limit { .. }))), "{case}");
    }
}

#[test]
fn the_same_filter_twice_keeps_the_higher_qos_and_is_unsubscribed_once_both_are_gone() {
    let mut wire = Wire::new(100);
    let one = wire.subscribed("a");
    let other = wire.subscribe_with(SubscribeOptions::new("a", QoS::AtMostOnce).unwrap());
    let sent = wire.sent();
    let [Packet::Subscribe(packet)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(packet.filters[0].qos, WireQoS::AtLeastOnce, "the first stream still wants QoS 1");
    wire.receive(suback(packet.pkid, AGREED)).unwrap();
    drop(one);
    wire.session.woken();
    assert_eq!(wire.sent(), []);
    drop(other);
    wire.session.woken();
    assert!(matches!(&wire.sent()[..], [Packet::Unsubscribe(_)]));
}

#[test]
fn a_further_stream_that_is_refused_does_not_end_the_first() {
    let mut wire = Wire::new(100);
    let mut first = wire.subscribed("a");
    let mut further = wire.subscribe("a");
    let id = match &wire.sent()[..] {
        [Packet::Subscribe(packet)] => packet.pkid,
        other => panic!("{other:?}"),
    };
    wire.receive(suback(id, SubscribeReasonCode::QuotaExceeded)).unwrap();
    assert!(further.answered.try_recv().unwrap().is_err());
    wire.receive(message("a", 0)).unwrap();
    assert!(first.messages.try_next().is_some());
}

#[test]
fn many_filters_go_in_as_few_packets_as_the_limit_allows_each_with_its_own_answer() {
    let mut wire = Wire::new(100);
    let (mut requests, mut streams) = (Vec::new(), Vec::new());
    for n in 0..20 {
        let (answer, answered) = oneshot::channel();
        let options = SubscribeOptions::new(format!("t/{n}"), QoS::AtLeastOnce).unwrap();
        let (request, messages) = wire.request(options, Some(answer));
        requests.push(request);
        streams.push(Stream { answered, messages });
    }
    wire.session.command(Command::Subscribe(requests), wire.now);
    let sizes: Vec<_> =
        wire.sent().iter().map(|p| if let Packet::Subscribe(p) = p { p.filters.len() } else { 0 }).collect();
    assert_eq!(sizes, [8, 8, 4]);
    let mut codes = vec![AGREED; 8];
    codes[3] = SubscribeReasonCode::NotAuthorized;
    wire.receive(Packet::SubAck(SubAck { pkid: 2, return_codes: codes, properties: None })).unwrap();
    let mut answered = || {
        streams
            .iter_mut()
            .map(|stream| stream.answered.try_recv().ok().map(|a| a.is_ok()))
            .collect::<Vec<_>>()
    };
    let mut expected = [None; 20];
    expected[8..16].fill(Some(true));
    expected[11] = Some(false);
    assert_eq!(answered(), expected);
}

#[test]
fn the_options_of_a_subscription_go_out() {
    let mut wire = Wire::new(100);
    let options = SubscribeOptions::new("a", QoS::AtMostOnce).unwrap();
    let options = options.no_local().retain_as_published().retain_handling(RetainHandling::DoNotSend);
    let _stream = wire.subscribe_with(options);
    let sent = wire.sent();
    let [Packet::Subscribe(packet)] = &sent[..] else { panic!("{sent:?}") };
    let filter = &packet.filters[0];
    assert!(filter.nolocal && filter.preserve_retain);
    assert_eq!(filter.retain_forward_rule, rumqttc::v5::mqttbytes::v5::RetainForwardRule::Never);
}

#[test]
fn unsubscribing_ends_the_stream_and_waits_for_the_answer() {
    let mut wire = Wire::new(100);
    let stream = wire.subscribed("a");
    for (reason, good) in [(UnsubAckReason::Success, true), (UnsubAckReason::NotAuthorized, false)] {
        let mut answered = wire.unsubscribe("a");
        let sent = wire.sent();
        let [Packet::Unsubscribe(packet)] = &sent[..] else { panic!("{sent:?}") };
        assert!(answered.try_recv().is_err());
        let ack = UnsubAck { pkid: packet.pkid, reasons: vec![reason], properties: None };
        wire.receive(Packet::UnsubAck(ack)).unwrap();
        assert_eq!(answered.try_recv().unwrap().is_ok(), good);
    }
    assert!(stream.messages.has_ended());
}

#[test]
fn what_is_asked_without_a_connection_goes_out_with_the_next_one() {
    let mut wire = Wire::offline(unpaced());
    let stream = wire.subscribe("a");
    assert_eq!(wire.sent(), []);
    wire.accept(false, 100);
    wire.agree(stream);
}

#[test]
fn the_last_request_for_a_filter_decides_wherever_the_others_were_when_it_came() {
    // What the application asks for in a row, and what the server has to be told where all of it waits for a connection.
    for (requests, expected) in [
        (&[true, false][..], &[][..]),
        (&[false, true], &[true]),
        (&[true, false, true, false], &[]),
        (&[true, false, true, false, true], &[true]),
    ] {
        for connected in [false, true] {
            let mut wire = Wire::offline(unpaced());
            if connected {
                wire.accept(false, 100);
            }
            let (mut streams, mut unsubscribing) = (Vec::new(), Vec::new());
            for subscribes in requests {
                match subscribes {
                    true => streams.push(wire.subscribe("a")),
                    false => unsubscribing.push(wire.unsubscribe("a")),
                }
            }
            if !connected {
                wire.accept(false, 100);
            }
            let (mut told, mut has) = (Vec::new(), false);
            loop {
                let sent = wire.sent();
                if sent.is_empty() {
                    break;
                }
                for packet in sent {
                    let answer = match packet {
                        Packet::Subscribe(packet) => {
                            has = true;
                            suback(packet.pkid, AGREED)
                        }
                        Packet::Unsubscribe(packet) => {
                            has = false;
                            unsuback(packet.pkid)
                        }
                        other => panic!("{other:?}"),
                    };
                    told.push(has);
                    wire.receive(answer).unwrap();
                }
            }
            let case = format!("{requests:?}, connected: {connected}: {told:?}");
            if !connected {
                let told: Vec<bool> = told.into_iter().skip_while(|subscribed| !subscribed).collect();
                assert_eq!(told, expected, "{case}");
            }
            assert_eq!(has, requests.ends_with(&[true]), "{case}");
            assert!(unsubscribing.iter_mut().all(|answer| answer.try_recv().unwrap().is_ok()), "{case}");
            let last = streams.len() - 1;
            for (number, stream) in streams.iter_mut().enumerate() {
                assert!(stream.answered.try_recv().unwrap().is_ok(), "{case}");
                let stands = number == last && requests.ends_with(&[true]);
                assert_eq!(stream.messages.has_ended(), !stands, "{case}: {number}");
            }
        }
    }
}

#[test]
fn what_a_lost_connection_left_unanswered_is_asked_again_where_it_is_still_wanted() {
    let mut wire = Wire::new(100);
    let ends = wire.subscribed("ends");
    let (_a, _unsubscribe, _b) = (wire.subscribe("a"), wire.unsubscribe("ends"), wire.subscribe("b"));
    drop(ends);
    assert_eq!(wire.sent().len(), 3);
    wire.session.disconnected(&hung_up(), wire.now);
    let (_unsubscribe_b, _c) = (wire.unsubscribe("b"), wire.subscribe("c"));
    wire.accept(true, 100);
    // One at a time, since the server hung up on one of them: each is answered.
    let mut told = Vec::new();
    loop {
        let sent = wire.sent();
        if sent.is_empty() {
            break;
        }
        for packet in sent {
            let answer = match packet {
                Packet::Subscribe(packet) => {
                    told.extend(packet.filters.iter().map(|filter| format!("+{}", filter.path)));
                    let return_codes = vec![AGREED; packet.filters.len()];
                    Packet::SubAck(SubAck { pkid: packet.pkid, return_codes, properties: None })
                }
                Packet::Unsubscribe(packet) => {
                    told.extend(packet.filters.iter().map(|filter| format!("-{filter}")));
                    let reasons = vec![UnsubAckReason::Success; packet.filters.len()];
                    Packet::UnsubAck(UnsubAck { pkid: packet.pkid, reasons, properties: None })
                }
                other => panic!("{other:?}"),
            };
            wire.receive(answer).unwrap();
        }
    }
    told.sort();
    assert_eq!(told, ["+a", "+c", "-b", "-ends"]);
}

#[test]
fn an_unsubscription_that_was_overtaken_is_not_asked_again() {
    let mut wire = Wire::new(100);
    drop(wire.subscribed("a"));
    let mut ended = wire.unsubscribe("a");
    wire.sent();
    let mut stream = wire.subscribe("a");
    wire.reconnect(true);
    let sent = wire.sent();
    let [Packet::Subscribe(packet)] = &sent[..] else { panic!("{sent:?}") };
    assert!(ended.try_recv().unwrap().is_ok());
    wire.receive(suback(packet.pkid, AGREED)).unwrap();
    wire.receive(message("a", 0)).unwrap();
    assert!(stream.messages.try_next().is_some());
}

#[test]
fn an_answer_with_more_or_fewer_reason_codes_than_filters_is_a_protocol_error() {
    for codes in [2_usize, 3] {
        let mut wire = Wire::new(100);
        let mut stream = wire.subscribe("t");
        let Some(Packet::Subscribe(subscribe)) = wire.sent().pop() else { panic!("no SUBSCRIBE") };
        let answer = SubAck { pkid: subscribe.pkid, return_codes: vec![AGREED; codes], properties: None };
        let words = wire.receive(Packet::SubAck(answer)).unwrap_err().report().to_string();
        assert!(words.contains(&format!("a SUBACK with {codes} reason codes, where 1 had")), "{words}");
        assert!(stream.answered.try_recv().is_err(), "it is asked again on the next connection");

        let mut wire = Wire::new(100);
        let _stream = wire.subscribed("t");
        let mut ended = wire.unsubscribe("t");
        let Some(Packet::Unsubscribe(unsubscribe)) = wire.sent().pop() else { panic!("no UNSUBSCRIBE") };
        let reasons = vec![UnsubAckReason::Success; codes];
        let answer = UnsubAck { pkid: unsubscribe.pkid, reasons, properties: None };
        let words = wire.receive(Packet::UnsubAck(answer)).unwrap_err().report().to_string();
        assert!(words.contains(&format!("an UNSUBACK with {codes} reason codes")), "{words}");
        assert!(ended.try_recv().is_err());
    }
}
