//! Limits and policies, seen by a client that writes its packets byte by byte.

use crate::support::client::Client;
use crate::support::packets::{PING, PONG, connect, packet, publish, publish_flagged, subscribe};
use crate::support::{ALLOW_ALL, device, policy, sim};

#[test]
fn breaking_a_rule_ends_the_connection_with_its_reason() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let large = vec![b'x'; 128 * 1024 + 1];
    let enormous = vec![b'x'; 150_000];
    let with_identifier = {
        let mut body = vec![0, 1, 2, 0x0b, 1];
        body.extend([0, 1, b'a', 0]);
        packet(0x82, &body)
    };
    let cases: &[(&str, Vec<u8>, u8)] = &[
        ("a publish at QoS 2", publish_flagged(0x34, "t", 1, &[], b"x"), 0x9b),
        ("a subscription at QoS 2", subscribe(1, &[("t", 2)]), 0x9b),
        ("a payload of more than 128 KiB", publish("t", 1, &large), 0x95),
        ("a packet of more than 149504 bytes", publish("t", 1, &enormous), 0x95),
        ("a topic alias of 9", publish_flagged(0x30, "t", 0, &[0x23, 0, 9], b"x"), 0x94),
        ("a topic alias that was never set", publish_flagged(0x30, "", 0, &[0x23, 0, 1], b"x"), 0x82),
        ("a topic with a wildcard", publish("a/+", 1, b"x"), 0x90),
        ("a subscription identifier", with_identifier, 0xa1),
        ("a second CONNECT", connect("d", 60), 0x82),
        ("a packet of type 0", vec![0, 0], 0x81),
        ("wrong flags", vec![0xc1, 0], 0x81),
        (
            "a retained publish at QoS 0 to a reserved topic",
            publish_flagged(0x31, "$aws/a", 0, &[], b"x"),
            0x87,
        ),
    ];
    for (name, bytes, reason) in cases {
        let mut client = Client::connected(&sim, &issued, "d");
        client.send(bytes);
        assert_eq!(client.disconnected(), *reason, "{name}");
    }
    // And the broker is as well as before.
    let mut client = Client::connected(&sim, &issued, "d");
    client.send(&PING);
    assert_eq!(client.receive(), PONG);
}

#[test]
fn refused_publishes_are_acknowledged_with_the_reason() {
    let sim = sim();
    let rules = policy(&[("iot:Connect", &["client/*"]), ("iot:Publish", &["topic/mine/*"])]);
    let issued = device(&sim, "d", &rules);
    let mut client = Client::connected(&sim, &issued, "d");
    let cases: &[(&str, Vec<u8>, Option<u8>)] = &[
        ("allowed", publish("mine/a", 1, b"x"), None),
        ("another topic", publish("yours/a", 1, b"x"), Some(0x87)),
        ("retained, which is another action", publish_flagged(0x33, "mine/a", 1, &[], b"x"), Some(0x87)),
        ("eight slashes", publish("mine/1/2/3/4/5/6/7/8", 1, b"x"), Some(0x90)),
        ("257 bytes", publish(&format!("mine/{}", "x".repeat(252)), 1, b"x"), Some(0x90)),
        ("a topic that begins with $", publish("$mine/a", 1, b"x"), Some(0x90)),
    ];
    for (name, bytes, reason) in cases {
        client.send(bytes);
        let wanted = match reason {
            None => vec![0x40, 2, 0, 1],
            Some(reason) => vec![0x40, 4, 0, 1, *reason, 0],
        };
        assert_eq!(client.receive(), wanted, "{name}");
    }
    client.send(&publish("yours/a", 0, b"x"));
    assert_eq!(client.disconnected(), 0x87, "at QoS 0 only the end of the connection can tell");
}

#[test]
fn refused_subscriptions_are_told_filter_by_filter() {
    let sim = sim();
    let rules = policy(&[("iot:Connect", &["client/*"]), ("iot:Subscribe", &["topicfilter/mine/*"])]);
    let issued = device(&sim, "d", &rules);
    let mut client = Client::connected(&sim, &issued, "d");
    client.send(&subscribe(1, &[("mine/a", 1), ("yours/a", 1), ("mine/#/a", 1), ("mine/+", 0)]));
    assert_eq!(client.receive(), [0x90, 7, 0, 1, 0, 1, 0x87, 0x8f, 0]);

    let nine: Vec<String> = (0..9).map(|number| format!("mine/{number}")).collect();
    let nine: Vec<(&str, u8)> = nine.iter().map(|filter| (filter.as_str(), 0)).collect();
    client.send(&subscribe(2, &nine));
    assert_eq!(client.receive()[5..], [0x97; 9], "nine filters in one packet");

    let many: Vec<String> = (0..49).map(|number| format!("mine/many/{number}")).collect();
    let mut codes = Vec::new();
    for eight in many.chunks(8) {
        let eight: Vec<(&str, u8)> = eight.iter().map(|filter| (filter.as_str(), 0)).collect();
        client.send(&subscribe(3, &eight));
        codes.extend(client.receive()[5..].to_vec());
    }
    // Two stand from the first SUBSCRIBE: 48 more make the 50.
    assert_eq!(codes[..48], [0; 48]);
    assert_eq!(codes[48..], [0x97], "the 51st subscription");
}

#[test]
fn receive_is_checked_at_each_delivery() {
    let sim = sim();
    let rules = policy(&[
        ("iot:Connect", &["client/*"]),
        ("iot:Subscribe", &["topicfilter/*"]),
        ("iot:Publish", &["topic/*"]),
        ("iot:Receive", &["topic/open/*"]),
    ]);
    let issued = device(&sim, "d", &rules);
    let mut client = Client::connected(&sim, &issued, "d");
    client.send(&subscribe(1, &[("#", 0)]));
    client.receive();
    client.send(&publish("closed/a", 0, b"not this one"));
    client.send(&publish("open/a", 0, b"this one"));
    assert!(client.receive().ends_with(b"this one"));
}
