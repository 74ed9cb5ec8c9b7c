//! What outlives a connection, against mosquitto: kept sessions, subscriptions, what is asked for while there is none.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use aws_iot_mqtt::DisconnectReason::Normal;
use aws_iot_mqtt::{Error, Event, QoS, SubscribeOptions};

use crate::support::bench::Bench;
use crate::support::cutter::Cutter;
use crate::support::{block_on, next, publish};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_message_that_the_program_had_not_safe_comes_again() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let cutter = Cutter::start(bench.broker.port(), []);
        let publisher = bench.connect("publisher").await;
        let client =
            bench.lasting_through(cutter.port, "device").persistent_session(HOUR).connect().await.unwrap();
        let options = SubscribeOptions::new("m", QoS::AtLeastOnce).unwrap().manual_acknowledgement();
        let mut subscription = client.subscribe_with(options).await.unwrap();
        publish(&publisher, "m", "safe").await;
        publish(&publisher, "m", "not safe").await;
        subscription.next().await.unwrap().acknowledge();
        let unsafe_one = subscription.next().await.unwrap();
        assert!(!unsafe_one.duplicate);
        // The acknowledgement has to be there before the connection goes.
        bench.log_until("Received PUBACK from device");
        cutter.cut();
        let again = subscription.next().await.unwrap();
        assert_eq!(again.payload, "not safe");
        assert!(again.duplicate);
        again.acknowledge();
        publish(&publisher, "m", "next").await;
        assert_eq!(next(&mut subscription).await, "next");
        client.disconnect(Normal).await.unwrap();
    });
}

#[test]
fn a_session_that_the_server_has_kept_is_resumed_without_subscribing_again() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let cutter = Cutter::start(bench.broker.port(), []);
        let publisher = bench.connect("publisher").await;
        let client =
            bench.lasting_through(cutter.port, "device").persistent_session(HOUR).connect().await.unwrap();
        let mut events = client.events();
        assert!(matches!(events.next().await, Some(Event::Connected { session_present: false })));
        let mut subscription = client.subscribe("m", QoS::AtLeastOnce).await.unwrap();
        cutter.cut();
        assert!(matches!(events.next().await, Some(Event::Disconnected { error: Error::Lost { .. }, .. })));
        publish(&publisher, "m", "while it was away").await;
        assert!(matches!(events.next().await, Some(Event::Connected { session_present: true })));
        assert!(matches!(events.next().await, Some(Event::Resumed)));
        assert_eq!(next(&mut subscription).await, "while it was away");
        client.disconnect(Normal).await.unwrap();
        assert_eq!(bench.subscribes_of("device"), 1);
        assert!(matches!(events.next().await, Some(Event::Closed { undelivered: 0 })));
        assert!(events.next().await.is_none());

        // Another process with the same id finds it, too, unless it wants a clean start.
        for (clean_start, found) in [(false, true), (true, false)] {
            let builder = bench.client("device").persistent_session(HOUR).clean_start(clean_start);
            let client = builder.connect().await.unwrap();
            let first = client.events().next().await;
            assert!(matches!(first, Some(Event::Connected { session_present }) if session_present == found));
            client.disconnect(Normal).await.unwrap();
        }
    });
}

#[test]
fn a_program_that_starts_anew_gets_what_the_server_has_stored() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let publisher = bench.connect("publisher").await;
        let before = bench.client("device").persistent_session(HOUR).connect().await.unwrap();
        let kept = before.subscribe("m", QoS::AtLeastOnce).await.unwrap();
        before.disconnect(Normal).await.unwrap();
        drop(kept);
        publish(&publisher, "m", "stored").await;

        let anew = bench.client("device").persistent_session(HOUR).start().unwrap();
        let mut subscription = anew.subscribe("m", QoS::AtLeastOnce).await.unwrap();
        assert_eq!(next(&mut subscription).await, "stored");
        assert_eq!(anew.statistics().unwanted, 0);
        anew.disconnect(Normal).await.unwrap();
    });
}

#[test]
fn a_subscription_of_the_builder_is_attached_to_a_kept_session_without_a_packet() {
    let Some(bench) = Bench::new() else { return };
    block_on(async {
        let publisher = bench.connect("publisher").await;
        let start = |id: &str| {
            let filters = ["m", "n/+"].map(|filter| SubscribeOptions::new(filter, QoS::AtLeastOnce).unwrap());
            let builder = bench.client(id).persistent_session(HOUR);
            filters.into_iter().fold(builder, |builder, filter| builder.subscribe(filter))
        };
        let before = start("device").connect().await.unwrap();
        let mut messages = before.messages().unwrap();
        assert!(before.messages().is_none(), "there is one stream");
        let mut events = before.events();
        // Which of the two comes first, the server decides.
        publish(&publisher, "m", "first").await;
        while !matches!(events.next().await, Some(Event::Connected { .. })) {}
        before.disconnect(Normal).await.unwrap();
        while messages.next().await.is_some() {}

        for text in ["stored 1", "stored 2"] {
            publish(&publisher, "n/1", text).await;
        }
        // A program that connects, and only then takes the stream.
        let anew = start("device").connect().await.unwrap();
        let mut messages = anew.messages().unwrap();
        for text in ["stored 1", "stored 2"] {
            let mut message = messages.next().await.unwrap();
            // The first process may have gone before it came there.
            while message.topic.as_str() == "m" {
                message = messages.next().await.unwrap();
            }
            assert_eq!((message.topic.as_str(), &message.payload[..]), ("n/1", text.as_bytes()));
        }
        assert_eq!(anew.statistics().unwanted, 0);
        anew.disconnect(Normal).await.unwrap();
        assert_eq!(bench.subscribes_of("device"), 1, "that of the first process");
    });
}

#[test]
fn subscriptions_stand_again_after_a_server_that_has_forgotten_them() {
    let Some(mut bench) = Bench::new() else { return };
    block_on(async {
        let client = bench.lasting("device").persistent_session(HOUR).connect().await.unwrap();
        let mut events = client.events();
        let mut subscription = client.subscribe("m", QoS::AtLeastOnce).await.unwrap();
        bench.broker.kill();
        bench.broker.start_again();
        loop {
            match events.next().await {
                Some(Event::Resumed) => break,
                Some(Event::Connected { .. } | Event::Disconnected { .. } | Event::ConnectFailed { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        publish(&client, "m", "after").await;
        assert_eq!(next(&mut subscription).await, "after");
        assert!(client.statistics().last_error.is_some());
        client.disconnect(Normal).await.unwrap();
        assert_eq!(bench.subscribes_of("device"), 2);
    });
}

#[test]
fn what_is_asked_for_without_a_connection_goes_out_in_the_order_of_the_program() {
    let Some(mut bench) = Bench::new() else { return };
    block_on(async {
        let client = bench.lasting("device").connect().await.unwrap();
        let mut events = client.events();
        let mut standing = client.subscribe("stands", QoS::AtLeastOnce).await.unwrap();
        bench.broker.kill();
        while !matches!(events.next().await, Some(Event::Disconnected { .. })) {}
        let mut subscribing = pin!(client.subscribe("ends", QoS::AtLeastOnce));
        let mut ending = pin!(client.unsubscribe("ends"));
        let mut ending_first = pin!(client.unsubscribe("stands"));
        let mut subscribing_again = pin!(client.subscribe("stands", QoS::AtLeastOnce));
        let mut context = Context::from_waker(Waker::noop());
        assert!(subscribing.as_mut().poll(&mut context).is_pending());
        assert!(ending.as_mut().poll(&mut context).is_pending());
        assert!(ending_first.as_mut().poll(&mut context).is_pending());
        assert!(subscribing_again.as_mut().poll(&mut context).is_pending());
        bench.broker.start_again();
        assert!(subscribing.await.unwrap().next().await.is_none());
        ending.await.unwrap();
        ending_first.await.unwrap();
        let mut again = subscribing_again.await.unwrap();
        assert!(standing.next().await.is_none());
        publish(&client, "ends", "nobody").await;
        publish(&client, "stands", "somebody").await;
        assert_eq!(next(&mut again).await, "somebody");
        assert_eq!(client.statistics().unwanted, 0);
        client.disconnect(Normal).await.unwrap();
    });
}
