//! Servers that are not there: no name, no route, nobody who listens.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_iot_mqtt::{Builder, Client, Error, Event, Publication, QoS, Reconnect, SubscribeOptions, Verdict};
use test_peers::{CLOSED_PORT, Pki};

use crate::support::{BOTH_VERSIONS, block_on, client, lasting, tls};

/// Who the client is does not matter: nobody will hear of it.
fn tls_of_anybody() -> rustls::ClientConfig {
    let pki = Pki::new();
    tls(&pki.client("device-1"), &pki.ca_pem(), BOTH_VERSIONS)
}

fn refused(builder: Builder) -> (Error, String) {
    let error = block_on(builder.connect()).unwrap_err();
    assert_eq!(error.verdict(), Verdict::Transient, "the network may come back: {error}");
    let cause = error.source().expect("the system's own answer");
    assert!(cause.downcast_ref::<io::Error>().is_some(), "{cause:?}");
    let words = error.to_string();
    (error, words)
}

#[test]
fn a_name_that_does_not_exist() {
    // A name that no resolver may know (RFC 6761, section 6.4).
    let builder = Client::builder("data.iot.example.invalid", "device-1", tls_of_anybody());
    let (error, words) = refused(builder);
    assert!(matches!(error, Error::Resolve { .. }), "{error:?}");
    assert!(
        words.contains("the name 'data.iot.example.invalid' cannot be resolved")
            && words.contains("DNS server"),
        "{words}"
    );
}

#[test]
fn a_first_connection_that_fails_is_told_when_the_session_has_given_the_key_back() {
    let key = Arc::new(tls_of_anybody());
    for _ in 0..20 {
        block_on(client(CLOSED_PORT, "device-1", Arc::clone(&key)).connect()).unwrap_err();
        assert_eq!(Arc::strong_count(&key), 1);
    }
}

#[test]
fn an_address_without_a_route() {
    // A group is nobody's address, so no system has a route for a connection to it.
    let (error, words) = refused(Client::builder("224.0.0.1", "device-1", tls_of_anybody()));
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    for part in ["224.0.0.1:8883", "224.0.0.1 (network unreachable)", "no route there", "default gateway"] {
        assert!(words.contains(part), "'{part}' in: {words}");
    }
}

#[test]
fn a_port_where_nobody_listens() {
    let (error, words) = refused(client(CLOSED_PORT, "device-1", tls_of_anybody()));
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    for part in [
        &format!("localhost:{CLOSED_PORT}"),
        "127.0.0.1 (connection refused)",
        "is the port right (8883, or 443)",
    ] {
        assert!(words.contains(part), "'{part}' in: {words}");
    }
}

#[test]
fn calls_to_subscribe_and_unsubscribe_end_also_where_there_is_no_connection() {
    let builder =
        lasting(CLOSED_PORT, "device-1", tls_of_anybody()).operation_timeout(Duration::from_millis(200));
    let client = builder.start().unwrap();
    block_on(async {
        let options = ["a", "b"].map(|filter| SubscribeOptions::new(filter, QoS::AtLeastOnce).unwrap());
        let subscribing = client.subscribe_all(options).await.map(drop);
        let unsubscribing = client.unsubscribe("c").await;
        for (result, what) in [
            (subscribing, "the subscription to 'a', 'b' was not answered within 0.2 s"),
            (unsubscribing, "the end of the subscription to 'c' was not answered within 0.2 s"),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, Error::OperationTimeout { .. }), "{error:?}");
            assert!(error.to_string().contains(what), "{error}");
        }
    });
}

/// Nothing else happens until the next attempt, which is an hour away.
#[test]
fn a_message_that_expires_while_nobody_is_there_is_told_at_once() {
    let hour = Duration::from_secs(3600);
    let builder =
        client(CLOSED_PORT, "device-1", tls_of_anybody()).reconnect(Reconnect::new().delays(hour, hour));
    block_on(async {
        let client = builder.start().unwrap();
        let mut events = client.events();
        let failed = async { while !matches!(events.next().await, Some(Event::ConnectFailed { .. })) {} };
        failed.await;
        let message = Publication::new("t", QoS::AtLeastOnce, "x").unwrap();
        let message = message.message_expiry_interval(Duration::from_secs(1));
        let error = client.publish_with(message).await.unwrap_err();
        assert!(matches!(error, Error::Expired { sent: false, .. }), "{error:?}");
    });
}
