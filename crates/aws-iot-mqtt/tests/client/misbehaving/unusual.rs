//! Answers that look odd and are right: the client works as ever.

use std::sync::{Arc, Mutex};

use aws_iot_mqtt::{Event, QoS};

use super::packets::{connack, packet, puback, publish, published, suback, subscribe, text};
use super::run;
use super::server::{Answers, Server};

/// A message goes there and back.
async fn works(case: &str, answers: Answers) {
    let client =
        Server::answering(answers).client().connect().await.unwrap_or_else(|error| panic!("{case}: {error}"));
    let mut messages =
        client.subscribe("t", QoS::AtLeastOnce).await.unwrap_or_else(|error| panic!("{case}: {error}"));
    client.publish("t", QoS::AtLeastOnce, "ours").await.unwrap_or_else(|error| panic!("{case}: {error}"));
    loop {
        let message = messages.next().await.unwrap_or_else(|| panic!("{case}: the subscription ended"));
        if message.payload == "ours" {
            return;
        }
    }
}

#[test]
fn connack_with_what_few_servers_send() {
    run(async {
        works(
            "session present after a clean start",
            Answers { connack: connack(true, 0, &[]), ..Answers::default() },
        )
        .await;
        for (case, properties) in [
            ("receive maximum 1", vec![0x21, 0, 1]),
            ("no retained messages", vec![0x25, 0]),
            ("a keep alive of the server's", vec![0x13, 0, 2]),
            ("a client id of the server's", [&[0x12][..], &text("auto-1")].concat()),
            ("a user property", [&[0x26][..], &text("k"), &text("v")].concat()),
        ] {
            works(case, Answers { connack: connack(false, 0, &properties), ..Answers::default() }).await;
        }
    });
}

#[test]
fn puback_in_each_form() {
    run(async {
        let reason_string = [&[0x1F][..], &text("ok"), &[0x26], &text("a"), &text("b")].concat();
        let with_properties = [&[0, u8::try_from(reason_string.len()).unwrap()][..], &reason_string].concat();
        for (case, rest) in [
            ("a packet id alone", vec![]),
            ("no matching subscribers", vec![0x10]),
            ("the same with empty properties", vec![0x10, 0]),
            ("with properties", with_properties),
        ] {
            let puback = Box::new(move |id: &[u8; 2], _: &[u8]| puback(*id, &rest));
            works(case, Answers { puback, ..Answers::default() }).await;
        }
    });
}

#[test]
fn messages_with_what_few_servers_send() {
    run(async {
        for (case, bytes) in [
            ("for a topic nobody asked for", publish(b"not/asked", &[], b"x")),
            ("empty", publish(b"t", &[], b"")),
            ("as large as AWS IoT Core allows", publish(b"t", &[], &vec![b'x'; 128 * 1024])),
            ("with subscription identifiers", publish(b"t", &[0x0B, 1, 0x0B, 2], b"x")),
            ("with an expiry", publish(b"t", &[2, 0, 0, 0, 5], b"x")),
            ("a PINGRESP that nobody asked for", packet(0xD0, &[])),
        ] {
            let suback = Box::new(move |id: &[u8; 2], _: &[u8]| [suback(*id, &[1]), bytes.clone()].concat());
            works(case, Answers { suback, ..Answers::default() }).await;
        }
    });
}

#[test]
fn connack_byte_by_byte() {
    run(async {
        let server = Server::start(|connection, _| {
            connection.packet();
            for byte in connack(false, 0, &[0x21, 0, 5]) {
                connection.send(&[byte]);
            }
            connection.answer(&Answers::default());
        });
        let client = server.client().connect().await.unwrap();
        client.publish("t", QoS::AtLeastOnce, "x").await.unwrap();
    });
}

/// MQTT 5, section 3.2.2.1.1: the client closes the connection. It does so once, since a device that stays offline is of no use
/// to anybody; then the session counts as none, on every connection.
#[test]
fn a_session_that_is_claimed_after_a_clean_start_is_refused_once_and_then_taken_for_none() {
    run(async {
        let first = Arc::new(Mutex::new(None));
        let told = Arc::clone(&first);
        let server = Server::start(move |connection, number| {
            connection.packet();
            connection.send(&connack(true, 0, &[]));
            let mut subscribed = false;
            while let Some((first, body)) = connection.packet() {
                match (number, first >> 4) {
                    (0, _) => *told.lock().unwrap() = Some((first, body)),
                    // The second connection ends with a message unanswered.
                    (1, 3) => return,
                    (_, 8) => {
                        subscribed = true;
                        connection.send(&suback(subscribe(&body).id, &[1]));
                    }
                    (_, 3) => {
                        let message = published(first, &body);
                        connection.send(&puback(message.id, &[]));
                        // Only to whom this connection has subscribed.
                        if subscribed {
                            connection.send(&publish(message.topic, &[], message.payload));
                        }
                    }
                    _ => {}
                }
            }
        });
        let client = server.client().connect().await.unwrap();
        let now = client.events().next().await;
        assert!(matches!(now, Some(Event::Connected { session_present: false })), "{now:?}");
        let mut messages = client.subscribe("t", QoS::AtLeastOnce).await.unwrap();
        client.publish("t", QoS::AtLeastOnce, "x").await.unwrap();
        assert_eq!(messages.next().await.unwrap().payload, "x");
        assert_eq!(*first.lock().unwrap(), Some((0xE0, vec![0x82])), "DISCONNECT with protocol error");
        let statistics = client.statistics();
        assert_eq!((statistics.failed_attempts, statistics.connects), (1, 2));
    });
}
