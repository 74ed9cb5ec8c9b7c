//! The faults of the broker, each switched on by a test and seen on the wire.

use std::time::{Duration, Instant};

use aws_iot_sim::{Answer, AwsIotSim, Fault};
use test_peers::Issued;

use crate::support::client::{Client, Tls, connect, connect_kept, packet, publish, subscribe};
use crate::support::{ALLOW_ALL, device, policy, sim};

const PING: [u8; 2] = [0xc0, 0];
const PONG: [u8; 2] = [0xd0, 0];

fn bench() -> (AwsIotSim, Issued, Client) {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let client = Client::connected(&sim, &issued, "d");
    (sim, issued, client)
}

fn topics(sim: &AwsIotSim) -> Vec<String> {
    sim.received().into_iter().map(|message| message.topic).collect()
}

#[test]
fn a_denial_closes_the_connection_instead_of_being_told() {
    let sim = sim();
    let issued = device(&sim, "d", &policy(&[("iot:Connect", &["client/*"])]));
    let denied = [
        ("PUBLISH at QoS 0", publish("t", 0, b"x"), None),
        ("PUBLISH at QoS 1", publish("t", 1, b"x"), Some(0x40)),
        ("SUBSCRIBE", subscribe(1, &[("t", 1)]), Some(0x90)),
    ];
    for (name, bytes, answer) in &denied {
        sim.inject(Fault::CloseOnDeny);
        let mut client = Client::connected(&sim, &issued, "d");
        client.send(bytes);
        client.ended();
        assert!(sim.clear_fault(&Fault::CloseOnDeny), "{name}");
        let Some(answer) = answer else { continue };
        let mut client = Client::connected(&sim, &issued, "d");
        client.send(bytes);
        assert_eq!(client.receive()[0], *answer, "{name}: told without the fault");
    }
}

#[test]
fn answers_are_withheld_and_the_request_is_carried_out() {
    let (sim, _issued, mut client) = bench();
    let unsubscribe = packet(0xa2, b"\0\x01\0\0\x01t");
    let cases = [
        (Answer::Suback, subscribe(1, &[("t", 0)]), 0x90),
        (Answer::Puback, publish("other", 1, b"x"), 0x40),
        (Answer::Unsuback, unsubscribe, 0xb0),
    ];
    for (answer, request, first) in cases {
        sim.inject_times(Fault::Withhold(answer), 1);
        client.send(&request);
        if answer == Answer::Suback {
            client.send(&publish("t", 0, b"x"));
            assert_eq!(client.receive()[0], 0x30, "subscribed all the same");
        }
        client.send(&PING);
        assert_eq!(client.receive(), PONG, "{answer:?} is withheld");
        client.send(&request);
        assert_eq!(client.receive()[0], first, "{answer:?}, the second time");
    }
    sim.inject_times(Fault::Withhold(Answer::Pingresp), 1);
    client.send(&PING);
    client.send(&publish("last", 1, b"x"));
    assert_eq!(client.receive()[0], 0x40, "no PINGRESP before it");
    assert_eq!(topics(&sim), ["t", "other", "other", "last"]);
}

#[test]
fn a_connack_is_withheld() {
    let (sim, issued, _client) = bench();
    sim.inject_times(Fault::Withhold(Answer::Connack), 1);
    let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
    client.send(&connect("quiet", 60));
    client.send(&PING);
    assert_eq!(client.receive(), PONG, "connected, and not told");
    assert_eq!(sim.connections(), ["d", "quiet"]);
    drop(Client::connected(&sim, &issued, "another"));
}

#[test]
fn a_throttled_publish_is_lost_while_the_connection_stays() {
    let (sim, _issued, mut client) = bench();
    sim.inject(Fault::Throttle);
    client.send(&publish("lost", 1, b"x"));
    client.send(&publish("lost", 0, b"x"));
    client.send(&PING);
    assert_eq!(client.receive(), PONG);
    sim.clear_faults();
    client.send(&publish("taken", 2, b"x"));
    assert_eq!(client.receive(), [0x40, 2, 0, 2]);
    assert_eq!(topics(&sim), ["taken"]);
}

#[test]
fn a_quota_that_is_exceeded_is_told_with_its_reason_code() {
    let (sim, _issued, mut client) = bench();
    sim.inject_times(Fault::QuotaExceeded, 2);
    client.send(&publish("refused", 1, b"x"));
    assert_eq!(client.receive(), [0x40, 4, 0, 1, 0x97, 0]);
    client.send(&publish("refused", 0, b"x"));
    client.send(&publish("taken", 2, b"x"));
    assert_eq!(client.receive(), [0x40, 2, 0, 2], "QoS 0 is dropped and nothing more");
    assert_eq!(topics(&sim), ["taken"]);
}

#[test]
fn connections_are_closed_after_connect_as_often_as_asked() {
    let (sim, issued, _client) = bench();
    sim.inject(Fault::CloseAfterConnect.times(2));
    for _ in 0..2 {
        let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
        client.send(&connect("e", 60));
        client.ended();
    }
    drop(Client::connected(&sim, &issued, "e"));
}

#[test]
fn session_present_is_what_the_fault_says() {
    let (sim, issued, _client) = bench();
    for (clean_start, claimed) in [(true, true), (false, false)] {
        drop(Client::resumed(&sim, &issued, "kept"));
        sim.inject_times(Fault::SessionPresent(claimed), 1);
        let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
        client.send(&connect_kept("kept", clean_start, 3600));
        assert_eq!(client.receive()[2], u8::from(claimed), "clean start: {clean_start}");
    }
}

#[test]
fn a_second_connect_within_a_second_is_refused() {
    let (sim, issued, _client) = bench();
    sim.inject(Fault::ConnectRate);
    // The two come within a second unless the machine is very busy: so more than one attempt.
    let refused = (0..20).any(|_| {
        let mut clients = [(); 2].map(|()| Client::open(&sim, &Tls::of(&issued)).unwrap());
        for client in &mut clients {
            client.send(&connect("fast", 60));
        }
        clients.iter_mut().any(|client| client.receive().get(..4) == Some(&[0x20, 3, 0, 0x97]))
    });
    assert!(refused);
    sim.clear_faults();
    for _ in 0..2 {
        drop(Client::connected(&sim, &issued, "fast"));
    }
}

#[test]
fn a_slow_link_carries_no_more_than_its_rate_in_each_direction() {
    let (sim, _issued, mut client) = bench();
    client.send(&subscribe(1, &[("t", 0)]));
    client.receive();
    sim.inject(Fault::SlowLink { bytes_per_second: 20_000 });
    let begun = Instant::now();
    let payload = vec![b'x'; 20_000];
    client.send(&publish("t", 0, &payload));
    assert!(client.receive().ends_with(&payload), "all of it arrives");
    // One second to the broker and one back; the first portion is free.
    assert!(begun.elapsed() > Duration::from_millis(1500), "{:?}", begun.elapsed());
}
