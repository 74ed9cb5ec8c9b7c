//! Wrong answers to CONNECT.

use std::sync::mpsc;

use aws_iot_mqtt::{Error, Verdict};

use super::packets::{connack, text};
use super::server::{Answers, Server};
use super::{PATIENCE, run};

async fn refused(answer: Vec<u8>) -> Error {
    let server = Server::answering(Answers { connack: answer, ..Answers::default() });
    server.one_attempt().connect().await.expect_err("no connection")
}

/// The same, with what the client sends next.
async fn refused_and_answered(answer: Vec<u8>) -> (Error, Option<(u8, Vec<u8>)>) {
    let (sender, next) = mpsc::channel();
    let server = Server::start(move |connection, _| {
        connection.packet();
        connection.send(&answer);
        let _ = sender.send(connection.packet());
    });
    let error = server.one_attempt().connect().await.expect_err("no connection");
    (error, next.recv_timeout(PATIENCE).unwrap())
}

#[test]
fn what_breaks_the_protocol_is_named() {
    run(async {
        for (case, answer, words, reason) in [
            ("receive maximum 0", connack(false, 0, &[0x21, 0, 0]), "receive maximum", 0x82),
            ("receive maximum twice", connack(false, 0, &[0x21, 0, 5, 0x21, 0, 6]), "is there twice", 0x82),
            ("maximum packet size 0", connack(false, 0, &[0x27, 0, 0, 0, 0]), "maximum packet size", 0x82),
            ("an unknown property", connack(false, 0, &[0x7F, 1]), "cannot be read", 0x81),
            ("MQTT 3.1.1", vec![0x20, 2, 0, 0], "3.1.1", 0x81),
            ("a refusal of MQTT 3.1.1", vec![0x20, 2, 0, 1], "3.1.1", 0x81),
            ("an unknown reason code", connack(false, 0x9E, &[]), "cannot be read", 0x81),
            ("a PUBACK", vec![0x40, 2, 0, 1], "CONNACK", 0x82),
            ("a PUBLISH", vec![0x30, 4, 0, 1, b't', 0], "CONNACK", 0x82),
            ("a PINGRESP", vec![0xD0, 0], "CONNACK", 0x82),
            ("garbage", vec![0xFF; 20], "cannot be read", 0x81),
            ("AUTH", vec![0xF0, 2, 0x18, 0], "authentication method", 0x82),
        ] {
            let (error, next) = refused_and_answered(answer).await;
            assert_eq!(next, Some((0xE0, vec![reason])), "DISCONNECT, {case}");
            assert!(matches!(error, Error::Protocol { .. }), "{case}: {error:?}");
            assert!(error.report().to_string().contains(words), "{case}: {}", error.report());
        }
    });
}

#[test]
fn refusals_say_what_to_try() {
    run(async {
        for (answer, words) in [
            (connack(false, 0x87, &[]), "not authorized (0x87); a policy"),
            (connack(false, 0x87, &[]), "--client-id THING"),
            (connack(false, 0x8A, &[&[0x1F][..], &text("no such device")].concat()), "is banned"),
            (
                connack(false, 0x9D, &[&[0x1C][..], &text("other.example")].concat()),
                "aws iot describe-endpoint",
            ),
            (connack(false, 0x9F, &[]), "one CONNECT a second"),
            (vec![0xE0, 1, 0x87], "not authorized (0x87)"),
        ] {
            let error = refused(answer).await;
            assert!(matches!(error, Error::ConnectRefused { .. }), "{error:?}");
            assert!(error.to_string().contains(words), "'{words}' in: {error}");
        }
    });
}

#[test]
fn an_http_server_is_told_from_a_missing_policy() {
    run(async {
        let page = r#"{"message":"malformed request","traceId":"0a1b2c3d-0000-0000-0000-000000000000"}"#;
        let long = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{page}", page.len());
        for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n".to_owned(), long] {
            let server = Server::start(move |connection, _| {
                connection.packet();
                connection.send(answer.as_bytes());
            });
            let error = server.one_attempt().connect().await.expect_err("no connection");
            assert!(matches!(error, Error::NotMqtt { .. }), "{error:?}");
            assert!(
                error.to_string().contains("an HTTP server and not MQTT ('HTTP/1.1 400 Bad Request')"),
                "{error}"
            );
            assert_eq!(error.verdict(), Verdict::Permanent);
        }
    });
}
