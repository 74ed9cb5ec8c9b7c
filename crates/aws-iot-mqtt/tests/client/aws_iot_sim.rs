//! The client against the simulated AWS IoT Core: what its policies and its registry refuse, and how that is told.

use std::time::Duration;

use aws_iot_mqtt::DisconnectReason::Normal;
use aws_iot_mqtt::{Client, Error, Event, Proxy, Publication, QoS, ReasonCode, Reconnect, SubscribeOptions};
use test_peers::Pki;

use crate::support::cloud::Cloud;
use crate::support::proxy::proxy;
use crate::support::quiet::Complaints;
use crate::support::{EACH_VERSION, block_on, client};

/// May connect as `device-*` and speak under `open/`.
const POLICY: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/device-*"},
        {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": "arn:aws:iot:*:*:topic/open/*"},
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "arn:aws:iot:*:*:topicfilter/open/*"}
    ]
}"#;

#[test]
fn ten_messages_there_and_back() {
    let cloud = Cloud::new(POLICY);
    let complaints = Complaints::default();
    tracing::subscriber::with_default(complaints.clone(), || {
        block_on(async {
            let client = cloud.client("device-1").connect().await.unwrap();
            let mut subscription = client.subscribe("open/#", QoS::AtLeastOnce).await.unwrap();
            for n in 1..=10 {
                client.publish("open/topic", QoS::AtLeastOnce, n.to_string()).await.unwrap();
            }
            for n in 1..=10 {
                assert_eq!(subscription.next().await.unwrap().payload, n.to_string());
            }
            client.disconnect(Normal).await.unwrap();
        });
    });
    assert_eq!(complaints.all(), [""; 0], "a run that goes well complains of nothing");
    assert_eq!(cloud.sim.statistics().publishes_received, 10);
}

#[test]
fn a_filter_of_the_builder_that_is_refused_does_not_end_the_stream_of_the_others() {
    let cloud = Cloud::new(POLICY);
    block_on(async {
        let options = |filter: &str| SubscribeOptions::new(filter, QoS::AtLeastOnce).unwrap();
        let builder = cloud.client("device-1").subscribe(options("closed/#")).subscribe(options("open/#"));
        let client = builder.start().unwrap();
        let (mut events, mut messages) = (client.events(), client.messages().unwrap());
        while !matches!(events.next().await.unwrap(), Event::SubscriptionLost { .. }) {}
        client.publish("open/topic", QoS::AtLeastOnce, "still here").await.unwrap();
        assert_eq!(messages.next().await.unwrap().payload, "still here");
        client.disconnect(Normal).await.unwrap();
        assert!(messages.next().await.is_none(), "the client is at its end");
    });
}

#[test]
fn a_certificate_that_is_not_registered_is_refused_and_said_so() {
    let cloud = Cloud::new(POLICY);
    let stranger = Pki::new().client("device-2");
    for version in EACH_VERSION {
        let tls = cloud.tls_of(&stranger, &[version]);
        let error = block_on(client(cloud.sim.port(), "device-2", tls).connect()).unwrap_err();
        assert!(matches!(error, Error::CertificateRefused { .. }), "{version:?}: {error:?}");
        assert!(error.to_string().contains("not registered"), "{error}");
    }
}

#[test]
fn a_certificate_that_is_inactive_is_refused_and_let_in_again_when_it_is_active() {
    let cloud = Cloud::new(POLICY);
    for version in EACH_VERSION {
        let connect =
            || client(cloud.sim.port(), "device-1", cloud.tls_of(&cloud.device, &[version])).connect();
        cloud.update_certificate("INACTIVE");
        let error = block_on(connect()).unwrap_err();
        assert!(matches!(error, Error::CertificateRefused { .. }), "{version:?}: {error:?}");
        assert!(error.to_string().contains("or it is INACTIVE"), "{error}");
        cloud.update_certificate("ACTIVE");
        block_on(async { connect().await.unwrap().disconnect(Normal).await.unwrap() });
    }
}

#[test]
fn an_endpoint_of_another_account_is_told_as_one_of_the_reasons() {
    let cloud = Cloud::new(POLICY);
    for version in EACH_VERSION {
        // A proxy finds the way whatever the name, so that SNI alone is wrong.
        let (port, _asks) = proxy("HTTP/1.1 200 Connection established\r\n\r\n");
        let tls = cloud.tls_of(&cloud.device, &[version]);
        let builder = Client::builder("other-ats.iot.us-east-1.amazonaws.com", "device-1", tls);
        let builder = builder.port(cloud.sim.port()).proxy(Proxy::new("127.0.0.1", port));
        let error = block_on(builder.reconnect(Reconnect::never()).connect()).unwrap_err();
        assert!(matches!(error, Error::CertificateRefused { .. }), "{version:?}: {error:?}");
        let words = error.to_string();
        assert!(
            words.contains("other-ats.iot.us-east-1.amazonaws.com:")
                && words.contains("belongs to another account"),
            "{words}"
        );
    }
}

#[test]
fn a_client_id_that_the_policy_does_not_allow_is_told_with_the_action() {
    let cloud = Cloud::new(POLICY);
    let error = block_on(cloud.client("other-1").connect()).unwrap_err();
    assert!(matches!(error, Error::ConnectRefused { .. } | Error::ClosedAfterConnect { .. }), "{error:?}");
    assert!(error.to_string().contains("iot:Connect") && error.to_string().contains("'other-1'"), "{error}");
}

#[test]
fn a_message_that_the_policy_does_not_allow_is_told_with_its_topic() {
    let cloud = Cloud::new(POLICY);
    block_on(async {
        let client = cloud.client("device-1").connect().await.unwrap();
        let error = client.publish("closed/topic", QoS::AtLeastOnce, "x").await.unwrap_err();
        let words = error.to_string();
        assert!(words.contains("'closed/topic'") && words.contains("iot:Publish"), "{words}");
    });
}

#[test]
fn a_message_of_qos_0_that_the_policy_does_not_allow_costs_the_connection_and_says_so() {
    let cloud = Cloud::new(POLICY);
    block_on(async {
        let client = cloud.client("device-1").connect().await.unwrap();
        client.publish("closed/topic", QoS::AtMostOnce, "x").await.unwrap();
        let error = client.closed().await.unwrap_err();
        let not_authorized = ReasonCode::NOT_AUTHORIZED;
        assert!(
            matches!(&error, Error::Disconnected { reason, .. } if *reason == not_authorized),
            "{error:?}"
        );
        assert!(error.to_string().contains("what was sent last (iot:Publish"), "{error}");
    });
}

#[test]
fn a_retained_message_needs_an_action_of_its_own() {
    let cloud = Cloud::new(POLICY);
    block_on(async {
        let client = cloud.client("device-1").connect().await.unwrap();
        let retained = Publication::new("open/topic", QoS::AtLeastOnce, "x").unwrap().retain(true);
        let error = client.publish_with(retained).await.unwrap_err();
        assert!(matches!(error, Error::PublishRefused { .. }), "{error:?}");
        assert!(error.to_string().contains("iot:RetainPublish if the message is to be retained"), "{error}");
    });
}

#[test]
fn a_topic_that_the_policy_does_not_let_it_receive_stays_silent() {
    let cloud = Cloud::new(&POLICY.replace(r#"["iot:Publish", "iot:Receive"]"#, r#""iot:Publish""#).replace(
        r#""Statement": ["#,
        r#""Statement": [{"Effect": "Allow", "Action": "iot:Receive", "Resource": "arn:aws:iot:*:*:topic/open/loud"},"#,
    ));
    block_on(async {
        let client = cloud.client("device-1").connect().await.unwrap();
        let mut subscription = client.subscribe("open/#", QoS::AtLeastOnce).await.unwrap();
        client.publish("open/silent", QoS::AtLeastOnce, "nobody hears it").await.unwrap();
        client.publish("open/loud", QoS::AtLeastOnce, "somebody hears it").await.unwrap();
        assert_eq!(subscription.next().await.unwrap().topic.as_str(), "open/loud");
        client.disconnect(Normal).await.unwrap();
    });
}

#[test]
fn a_subscription_that_the_policy_does_not_allow_is_told_with_its_filter() {
    let cloud = Cloud::new(POLICY);
    block_on(async {
        let client = cloud.client("device-1").connect().await.unwrap();
        let error = client.subscribe("closed/#", QoS::AtLeastOnce).await.unwrap_err();
        let words = error.to_string();
        assert!(words.contains("'closed/#'") && words.contains("iot:Subscribe"), "{words}");
    });
}

#[test]
fn a_connection_that_an_operator_ends_is_told_with_the_reason() {
    let cloud = Cloud::new(POLICY);
    block_on(async {
        let client = cloud.client("device-1").connect().await.unwrap();
        assert!(cloud.sim.disconnect("device-1"));
        let error = client.closed().await.unwrap_err();
        assert!(error.to_string().contains("administrative action"), "{error}");
    });
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_kept_session_is_resumed_and_what_came_meanwhile_arrives() {
    let cloud = Cloud::new(POLICY);
    block_on(async {
        let publisher = cloud.client("device-2").connect().await.unwrap();
        let client = cloud.lasting("device-1").persistent_session(HOUR).connect().await.unwrap();
        let mut events = client.events();
        assert!(matches!(events.next().await, Some(Event::Connected { session_present: false })));
        let options = SubscribeOptions::new("open/#", QoS::AtLeastOnce).unwrap().manual_acknowledgement();
        let mut subscription = client.subscribe_with(options).await.unwrap();
        publisher.publish("open/topic", QoS::AtLeastOnce, "not safe yet").await.unwrap();
        let first = subscription.next().await.unwrap();
        assert!(!first.duplicate);

        assert!(cloud.sim.disconnect("device-1"));
        assert!(matches!(events.next().await, Some(Event::Disconnected { retry_in: Some(_), .. })));
        publisher.publish("open/topic", QoS::AtLeastOnce, "meanwhile").await.unwrap();
        assert!(matches!(events.next().await, Some(Event::Connected { session_present: true })));
        assert!(matches!(events.next().await, Some(Event::Resumed)));
        let again = subscription.next().await.unwrap();
        assert_eq!((&again.payload[..], again.duplicate), (&b"not safe yet"[..], true));
        again.acknowledge();
        let meanwhile = subscription.next().await.unwrap();
        assert_eq!((&meanwhile.payload[..], meanwhile.duplicate), (&b"meanwhile"[..], false));
        meanwhile.acknowledge();
        client.disconnect(Normal).await.unwrap();
        publisher.disconnect(Normal).await.unwrap();
    });
}

#[test]
fn a_session_that_aws_has_forgotten_is_made_anew() {
    let cloud = Cloud::new(POLICY);
    block_on(async {
        let session = || cloud.lasting("device-1").persistent_session(HOUR);
        let before = session().connect().await.unwrap();
        let kept = before.subscribe("open/#", QoS::AtLeastOnce).await.unwrap();
        before.disconnect(Normal).await.unwrap();
        drop(kept);
        for present in [true, false] {
            let client = session().connect().await.unwrap();
            let first = client.events().next().await;
            assert!(
                matches!(first, Some(Event::Connected { session_present }) if session_present == present),
                "{first:?}"
            );
            client.disconnect(Normal).await.unwrap();
            assert!(cloud.sim.forget_session("device-1"));
        }
    });
}
