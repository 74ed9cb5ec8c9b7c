//! Sessions that outlive their connections, seen by a client that writes its packets byte by byte.

use aws_iot_sim::AwsIotSim;
use test_peers::Issued;

use crate::support::client::{Client, Tls};
use crate::support::packets::{PING, PONG, connack_properties, connect_kept, packet, publish, subscribe};
use crate::support::{ALLOW_ALL, device, sim};

fn bench() -> (AwsIotSim, Issued, Client) {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let sender = Client::connected(&sim, &issued, "sender");
    (sim, issued, sender)
}

fn send(sender: &mut Client, topic: &str, payload: &str) {
    sender.send(&publish(topic, 1, payload.as_bytes()));
    assert_eq!(sender.receive()[0], 0x40);
}

/// The first byte, the packet id and the payload of a QoS 1 message under a topic of one letter.
fn message(client: &mut Client) -> (u8, [u8; 2], String) {
    let packet = client.receive();
    assert_eq!(packet[0] & 0xf2, 0x32, "a message at QoS 1, not {packet:02x?}");
    (packet[0], [packet[5], packet[6]], String::from_utf8(packet[8..].to_vec()).unwrap())
}

#[test]
fn what_comes_while_a_client_is_away_is_stored_and_what_it_had_not_acknowledged_comes_again() {
    let (sim, issued, mut sender) = bench();
    let (mut client, present) = Client::resumed(&sim, &issued, "d");
    assert!(!present);
    client.send(&subscribe(1, &[("a", 1), ("b", 0)]));
    client.receive();
    send(&mut sender, "a", "acknowledged");
    send(&mut sender, "a", "not acknowledged");
    let (_, first, _) = message(&mut client);
    let (flags, second, _) = message(&mut client);
    assert_eq!(flags, 0x32);
    client.send(&packet(0x40, &first));
    client.send(&PING);
    assert_eq!(client.receive(), PONG);
    client.leave();
    assert_eq!(sim.connections(), ["sender"], "a session is no connection");
    send(&mut sender, "a", "stored");
    send(&mut sender, "b", "at QoS 0, so not stored");

    let (mut client, present) = Client::resumed(&sim, &issued, "d");
    assert!(present);
    assert_eq!(
        message(&mut client),
        (0x3a, second, "not acknowledged".to_owned()),
        "a duplicate, under its id"
    );
    let (flags, third, payload) = message(&mut client);
    assert_eq!((flags, payload.as_str()), (0x32, "stored"));
    for id in [second, third] {
        client.send(&packet(0x40, &id));
    }
    client.send(&PING);
    assert_eq!(client.receive(), PONG, "and nothing else");
    client.leave();
    let (mut client, _) = Client::resumed(&sim, &issued, "d");
    client.send(&PING);
    assert_eq!(client.receive(), PONG, "what is acknowledged does not come again");
    send(&mut sender, "a", "the subscription still stands");
    assert_eq!(message(&mut client).2, "the subscription still stands");
}

#[test]
fn a_session_ends_with_a_clean_start_with_its_expiry_and_with_a_connection_that_asked_for_none() {
    let (sim, issued, mut sender) = bench();
    let leave_a_session = || {
        let (mut client, _) = Client::resumed(&sim, &issued, "d");
        client.send(&subscribe(1, &[("a", 1)]));
        client.receive();
        client.leave();
    };
    let mut is_gone = |client: &mut Client, case: &str| {
        send(&mut sender, "a", case);
        client.send(&PING);
        assert_eq!(client.receive(), PONG, "{case}: the subscription is gone, too");
    };

    leave_a_session();
    let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
    client.send(&connect_kept("d", true, 3600));
    assert_eq!(client.receive()[2], 0, "a clean start");
    is_gone(&mut client, "a clean start");
    client.leave();

    leave_a_session();
    assert!(sim.forget_session("d"));
    assert!(!sim.forget_session("d"));
    let (mut client, present) = Client::resumed(&sim, &issued, "d");
    assert!(!present, "forgotten");
    is_gone(&mut client, "forgotten");
    assert!(!sim.forget_session("d"), "a connected client keeps its session");
    client.leave();

    leave_a_session();
    let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
    client.send(&connect_kept("d", false, 0));
    assert_eq!(client.receive()[2], 1, "found");
    client.leave();
    let (mut client, present) = Client::resumed(&sim, &issued, "d");
    assert!(!present, "the last connection did not want it kept");
    is_gone(&mut client, "not kept");
}

#[test]
fn a_newer_connection_takes_the_session_over_with_all_that_is_in_it() {
    let (sim, issued, mut sender) = bench();
    let (mut older, _) = Client::resumed(&sim, &issued, "d");
    older.send(&subscribe(1, &[("a", 1)]));
    older.receive();
    send(&mut sender, "a", "x");
    let (_, id, _) = message(&mut older);
    let (mut newer, present) = Client::resumed(&sim, &issued, "d");
    assert!(present);
    assert_eq!(older.disconnected(), 0x8e, "session taken over");
    assert_eq!(message(&mut newer), (0x3a, id, "x".to_owned()));
}

#[test]
fn no_more_than_a_thousand_messages_are_stored() {
    let (sim, issued, mut sender) = bench();
    let (mut client, _) = Client::resumed(&sim, &issued, "d");
    client.send(&subscribe(1, &[("a", 1)]));
    client.receive();
    client.leave();
    for number in 0..1100 {
        send(&mut sender, "a", &number.to_string());
    }
    let (mut client, _) = Client::resumed(&sim, &issued, "d");
    for number in 0..1000 {
        let (_, id, payload) = message(&mut client);
        assert_eq!(payload, number.to_string(), "the oldest are kept, in order");
        client.send(&packet(0x40, &id));
    }
    client.send(&PING);
    assert_eq!(client.receive(), PONG);
}

#[test]
fn the_expiry_is_granted_up_to_a_week() {
    let (sim, issued, _sender) = bench();
    for (asked, answered) in
        [(3600, None), (604_800, None), (604_801, Some(604_800)), (u32::MAX, Some(604_800))]
    {
        let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
        client.send(&connect_kept("d", true, asked));
        let properties = connack_properties(&client.receive());
        let told = properties.get(&0x11).map(|bytes| u32::from_be_bytes(bytes[..].try_into().unwrap()));
        assert_eq!(told, answered, "{asked}");
    }
}

#[test]
fn of_a_shared_subscription_those_who_are_there_come_first() {
    let (sim, issued, mut sender) = bench();
    let mut workers = ["one", "two"].map(|name| {
        let (mut worker, _) = Client::resumed(&sim, &issued, name);
        worker.send(&subscribe(1, &[("$share/g/a", 1)]));
        worker.receive();
        worker
    });
    let [one, two] = &mut workers;
    for worker in [&mut *one, &mut *two] {
        worker.send(&PING);
        assert_eq!(worker.receive(), PONG);
    }
    let [one, mut two] = workers;
    one.leave();
    for number in 0..4 {
        send(&mut sender, "a", &number.to_string());
        assert_eq!(message(&mut two).2, number.to_string());
    }
    two.leave();
    send(&mut sender, "a", "nobody there");
    let (mut one, mut two) =
        (Client::resumed(&sim, &issued, "one").0, Client::resumed(&sim, &issued, "two").0);
    let mut stored = 0;
    for worker in [&mut one, &mut two] {
        worker.send(&PING);
        loop {
            let packet = worker.receive();
            if packet == PONG {
                break;
            }
            // Those of before, which were not acknowledged, and the one that found nobody there.
            stored += usize::from(packet.ends_with(b"nobody there"));
        }
    }
    assert_eq!(stored, 1);
}
