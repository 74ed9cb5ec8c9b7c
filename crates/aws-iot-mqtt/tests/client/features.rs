//! What MQTT 5 has beside plain publish and subscribe, against mosquitto: options, receipts, wills, shares.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use aws_iot_mqtt::DisconnectReason::Normal;
use aws_iot_mqtt::{DisconnectReason, Publication, QoS, SubscribeOptions, Will};
use futures_core::Stream as _;

use crate::support::bench::Bench;
use crate::support::cutter::Cutter;
use crate::support::{block_on, client, next, publish};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn all_that_a_message_carries_arrives() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let client = bench.connect("a").await;
        let publication = Publication::new("t", QoS::AtLeastOnce, "x")
            .unwrap()
            .retain(true)
            .content_type("text/plain")
            .response_topic("answers/here".parse().unwrap())
            .correlation_data(vec![1, 2, 3])
            .user_property("unit", "celsius")
            .message_expiry_interval(HOUR);
        client.publish_with(publication).await.unwrap();
        let mut subscription = client.subscribe("t", QoS::AtLeastOnce).await.unwrap();
        let message = subscription.next().await.unwrap();
        assert!(message.retain && !message.duplicate);
        let properties = message.properties();
        assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
        assert_eq!(properties.response_topic.as_ref().unwrap().as_str(), "answers/here");
        assert_eq!(properties.correlation_data.as_deref(), Some(&[1, 2, 3][..]));
        assert_eq!(properties.user_properties, [("unit".to_owned(), "celsius".to_owned())]);
        assert!(properties.message_expiry_interval.is_some());
        client.disconnect(Normal).await.unwrap();
    });
}

#[test]
fn a_receipt_is_awaited_later_or_not_at_all() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let client = bench.connect("a").await;
        let message = || Publication::new("t", QoS::AtLeastOnce, "x").unwrap();
        let receipts = [client.try_publish(message()).unwrap(), client.try_publish(message()).unwrap()];
        drop(client.try_publish(message()).unwrap());
        for receipt in receipts {
            receipt.await.unwrap();
        }
        client.disconnect(Normal).await.unwrap();
        assert_eq!(client.statistics().acknowledged, 3);
    });
}

#[test]
fn several_subscriptions_in_one_call_and_their_end() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let client = bench.connect("a").await;
        let options = (0..20).map(|n| SubscribeOptions::new(format!("t/{n}"), QoS::AtLeastOnce).unwrap());
        let mut subscriptions = client.subscribe_all(options).await.unwrap();
        publish(&client, "t/19", "last").await;
        assert_eq!(next(&mut subscriptions[19]).await, "last");
        client.unsubscribe("t/19").await.unwrap();
        assert!(subscriptions[19].next().await.is_none());
        publish(&client, "t/19", "nobody").await;
        publish(&client, "t/0", "first").await;
        assert_eq!(next(&mut subscriptions[0]).await, "first");
        assert_eq!(client.statistics().unwanted, 0);
        client.disconnect(Normal).await.unwrap();
        assert_eq!(bench.subscribes_of("a"), 3, "at most 8 filters in each");
    });
}

#[test]
fn a_will_is_published_without_a_goodbye_and_on_request_and_not_otherwise() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let witness = bench.connect("witness").await;
        let mut wills = witness.subscribe("wills/+", QoS::AtLeastOnce).await.unwrap();
        let cutter = Cutter::start(bench.broker.port(), []);
        let builder = |id: &str, port| {
            let publication =
                Publication::new(format!("wills/{id}"), QoS::AtLeastOnce, id.to_owned()).unwrap();
            client(port, id, bench.tls.clone()).will(Will::new(publication.content_type("text/plain")))
        };
        let polite = builder("polite", bench.broker.port()).connect().await.unwrap();
        polite.disconnect(Normal).await.unwrap();
        let wishing = builder("wishing", bench.broker.port()).connect().await.unwrap();
        wishing.disconnect(DisconnectReason::WithWill).await.unwrap();
        assert_eq!(next(&mut wills).await, "wishing");
        let cut = builder("cut", cutter.port).connect().await.unwrap();
        cutter.cut();
        let message = wills.next().await.unwrap();
        assert_eq!(message.payload, "cut");
        assert_eq!(message.properties().content_type.as_deref(), Some("text/plain"));
        assert!(cut.closed().await.is_err());
        witness.disconnect(Normal).await.unwrap();
    });
}

#[test]
fn a_shared_subscription_shares() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let (one, other) = (bench.connect("one").await, bench.connect("other").await);
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
        one.disconnect(Normal).await.unwrap();
        other.disconnect(Normal).await.unwrap();
        assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
    });
}

#[test]
fn two_clients_in_one_process_do_not_disturb_each_other() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let (one, other) = (bench.connect("one").await, bench.connect("other").await);
        let mut from_other = one.subscribe("to/one", QoS::AtLeastOnce).await.unwrap();
        let mut from_one = other.subscribe("to/other", QoS::AtLeastOnce).await.unwrap();
        publish(&one, "to/other", "hello").await;
        assert_eq!(next(&mut from_one).await, "hello");
        drop(from_one);
        other.disconnect(Normal).await.unwrap();
        publish(&one, "to/one", "still here").await;
        assert_eq!(next(&mut from_other).await, "still here");
        one.disconnect(Normal).await.unwrap();
    });
}
