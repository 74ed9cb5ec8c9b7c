//! The client against the simulated AWS IoT Core while that misbehaves: what it withholds, closes and refuses.

use std::time::Duration;

use aws_iot_mqtt::DisconnectReason::Normal;
use aws_iot_mqtt::{Error, Publication, QoS};
use aws_iot_sim::{Answer, Fault};

use crate::support::block_on;
use crate::support::cloud::{ALLOW_ALL, Cloud};

/// Everything but topics under `closed/`.
const NOT_CLOSED: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "iot:*", "Resource": "*"},
        {"Effect": "Deny", "Action": ["iot:Publish", "iot:Subscribe"],
         "Resource": ["arn:aws:iot:*:*:topic/closed/*", "arn:aws:iot:*:*:topicfilter/closed/*"]}
    ]
}"#;

fn payloads(cloud: &Cloud, topic: &str) -> Vec<String> {
    let received = cloud.sim.received().into_iter().filter(|message| message.topic == topic);
    received.map(|message| String::from_utf8(message.payload).unwrap()).collect()
}

#[test]
fn a_denial_that_closes_the_connection_fails_that_request_and_lets_the_rest_pass() {
    let cloud = Cloud::new(NOT_CLOSED);
    cloud.sim.inject(Fault::CloseOnDeny);
    block_on(async {
        let client = cloud.lasting("device-1").connect().await.unwrap();
        let message = Publication::new("closed/a", QoS::AtLeastOnce, "denied").unwrap();
        let denied = client.try_publish(message).unwrap();
        client.publish("open/a", QoS::AtLeastOnce, "allowed").await.unwrap();
        let error = denied.await.unwrap_err();
        assert!(matches!(error, Error::Unanswerable { .. }), "{error:?}");
        let error = client.subscribe("closed/#", QoS::AtLeastOnce).await.unwrap_err();
        assert!(matches!(error, Error::Unanswerable { .. }), "{error:?}");
        client.disconnect(Normal).await.unwrap();
    });
    assert!(payloads(&cloud, "open/a").contains(&"allowed".to_owned()));
}

#[test]
fn a_publish_that_is_throttled_is_sent_again_on_a_new_connection() {
    let cloud = Cloud::new(ALLOW_ALL);
    block_on(async {
        let client =
            cloud.lasting("device-1").operation_timeout(Duration::from_secs(2)).connect().await.unwrap();
        cloud.sim.inject_times(Fault::Throttle, 1);
        client.publish("t", QoS::AtLeastOnce, "throttled").await.unwrap();
        client.disconnect(Normal).await.unwrap();
    });
    // A slow machine may see it sent once more.
    let mut payloads = payloads(&cloud, "t");
    payloads.dedup();
    assert_eq!(payloads, ["throttled"]);
}

#[test]
fn a_suback_that_is_lost_is_asked_for_again() {
    let cloud = Cloud::new(ALLOW_ALL);
    block_on(async {
        let client = cloud.lasting("device-1").connect().await.unwrap();
        cloud.sim.inject_times(Fault::Withhold(Answer::Suback), 1);
        let mut subscription = client.subscribe("t", QoS::AtLeastOnce).await.unwrap();
        cloud.sim.publish("t", "x").unwrap();
        assert_eq!(subscription.next().await.unwrap().payload, "x");
        client.disconnect(Normal).await.unwrap();
    });
    assert_eq!(cloud.sim.statistics().connects_accepted, 1, "on the same connection");
}

#[test]
fn a_quota_that_is_exceeded_for_a_while_loses_nothing() {
    let cloud = Cloud::new(ALLOW_ALL);
    block_on(async {
        let client = cloud.lasting("device-1").connect().await.unwrap();
        cloud.sim.inject_times(Fault::QuotaExceeded, 2);
        client.publish("t", QoS::AtLeastOnce, "x").await.unwrap();
        client.disconnect(Normal).await.unwrap();
    });
    assert_eq!(payloads(&cloud, "t"), ["x"]);
}

#[test]
fn connections_that_are_closed_after_connect_are_tried_again() {
    let cloud = Cloud::new(ALLOW_ALL);
    cloud.sim.inject_times(Fault::CloseAfterConnect, 5);
    block_on(async {
        let client = cloud.lasting("device-1").start().unwrap();
        client.publish("t", QoS::AtLeastOnce, "x").await.unwrap();
        client.disconnect(Normal).await.unwrap();
    });
    assert_eq!(cloud.sim.statistics().connects_received, 6);
}

#[test]
fn a_direct_message_comes_to_the_reader_of_all_messages() {
    let cloud = Cloud::new(ALLOW_ALL);
    block_on(async {
        let client = cloud.lasting("device-1").connect().await.unwrap();
        let mut messages = client.messages().unwrap();
        cloud.sim.send_direct_message("device-1", "any/topic", "direct").unwrap();
        let message = messages.next().await.unwrap();
        assert_eq!((message.topic.as_str(), &message.payload[..]), ("any/topic", &b"direct"[..]));
        client.disconnect(Normal).await.unwrap();
    });
}
