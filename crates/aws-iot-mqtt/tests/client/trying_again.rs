//! When the client tries again, when it gives up, and what it says.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use aws_iot_mqtt::DisconnectReason::Normal;
use aws_iot_mqtt::{Builder, Error, Event, Events, Limits, QoS, ReasonCode, Reconnect, Verdict};
use rustls::{ClientConfig, OtherError};
use test_peers::{CLOSED_PORT, Pki};

use crate::support::cloud::{ALLOW_ALL, Cloud};
use crate::support::key::{Before, Key};
use crate::support::{BOTH_VERSIONS, EACH_VERSION, block_on, certified_key, lasting, tls_with};

/// Quick attempts.
fn builder(cloud: &Cloud, tls: ClientConfig) -> Builder {
    let reconnect = Reconnect::new().delays(Duration::from_millis(1), Duration::from_millis(10));
    lasting(cloud.sim.port(), "device-1", tls).reconnect(reconnect)
}

/// The device's key, which does something before each signature.
fn with_key(cloud: &Cloud, before: Before) -> ClientConfig {
    tls_with(Key::wrap(certified_key(&cloud.device), before), cloud.sim.ca_pem(), BOTH_VERSIONS)
}

/// How many attempts failed before the client gave up, and why it did.
async fn until_given_up(mut events: Events) -> (usize, Error) {
    let mut failed = 0;
    loop {
        match events.next().await.expect("an event before the end") {
            Event::ConnectFailed { .. } | Event::Disconnected { .. } => failed += 1,
            Event::GaveUp { error } => return (failed, error),
            _ => {}
        }
    }
}

#[test]
fn a_client_that_is_not_to_try_again_ends_with_the_reason_of_the_first_attempt() {
    let cloud = Cloud::new(ALLOW_ALL);
    let stranger = Pki::new().client("stranger");
    for version in EACH_VERSION {
        let builder = builder(&cloud, cloud.tls_of(&stranger, &[version])).reconnect(Reconnect::never());
        let client = builder.start().unwrap();
        let events = client.events();
        let error = block_on(client.publish("t", QoS::AtLeastOnce, "x")).unwrap_err();
        assert!(matches!(error, Error::CertificateRefused { .. }), "{error:?}");
        // All who wait, or come later, learn the same.
        let late = [
            block_on(client.subscribe("t", QoS::AtLeastOnce)).map(drop).unwrap_err(),
            block_on(client.publish("t", QoS::AtMostOnce, "x")).unwrap_err(),
        ];
        assert_eq!(late.map(|late| late.to_string()), [error.to_string(), error.to_string()]);
        let (_, why) = block_on(until_given_up(events));
        assert_eq!(why.to_string(), error.to_string());
        assert_eq!(client.statistics().failed_attempts, 1);
        assert!(matches!(block_on(client.closed()), Err(Error::CertificateRefused { .. })));
    }
}

/// The time limit of a call ends with the session, too, and must not be taken for one that has passed.
#[test]
fn calls_made_while_the_client_ends_fail_with_the_reason_of_its_end() {
    let cloud = Cloud::new(ALLOW_ALL);
    for _ in 0..40 {
        let builder = lasting(CLOSED_PORT, "device-1", cloud.tls()).reconnect(Reconnect::never());
        let client = builder.start().unwrap();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let error = block_on(client.subscribe("t", QoS::AtLeastOnce)).map(drop).unwrap_err();
                        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
                    }
                });
            }
        });
    }
}

#[test]
fn a_device_that_is_registered_while_it_tries_gets_in() {
    let cloud = Cloud::new(ALLOW_ALL);
    let late = Pki::new().client("late");
    let tls = cloud.tls_of(&late, BOTH_VERSIONS);
    let client = builder(&cloud, tls).start().unwrap();
    block_on(async {
        let mut events = client.events();
        while !matches!(events.next().await, Some(Event::ConnectFailed { retry_in: Some(_), .. })) {}
        cloud.sim.admit(&late.certificate_pem, "device-1", ALLOW_ALL).unwrap();
        client.publish("t", QoS::AtLeastOnce, "at last").await.unwrap();
        client.disconnect(Normal).await.unwrap();
    });
}

#[test]
fn two_clients_with_one_id_are_told_and_none_gives_up() {
    let cloud = Cloud::new(ALLOW_ALL);
    let tls = cloud.tls();
    let one = block_on(builder(&cloud, tls.clone()).connect()).unwrap();
    let other = block_on(builder(&cloud, tls).connect()).unwrap();
    block_on(async {
        for client in [&one, &other] {
            let mut events = client.events();
            let error = loop {
                match events.next().await.expect("an event before the end") {
                    Event::Disconnected { error, retry_in: Some(_) } => break error,
                    Event::GaveUp { error } => panic!("a take-over is no refusal: {error}"),
                    _ => {}
                }
            };
            let taken_over = ReasonCode::SESSION_TAKEN_OVER;
            assert!(
                matches!(&error, Error::Disconnected { reason, .. } if *reason == taken_over),
                "{error:?}"
            );
            assert!(error.to_string().contains("another client has connected with this id"), "{error}");
        }
        one.disconnect(Normal).await.unwrap();
        other.publish("t", QoS::AtLeastOnce, "mine now").await.unwrap();
        other.disconnect(Normal).await.unwrap();
    });
}

#[derive(Debug)]
struct ChipError(&'static str);

impl std::fmt::Display for ChipError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ChipError {}

fn fails(error: &'static str, times: usize) -> Before {
    let left = AtomicUsize::new(times);
    Arc::new(move || {
        match left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Err(OtherError(Arc::new(ChipError(error))).into()),
            Err(_) => Ok(()),
        }
    })
}

fn classify(error: &(dyn std::error::Error + 'static)) -> Verdict {
    match error.downcast_ref() {
        Some(ChipError("busy")) => Verdict::Transient,
        Some(ChipError("needs a new process")) => Verdict::Final,
        Some(ChipError("unheard of")) => panic!("the test's own fault in the application's code"),
        _ => Verdict::Permanent,
    }
}

#[test]
fn a_chip_that_fails_for_a_while_is_tried_again_and_a_wrong_key_is_the_signers_error() {
    let cloud = Cloud::new(ALLOW_ALL);
    let with = |before| with_key(&cloud, before);
    block_on(async {
        let busy = builder(&cloud, with(fails("busy", 5))).classify_signer_errors(classify).start().unwrap();
        busy.publish("t", QoS::AtLeastOnce, "x").await.unwrap();
        assert_eq!(busy.statistics().failed_attempts, 5);
        busy.disconnect(Normal).await.unwrap();

        let wrong = builder(&cloud, with(fails("wrong key", 9))).reconnect(Reconnect::never());
        let wrong = wrong.classify_signer_errors(classify).start().unwrap();
        let (_, error) = until_given_up(wrong.events()).await;
        assert!(matches!(error, Error::Signer { .. }), "{error:?}");
    });
}

#[test]
fn a_chip_that_only_a_new_process_can_open_ends_it_at_once() {
    let cloud = Cloud::new(ALLOW_ALL);
    let builder = builder(&cloud, with_key(&cloud, fails("needs a new process", 9)));
    let client = builder.classify_signer_errors(classify).start().unwrap();
    block_on(async {
        let error = client.publish("t", QoS::AtLeastOnce, "x").await.unwrap_err();
        // The supervisor's answer is found through the error's sources.
        assert_eq!(error.source().unwrap().to_string(), "needs a new process");
        assert_eq!(client.closed().await.unwrap_err().to_string(), error.to_string());
        let (failed, why) = until_given_up(client.events()).await;
        assert_eq!(
            (failed, why.to_string()),
            (0, error.to_string()),
            "a late listener hears the last word alone"
        );
        assert_eq!(client.statistics().failed_attempts, 1);
    });
}

#[test]
fn a_session_that_dies_of_the_applications_own_code_is_told_to_everybody() {
    let cloud = Cloud::new(ALLOW_ALL);
    let builder = builder(&cloud, with_key(&cloud, fails("unheard of", 9)));
    let client = builder.classify_signer_errors(classify).start().unwrap();
    block_on(async {
        let events = client.events();
        assert!(matches!(client.closed().await, Err(Error::Start { .. })));
        let (_, why) = until_given_up(events).await;
        assert!(matches!(why, Error::Start { .. }), "{why:?}");
        let late = client.publish("t", QoS::AtLeastOnce, "x").await.unwrap_err();
        assert!(matches!(late, Error::Start { .. }), "{late:?}");
    });
}

#[test]
fn awss_pause_between_two_connections_of_one_id_is_kept() {
    let cloud = Cloud::new(ALLOW_ALL);
    let tls = cloud.tls();
    let reconnect = Reconnect::new().delays(Duration::ZERO, Duration::ZERO);
    let client =
        block_on(builder(&cloud, tls).limits(Limits::aws_iot_core()).reconnect(reconnect).connect()).unwrap();
    let mut events = client.events();
    assert!(cloud.sim.disconnect("device-1"));
    block_on(async {
        loop {
            if let Some(Event::Disconnected { retry_in, .. }) = events.next().await {
                let retry_in = retry_in.unwrap();
                assert!(Duration::ZERO < retry_in && retry_in <= Duration::from_secs(1), "{retry_in:?}");
                return;
            }
        }
    });
}
