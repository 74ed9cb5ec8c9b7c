//! Packets that the server must not send: the connection ends, the log and the event name the fault, nothing altered is delivered.

use std::time::Duration;

use aws_iot_mqtt::{Error, QoS, Reconnect};

use super::packets::{packet, puback, publish, suback, text};
use super::server::{Answers, Server};
use super::{lost, run};

/// Long enough for a second connection to be no part of the test.
const LATER: Duration = Duration::from_secs(3600);

/// Subscribes; the server sends `bytes` right behind SUBACK. Why the connection ends.
async fn after_suback(bytes: Vec<u8>) -> Error {
    let suback = Box::new(move |id: &[u8; 2], _: &[u8]| [suback(*id, &[1]), bytes.clone()].concat());
    let server = Server::answering(Answers { suback, ..Answers::default() });
    let client = server.client().reconnect(Reconnect::new().delays(LATER, LATER)).connect().await.unwrap();
    let mut events = client.events();
    let mut messages = client.subscribe("t", QoS::AtLeastOnce).await.unwrap();
    tokio::select! {
        error = lost(&mut events) => error,
        message = messages.next() => panic!("delivered: {message:?}"),
    }
}

#[test]
fn a_message_that_cannot_be_right_is_a_protocol_error_that_says_why() {
    run(async {
        for (case, bytes, words) in [
            ("a topic with NUL", publish(b"a\0b", &[], b"x"), "topic"),
            ("a topic that is not UTF-8", publish(b"a/\xFF/b", &[], b"x"), "UTF-8"),
            ("a topic with a surrogate", publish(b"a/\xED\xA0\x80/b", &[], b"x"), "UTF-8"),
            ("a topic with a wildcard", publish(b"a/+/b", &[], b"x"), "topic"),
            ("an alias and no topic", publish(b"", &[0x23, 0, 1], b"x"), "topic"),
            (
                "a content type that is not UTF-8",
                publish(b"t", &[&[3][..], &text(b"\xFF")].concat(), b"x"),
                "cannot be read",
            ),
            (
                "a user property that is not UTF-8",
                publish(b"t", &[&[0x26][..], &text("k"), &text(b"\xFF")].concat(), b"x"),
                "cannot be read",
            ),
            (
                "a response topic with a wildcard",
                publish(b"t", &[&[8][..], &text("a/#")].concat(), b"x"),
                "topic",
            ),
            (
                "a message in MQTT 3.1.1's form",
                packet(0x30, &[&text("t")[..], b"{}"].concat()),
                "cannot be read",
            ),
            ("more than this client allows", publish(b"t", &[], &vec![0; 150_000]), "149504"),
            ("DISCONNECT with an unknown reason", packet(0xE0, &[0x42, 0]), "cannot be read"),
            ("a PUBREC", packet(0x50, &[0, 1]), "QoS 2"),
        ] {
            let error = after_suback(bytes).await;
            assert!(matches!(error, Error::Protocol { .. }), "{case}: {error:?}");
            assert!(error.report().to_string().contains(words), "{case}: {}", error.report());
        }
    });
}

#[test]
fn an_answer_that_cannot_be_right_names_the_fault_and_ends_the_call() {
    run(async {
        for (case, answer) in [
            (
                "SUBACK in MQTT 3.1.1's form",
                Box::new(|id: &[u8; 2], _: &[u8]| packet(0x90, &[&id[..], &[1]].concat())) as Box<_>,
            ),
            ("SUBACK without a reason code", Box::new(|id: &[u8; 2], _: &[u8]| suback(*id, &[]))),
        ] as [(&str, Box<dyn Fn(&[u8; 2], &[u8]) -> Vec<u8> + Send + Sync>); 2]
        {
            let server = Server::answering(Answers { suback: answer, ..Answers::default() });
            let client = server.client().connect().await.unwrap();
            let error = client.subscribe("t", QoS::AtLeastOnce).await.expect_err("no subscription");
            let words = error.report().to_string();
            assert!(words.contains("'t'") && words.contains("broke the MQTT 5 protocol"), "{case}: {words}");
        }
        let puback = Box::new(|id: &[u8; 2], _: &[u8]| packet(0x50, id));
        let server = Server::answering(Answers { puback, echo: false, ..Answers::default() });
        let client = server.client().connect().await.unwrap();
        let error = client.publish("t", QoS::AtLeastOnce, "x").await.expect_err("no acknowledgement");
        let words = error.report().to_string();
        assert!(words.contains("'t'") && words.contains("broke the MQTT 5 protocol"), "{words}");
    });
}

#[test]
fn a_server_that_ends_the_connection_is_told_with_its_reason() {
    run(async {
        for (reason, words) in
            [(0x9D, "server moved (0x9d)"), (0xA0, "maximum connect time (0xa0)"), (0x8B, "shutting down")]
        {
            let error = after_suback(packet(0xE0, &[reason, 0])).await;
            assert!(matches!(error, Error::Disconnected { .. }), "{error:?}");
            assert!(error.to_string().contains(words), "{error}");
        }
    });
}

#[test]
fn an_acknowledgement_that_nobody_waits_for_does_no_harm() {
    run(async {
        let suback =
            Box::new(|id: &[u8; 2], _: &[u8]| [puback([0x55, 0x55], &[]), suback(*id, &[1])].concat());
        let server = Server::answering(Answers { suback, ..Answers::default() });
        let client = server.client().connect().await.unwrap();
        let mut messages = client.subscribe("t", QoS::AtLeastOnce).await.unwrap();
        client.publish("t", QoS::AtLeastOnce, "x").await.unwrap();
        assert_eq!(messages.next().await.unwrap().payload, "x");
    });
}
