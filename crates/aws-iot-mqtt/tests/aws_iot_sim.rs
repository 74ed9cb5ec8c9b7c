//! The client against the simulated AWS IoT Core: what its policies and its registry refuse, and how that is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test may panic"
)]

mod support;

use aws_iot_mqtt::{Client, Error, QoS, ReasonCode, Reconnect};
use aws_iot_sim::AwsIotSim;
use rustls::ClientConfig;
use support::quiet::Complaints;
use support::{BOTH_VERSIONS, EACH_VERSION, block_on, tls};
use test_peers::Pki;

/// May connect as `device-*` and speak under `open/`.
const POLICY: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/device-*"},
        {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": "arn:aws:iot:*:*:topic/open/*"},
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "arn:aws:iot:*:*:topicfilter/open/*"}
    ]
}"#;

/// A simulator, and a device that it knows.
fn sim() -> (AwsIotSim, ClientConfig) {
    let sim = AwsIotSim::start().unwrap();
    let device = Pki::new().client("device-1");
    sim.admit(&device.certificate_pem, "device-1", POLICY).unwrap();
    let tls = tls(&device, sim.ca_pem(), BOTH_VERSIONS);
    (sim, tls)
}

async fn connect(sim: &AwsIotSim, client_id: &str, tls: &ClientConfig) -> Result<Client, Error> {
    let builder = Client::builder(sim.endpoint(), client_id, tls.clone()).port(sim.port());
    builder.reconnect(Reconnect::never()).connect().await
}

#[test]
fn ten_messages_there_and_back() {
    let (sim, tls) = sim();
    let complaints = Complaints::default();
    tracing::subscriber::with_default(complaints.clone(), || {
        block_on(async {
            let client = connect(&sim, "device-1", &tls).await.unwrap();
            let mut subscription = client.subscribe("open/#", QoS::AtLeastOnce).await.unwrap();
            for n in 1..=10 {
                client.publish("open/topic", QoS::AtLeastOnce, n.to_string()).await.unwrap();
            }
            for n in 1..=10 {
                assert_eq!(subscription.next().await.unwrap().payload, n.to_string());
            }
            client.disconnect().await.unwrap();
        });
    });
    assert_eq!(complaints.all(), [""; 0], "a run that goes well complains of nothing");
    assert_eq!(sim.statistics().publishes_received, 10);
}

#[test]
fn a_certificate_that_is_not_registered_is_refused_and_said_so() {
    let (sim, _) = sim();
    let stranger = Pki::new().client("device-2");
    for version in EACH_VERSION {
        let tls = tls(&stranger, sim.ca_pem(), &[version]);
        let error = block_on(connect(&sim, "device-2", &tls)).unwrap_err();
        assert!(matches!(error, Error::CertificateRefused { .. }), "{version:?}: {error:?}");
        assert!(error.to_string().contains("not registered"), "{error}");
    }
}

#[test]
fn a_client_id_that_the_policy_does_not_allow_is_told_with_the_action() {
    let (sim, tls) = sim();
    let error = block_on(connect(&sim, "other-1", &tls)).unwrap_err();
    assert!(matches!(error, Error::ConnectRefused { .. } | Error::ClosedAfterConnect { .. }), "{error:?}");
    assert!(error.to_string().contains("iot:Connect") && error.to_string().contains("'other-1'"), "{error}");
}

#[test]
fn a_message_that_the_policy_does_not_allow_is_told_with_its_topic() {
    let (sim, tls) = sim();
    block_on(async {
        let client = connect(&sim, "device-1", &tls).await.unwrap();
        let error = client.publish("closed/topic", QoS::AtLeastOnce, "x").await.unwrap_err();
        let words = error.to_string();
        assert!(words.contains("'closed/topic'") && words.contains("iot:Publish"), "{words}");
    });
}

#[test]
fn a_subscription_that_the_policy_does_not_allow_is_told_with_its_filter() {
    let (sim, tls) = sim();
    block_on(async {
        let client = connect(&sim, "device-1", &tls).await.unwrap();
        let error = client.subscribe("closed/#", QoS::AtLeastOnce).await.unwrap_err();
        let words = error.to_string();
        assert!(words.contains("'closed/#'") && words.contains("iot:Subscribe"), "{words}");
    });
}

#[test]
fn the_older_client_of_an_id_learns_who_took_its_place() {
    let (sim, tls) = sim();
    block_on(async {
        let older = connect(&sim, "device-1", &tls).await.unwrap();
        let newer = connect(&sim, "device-1", &tls).await.unwrap();
        let error = older.closed().await.unwrap_err();
        let taken_over = ReasonCode::SESSION_TAKEN_OVER;
        assert!(matches!(&error, Error::Disconnected { reason, .. } if *reason == taken_over), "{error:?}");
        newer.disconnect().await.unwrap();
    });
}

#[test]
fn a_connection_that_an_operator_ends_is_told_with_the_reason() {
    let (sim, tls) = sim();
    block_on(async {
        let client = connect(&sim, "device-1", &tls).await.unwrap();
        assert!(sim.disconnect("device-1"));
        let error = client.closed().await.unwrap_err();
        assert!(error.to_string().contains("administrative action"), "{error}");
    });
}
