//! Servers that close the connection where others would say why.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_iot_mqtt::{Error, Event, Publication, QoS, Verdict};

use super::packets::{connack, puback, published};
use super::server::{Answers, Server};
use super::{lost, run};

#[test]
fn a_front_end_that_closes_after_connect_five_times_is_tried_again() {
    run(async {
        let server = Server::start(|connection, number| {
            connection.packet();
            if number >= 5 {
                connection.send(&connack(false, 0, &[]));
                connection.answer(&Answers::default());
            }
        });
        let client = server.client().start().unwrap();
        let mut events = client.events();
        client.publish("t", QoS::AtLeastOnce, "x").await.unwrap();
        assert_eq!(client.statistics().failed_attempts, 5);
        let mut failed = 0;
        while let Some(Event::ConnectFailed { error, retry_in: Some(_) }) = events.next().await {
            assert!(matches!(error, Error::ClosedAfterConnect { .. }), "{error:?}");
            assert_eq!(error.verdict(), Verdict::Transient);
            failed += 1;
        }
        assert_eq!(failed, 5);
    });
}

#[test]
fn a_connection_that_is_cut_is_explained_in_the_users_words() {
    run(async {
        let server = Server::start(|connection, number| {
            connection.packet();
            if number == 0 {
                connection.send(&connack(false, 0, &[]));
                connection.packet();
            }
            connection.cut();
        });
        let client = server.client().connect().await.unwrap();
        let mut events = client.events();
        let publishing = client.publish("t", QoS::AtLeastOnce, "x");
        let words = tokio::select! {
            error = lost(&mut events) => error.report().to_string(),
            _ = publishing => panic!("published"),
        };
        assert!(
            words.contains("message to 't' was unanswered")
                && words.ends_with("the server closed the connection"),
            "{words}"
        );
        loop {
            if let Some(Event::ConnectFailed { error, .. }) = events.next().await {
                let words = error.report().to_string();
                assert!(words.ends_with("the server closed the connection"), "{words}");
                return;
            }
        }
    });
}

#[test]
fn a_server_that_closes_on_subscribe_fails_the_subscription_and_nothing_else() {
    run(async {
        let server = Server::start(|connection, _| {
            connection.packet();
            connection.send(&connack(false, 0, &[]));
            while let Some((first, body)) = connection.packet() {
                match first >> 4 {
                    3 => connection.send(&puback(published(first, &body).id, &[])),
                    8 => return,
                    _ => {}
                }
            }
        });
        let client = server.client().connect().await.unwrap();
        let error = client.subscribe("denied", QoS::AtLeastOnce).await.expect_err("no subscription");
        let words = error.report().to_string();
        assert!(words.contains("'denied'") && words.contains("policy"), "{words}");
        client.publish("t", QoS::AtLeastOnce, "x").await.unwrap();
    });
}

#[test]
fn a_server_that_closes_on_one_message_fails_that_one_and_takes_the_next() {
    run(async {
        let closed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&closed);
        let server = Server::start(move |connection, _| {
            connection.packet();
            connection.send(&connack(false, 0, &[]));
            while let Some((first, body)) = connection.until(3) {
                let request = published(first, &body);
                if request.topic == b"denied" {
                    count.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                connection.send(&puback(request.id, &[]));
            }
        });
        let client = server.client().connect().await.unwrap();
        let denied = Publication::new("denied", QoS::AtLeastOnce, "x").unwrap();
        let denied = client.try_publish(denied).unwrap();
        client.publish("t", QoS::AtLeastOnce, "x").await.unwrap();
        let words = denied.await.expect_err("refused").report().to_string();
        assert!(words.contains("'denied'") && words.contains("policy"), "{words}");
        let sent = closed.load(Ordering::Relaxed);
        assert!((2..=10).contains(&sent), "sent {sent} times");
    });
}
