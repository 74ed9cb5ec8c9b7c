//! TLS and CONNECT, seen by a client that writes its packets byte by byte.

use crate::support::client::{Client, Tls, connack_properties, connect, connect_with, packet};
use crate::support::{ALLOW_ALL, certificate, device, policy, sim, wait_until};

const PING: [u8; 2] = [0xc0, 0];
const PONG: [u8; 2] = [0xd0, 0];

#[test]
fn connack_promises_what_aws_promises() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    for (asked, granted) in [(0_u16, 1200_u16), (5, 30), (60, 60), (65_535, 1200)] {
        let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
        client.send(&connect("d", asked));
        let connack = client.receive();
        assert_eq!((connack[0], connack[2], connack[3]), (0x20, 0, 0), "no session, success");
        let properties = connack_properties(&connack);
        assert_eq!(properties[&0x13], granted.to_be_bytes(), "server keep alive for {asked}");
        assert_eq!(properties[&0x21], 100_u16.to_be_bytes(), "receive maximum");
        assert_eq!(properties[&0x24], [1], "maximum QoS");
        assert_eq!(properties[&0x27], 149_504_u32.to_be_bytes(), "maximum packet size");
        assert_eq!(properties[&0x22], 8_u16.to_be_bytes(), "topic alias maximum");
        assert_eq!(properties[&0x29], [0], "subscription identifiers");
    }
}

#[test]
fn an_empty_client_id_is_assigned_one() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
    client.send(&connect("", 60));
    let assigned = connack_properties(&client.receive())[&0x12].clone();
    let assigned = String::from_utf8(assigned[2..].to_vec()).unwrap();
    assert!(assigned.starts_with("$GEN/"), "{assigned}");
    assert_eq!(sim.connections(), [assigned]);
}

#[test]
fn refused_connects() {
    let sim = sim();
    let only_d = policy(&[("iot:Connect", &["client/d"])]);
    let issued = device(&sim, "d", &only_d);
    let mut level_6 = connect("d", 60);
    level_6[8] = 6;
    let cases: &[(&str, Vec<u8>, u8)] = &[
        ("a client id that the policy does not allow", connect("e", 60), 0x87),
        ("a client id of 129 bytes", connect(&"d".repeat(129), 60), 0x85),
        ("enhanced authentication", connect_with("d", 60, &[0x15, 0, 1, b'x'], None), 0x8c),
        ("a will topic with a wildcard", connect_with("d", 60, &[], Some(("a/#", "x"))), 0x90),
        ("a receive maximum of zero", connect_with("d", 60, &[0x21, 0, 0], None), 0x82),
        ("protocol level 6", level_6, 0x84),
        ("a malformed CONNECT", packet(0x10, b"\0\x04MQTT\x05\x02\0"), 0x81),
    ];
    for (name, bytes, code) in cases {
        let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
        client.send(bytes);
        let connack = client.receive();
        assert_eq!((connack[0], connack[3]), (0x20, *code), "{name}: {connack:02x?}");
        client.ended();
    }
    assert_eq!(sim.statistics().connects_refused, cases.len() as u64);
}

#[test]
fn mqtt_3_1_1_is_refused_in_its_own_words() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut client = Client::open(&sim, &Tls::of(&issued)).unwrap();
    client.send(&packet(0x10, b"\0\x04MQTT\x04\x02\0\x3c\0\x01d"));
    assert_eq!(client.receive(), [0x20, 2, 0, 1]);
    client.ended();
}

#[test]
fn tls_rules() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let thief = certificate("thief");
    let tls_1_2: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
    let tls_1_3: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
    for versions in [tls_1_2, tls_1_3] {
        let good = || Tls { versions, ..Tls::of(&issued) };
        let cases: &[(&str, Tls<'_>, bool)] = &[
            ("as it should be", good(), true),
            ("with AWS's protocol name", Tls { alpn: &["x-amzn-mqtt-ca"], ..good() }, true),
            ("with another protocol name", Tls { alpn: &["mqtt"], ..good() }, false),
            ("by address, so without SNI", Tls { server_name: "127.0.0.1", ..good() }, false),
            ("with another name", Tls { server_name: "example.com", ..good() }, false),
            ("with a copied certificate and another key", Tls { key_pem: &thief.key_pem, ..good() }, false),
            (
                "with a certificate that is not registered",
                Tls { certificate_pem: &thief.certificate_pem, key_pem: &thief.key_pem, ..good() },
                false,
            ),
        ];
        for (name, tls, gets_in) in cases {
            // Under TLS 1.3 a client learns of its refusal with the first bytes that it reads.
            let answer = Client::open(&sim, tls).and_then(|mut client| {
                client.send(&connect("d", 60));
                client.try_receive()
            });
            assert_eq!(answer.is_ok(), *gets_in, "{name}, {versions:?}: {answer:02x?}");
        }
    }
    // The client may read the alert before the broker has counted it.
    wait_until("ten refusals are counted", || sim.statistics().handshakes_refused >= 10);
    assert_eq!(sim.statistics().handshakes_refused, 10, "each was the broker's refusal");
}

#[test]
fn a_refused_certificate_gets_the_alert_that_aws_sends() {
    let sim = sim();
    let stranger = certificate("stranger");
    let error =
        Client::open(&sim, &Tls::of(&stranger)).and_then(|mut client| client.try_receive()).unwrap_err();
    assert!(error.to_string().contains("CertificateUnknown"), "{error}");
}

#[test]
fn a_copied_certificate_fails_at_the_signature() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let thief = certificate("thief");
    for version in rustls::ALL_VERSIONS {
        let tls = Tls { key_pem: &thief.key_pem, versions: &[version], ..Tls::of(&issued) };
        let error = Client::open(&sim, &tls).and_then(|mut client| client.try_receive()).unwrap_err();
        assert!(error.to_string().contains("DecryptError"), "{version:?}: {error}");
    }
}

#[test]
fn a_newer_connection_takes_the_client_id_over() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut older = Client::connected(&sim, &issued, "d");
    let mut newer = Client::connected(&sim, &issued, "d");
    assert_eq!(older.disconnected(), 0x8e, "session taken over");
    newer.send(&PING);
    assert_eq!(newer.receive(), PONG);
    assert_eq!(sim.connections(), ["d"]);
}

#[test]
fn an_operator_ends_a_connection() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut client = Client::connected(&sim, &issued, "d");
    assert!(sim.disconnect("d"));
    assert_eq!(client.disconnected(), 0x98, "administrative action");
    assert!(!sim.disconnect("d"));
}

#[test]
fn garbage_before_and_after_the_handshake_harms_nobody() {
    use std::io::Write as _;
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut state = 1_u32;
    let mut garbage = || {
        (0..200)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect::<Vec<u8>>()
    };
    for _ in 0..20 {
        let mut plain = std::net::TcpStream::connect(("127.0.0.1", sim.port())).unwrap();
        plain.write_all(&garbage()).unwrap();
        let mut inside = Client::open(&sim, &Tls::of(&issued)).unwrap();
        inside.send(&garbage());
        let mut later = Client::connected(&sim, &issued, "later");
        later.send(&garbage());
    }
    let mut client = Client::connected(&sim, &issued, "d");
    client.send(&PING);
    assert_eq!(client.receive(), PONG);
}
