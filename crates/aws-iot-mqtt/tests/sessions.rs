//! What MQTT 5 has beside plain publish and subscribe, against mosquitto: options, wills, shares, kept sessions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test may panic"
)]

mod support;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use aws_iot_mqtt::{
    Client, DisconnectReason, Error, Event, Publication, QoS, SubscribeOptions, Subscription, Will,
};
use futures_core::Stream as _;
use rustls::ClientConfig;
use support::cutter::Cutter;
use support::{BOTH_VERSIONS, block_on, client, lasting, tls};
use test_peers::{Mosquitto, Pki, TlsVersion};

const HOUR: Duration = Duration::from_secs(3600);

fn bench() -> Option<(Mosquitto, ClientConfig)> {
    let pki = Pki::new();
    let broker = Mosquitto::start(&pki.ca_pem(), TlsVersion::Any)?;
    let tls = tls(&pki.client("device"), broker.server_ca_pem(), BOTH_VERSIONS);
    Some((broker, tls))
}

async fn connect(broker: &Mosquitto, id: &str, tls: &ClientConfig) -> Client {
    client(broker.port(), id, tls.clone()).connect().await.unwrap()
}

async fn publish(client: &Client, topic: &str, payload: &'static str) {
    client.publish(topic, QoS::AtLeastOnce, payload).await.unwrap();
}

async fn next(subscription: &mut Subscription) -> String {
    String::from_utf8(subscription.next().await.unwrap().payload.to_vec()).unwrap()
}

#[test]
fn all_that_a_message_carries_arrives() {
    let Some((broker, tls)) = bench() else { return };
    block_on(async {
        let client = connect(&broker, "a", &tls).await;
        let publication = Publication::new("t", QoS::AtLeastOnce, "x")
            .unwrap()
            .retain(true)
            .content_type("text/plain")
            .response_topic("answers/here".parse().unwrap())
            .correlation_data(vec![1, 2, 3])
            .user_property("unit", "celsius")
            .expiry(HOUR);
        client.send(publication).await.unwrap();
        let mut subscription = client.subscribe("t", QoS::AtLeastOnce).await.unwrap();
        let message = subscription.next().await.unwrap();
        assert!(message.retain && !message.duplicate);
        let properties = message.properties();
        assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
        assert_eq!(properties.response_topic.as_ref().unwrap().as_str(), "answers/here");
        assert_eq!(properties.correlation_data.as_deref(), Some(&[1, 2, 3][..]));
        assert_eq!(properties.user_properties, [("unit".to_owned(), "celsius".to_owned())]);
        assert!(properties.expiry.is_some());
        client.disconnect().await.unwrap();
    });
}

#[test]
fn a_receipt_is_awaited_later_or_not_at_all() {
    let Some((broker, tls)) = bench() else { return };
    block_on(async {
        let client = connect(&broker, "a", &tls).await;
        let message = || Publication::new("t", QoS::AtLeastOnce, "x").unwrap();
        let receipts = [client.submit(message()).await.unwrap(), client.try_submit(message()).unwrap()];
        drop(client.submit(message()).await.unwrap());
        for receipt in receipts {
            receipt.await.unwrap();
        }
        client.disconnect().await.unwrap();
        assert_eq!(client.statistics().acknowledged, 3);
    });
}

#[test]
fn several_subscriptions_in_one_call_and_their_end() {
    let Some((broker, tls)) = bench() else { return };
    block_on(async {
        let client = connect(&broker, "a", &tls).await;
        let options = (0..20).map(|n| SubscribeOptions::new(format!("t/{n}"), QoS::AtLeastOnce).unwrap());
        let mut subscriptions = client.subscribe_all(options).await.unwrap();
        assert_eq!(broker.log().matches("Received SUBSCRIBE from a").count(), 3, "at most 8 filters in each");
        publish(&client, "t/19", "last").await;
        assert_eq!(next(&mut subscriptions[19]).await, "last");
        client.unsubscribe("t/19").await.unwrap();
        assert!(subscriptions[19].next().await.is_none());
        publish(&client, "t/19", "nobody").await;
        publish(&client, "t/0", "first").await;
        assert_eq!(next(&mut subscriptions[0]).await, "first");
        assert_eq!(client.statistics().unwanted, 0);
        client.disconnect().await.unwrap();
    });
}

#[test]
fn a_will_is_published_without_a_goodbye_and_on_request_and_not_otherwise() {
    let Some((broker, tls)) = bench() else { return };
    block_on(async {
        let witness = connect(&broker, "witness", &tls).await;
        let mut wills = witness.subscribe("wills/+", QoS::AtLeastOnce).await.unwrap();
        let cutter = Cutter::start(broker.port(), []);
        let builder = |id: &str, port| {
            let publication =
                Publication::new(format!("wills/{id}"), QoS::AtLeastOnce, id.to_owned()).unwrap();
            client(port, id, tls.clone()).will(Will::new(publication.content_type("text/plain")))
        };
        let polite = builder("polite", broker.port()).connect().await.unwrap();
        polite.disconnect().await.unwrap();
        let wishing = builder("wishing", broker.port()).connect().await.unwrap();
        wishing.disconnect_with(DisconnectReason::WithWill, HOUR).await.unwrap();
        assert_eq!(next(&mut wills).await, "wishing");
        let cut = builder("cut", cutter.port).connect().await.unwrap();
        cutter.cut();
        let message = wills.next().await.unwrap();
        assert_eq!(message.payload, "cut");
        assert_eq!(message.properties().content_type.as_deref(), Some("text/plain"));
        assert!(cut.closed().await.is_err());
        witness.disconnect().await.unwrap();
    });
}

#[test]
fn a_shared_subscription_shares() {
    let Some((broker, tls)) = bench() else { return };
    block_on(async {
        let (one, other) = (connect(&broker, "one", &tls).await, connect(&broker, "other", &tls).await);
        let mut first = one.subscribe("$share/group/work/+", QoS::AtLeastOnce).await.unwrap();
        let mut second = other.subscribe("$share/group/work/+", QoS::AtLeastOnce).await.unwrap();
        for number in 0..20 {
            one.publish("work/x", QoS::AtLeastOnce, number.to_string()).await.unwrap();
        }
        // From whichever has one: an acknowledged message may still be on its way to its subscriber.
        let mut all = BTreeSet::new();
        let mut counts = [0, 0];
        while all.len() < 20 {
            let message = poll_fn(|context| {
                for (count, subscription) in counts.iter_mut().zip([&mut first, &mut second]) {
                    if let Poll::Ready(message) = Pin::new(subscription).poll_next(context) {
                        *count += 1;
                        return Poll::Ready(message.expect("the connection stands"));
                    }
                }
                Poll::Pending
            });
            all.insert(message.await.payload.to_vec());
        }
        one.disconnect().await.unwrap();
        other.disconnect().await.unwrap();
        assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
    });
}

#[test]
fn a_message_that_the_program_had_not_safe_comes_again() {
    let Some((broker, tls)) = bench() else { return };
    block_on(async {
        let cutter = Cutter::start(broker.port(), []);
        let publisher = connect(&broker, "publisher", &tls).await;
        let client =
            lasting(cutter.port, "device", tls.clone()).persistent_session(HOUR).connect().await.unwrap();
        let options = SubscribeOptions::new("m", QoS::AtLeastOnce).unwrap().manual_acknowledgement();
        let mut subscription = client.subscribe_with(options).await.unwrap();
        publish(&publisher, "m", "safe").await;
        publish(&publisher, "m", "not safe").await;
        subscription.next().await.unwrap().acknowledge();
        let unsafe_one = subscription.next().await.unwrap();
        assert!(!unsafe_one.duplicate);
        // The acknowledgement has to be there before the connection goes.
        while !broker.log().contains("Received PUBACK from device") {
            std::thread::yield_now();
        }
        cutter.cut();
        let again = subscription.next().await.unwrap();
        assert_eq!(again.payload, "not safe");
        assert!(again.duplicate);
        again.acknowledge();
        publish(&publisher, "m", "next").await;
        assert_eq!(next(&mut subscription).await, "next");
        client.disconnect().await.unwrap();
    });
}

#[test]
fn a_session_that_the_server_has_kept_is_resumed_without_subscribing_again() {
    let Some((broker, tls)) = bench() else { return };
    block_on(async {
        let cutter = Cutter::start(broker.port(), []);
        let publisher = connect(&broker, "publisher", &tls).await;
        let client =
            lasting(cutter.port, "device", tls.clone()).persistent_session(HOUR).connect().await.unwrap();
        let mut events = client.events();
        assert!(matches!(events.next().await, Some(Event::Connected { session_present: false })));
        let mut subscription = client.subscribe("m", QoS::AtLeastOnce).await.unwrap();
        cutter.cut();
        assert!(matches!(events.next().await, Some(Event::Disconnected { error: Error::Lost { .. }, .. })));
        publish(&publisher, "m", "while it was away").await;
        assert!(matches!(events.next().await, Some(Event::Connected { session_present: true })));
        assert!(matches!(events.next().await, Some(Event::Resumed)));
        assert_eq!(next(&mut subscription).await, "while it was away");
        assert_eq!(broker.log().matches("Received SUBSCRIBE from device").count(), 1);
        client.disconnect().await.unwrap();
        assert!(matches!(events.next().await, Some(Event::Closed)));
        assert!(events.next().await.is_none());

        // Another process with the same id finds it, too, unless it wants a clean start.
        for (clean_start, found) in [(false, true), (true, false)] {
            let builder = client_of(&broker, &tls).persistent_session(HOUR).clean_start(clean_start);
            let client = builder.connect().await.unwrap();
            let first = client.events().next().await;
            assert!(matches!(first, Some(Event::Connected { session_present }) if session_present == found));
            client.disconnect().await.unwrap();
        }
    });
}

#[test]
fn a_program_that_starts_anew_gets_what_the_server_has_stored() {
    let Some((broker, tls)) = bench() else { return };
    block_on(async {
        let publisher = connect(&broker, "publisher", &tls).await;
        let before = client_of(&broker, &tls).persistent_session(HOUR).connect().await.unwrap();
        let kept = before.subscribe("m", QoS::AtLeastOnce).await.unwrap();
        before.disconnect().await.unwrap();
        drop(kept);
        publish(&publisher, "m", "stored").await;

        let anew = client_of(&broker, &tls).persistent_session(HOUR).start().unwrap();
        let mut subscription = anew.subscribe("m", QoS::AtLeastOnce).await.unwrap();
        assert_eq!(next(&mut subscription).await, "stored");
        assert_eq!(anew.statistics().unwanted, 0);
        anew.disconnect().await.unwrap();
    });
}

fn client_of(broker: &Mosquitto, tls: &ClientConfig) -> aws_iot_mqtt::Builder {
    client(broker.port(), "device", tls.clone())
}

#[test]
fn subscriptions_stand_again_after_a_server_that_has_forgotten_them() {
    let Some((mut broker, tls)) = bench() else { return };
    block_on(async {
        let client =
            lasting(broker.port(), "device", tls.clone()).persistent_session(HOUR).connect().await.unwrap();
        let mut events = client.events();
        let mut subscription = client.subscribe("m", QoS::AtLeastOnce).await.unwrap();
        broker.kill();
        broker.start_again();
        loop {
            match events.next().await {
                Some(Event::Resumed) => break,
                Some(Event::Connected { .. } | Event::Disconnected { .. } | Event::ConnectFailed { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        publish(&client, "m", "after").await;
        assert_eq!(next(&mut subscription).await, "after");
        assert_eq!(broker.log().matches("Received SUBSCRIBE from device").count(), 2);
        assert!(client.statistics().last_error.is_some());
        client.disconnect().await.unwrap();
    });
}

#[test]
fn two_clients_in_one_process_do_not_disturb_each_other() {
    let Some((broker, tls)) = bench() else { return };
    block_on(async {
        let (one, other) = (connect(&broker, "one", &tls).await, connect(&broker, "other", &tls).await);
        let mut from_other = one.subscribe("to/one", QoS::AtLeastOnce).await.unwrap();
        let mut from_one = other.subscribe("to/other", QoS::AtLeastOnce).await.unwrap();
        publish(&one, "to/other", "hello").await;
        assert_eq!(next(&mut from_one).await, "hello");
        drop(from_one);
        other.disconnect().await.unwrap();
        publish(&one, "to/one", "still here").await;
        assert_eq!(next(&mut from_other).await, "still here");
        one.disconnect().await.unwrap();
    });
}
