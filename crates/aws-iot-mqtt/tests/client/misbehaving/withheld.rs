//! Servers that do not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_iot_mqtt::{Error, QoS};

use super::packets::{connack, puback, published, suback};
use super::server::{Answers, Server};
use super::{lost, run};

const SOON: Duration = Duration::from_secs(2);

#[test]
fn a_subscription_that_is_not_answered_fails_and_says_so() {
    run(async {
        // The answer to another request.
        let suback = Box::new(|_: &[u8; 2], _: &[u8]| suback([0x77, 0x77], &[1]));
        let server = Server::answering(Answers { suback, ..Answers::default() });
        let client = server.client().operation_timeout(SOON).connect().await.unwrap();
        let error = client.subscribe("t", QoS::AtLeastOnce).await.expect_err("no subscription");
        assert!(matches!(error, Error::OperationTimeout { .. }), "{error:?}");
        assert!(error.to_string().contains("'t'"), "{error}");
        client.publish("t", QoS::AtLeastOnce, "x").await.expect("the rest goes on");
    });
}

#[test]
fn a_message_that_is_not_acknowledged_is_sent_again_on_a_new_connection() {
    run(async {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let server = Server::start(move |connection, number| {
            connection.packet();
            connection.send(&connack(false, 0, &[]));
            while let Some((first, body)) = connection.until(3) {
                count.fetch_add(1, Ordering::Relaxed);
                if number > 0 {
                    connection.send(&puback(published(first, &body).id, &[]));
                }
            }
        });
        let client = server.client().operation_timeout(SOON).connect().await.unwrap();
        client.publish("t", QoS::AtLeastOnce, "x").await.unwrap();
        // On a slow machine, the second answer may come too late as well.
        assert!(sent.load(Ordering::Relaxed) >= 2);
        assert!(client.statistics().reconnects >= 1);
    });
}

#[test]
fn a_server_that_answers_no_ping_is_given_up() {
    run(async {
        let server = Server::start(|connection, _| {
            connection.packet();
            // A keep alive of 1 s.
            connection.send(&connack(false, 0, &[0x13, 0, 1]));
            while connection.packet().is_some() {}
        });
        let client = server.client().connect().await.unwrap();
        let error = lost(&mut client.events()).await;
        assert!(matches!(error, Error::KeepAlive { .. }), "{error:?}");
    });
}
