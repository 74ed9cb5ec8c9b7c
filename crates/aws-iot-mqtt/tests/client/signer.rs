//! Keys that take their time, and keys that fail: as in a chip.

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use aws_iot_mqtt::DisconnectReason::Normal;
use aws_iot_mqtt::{Error, QoS, Stage};
use rustls::OtherError;
use tokio::sync::mpsc as async_mpsc;

use crate::support::key::{Before, Key};
use crate::support::server::{Scripted, read_to_end};
use crate::support::{BOTH_VERSIONS, EACH_VERSION, block_on, certified_key, client, tls, tls_with};

/// A key that says when it is asked, and waits until it is let go.
fn blocking() -> (Before, async_mpsc::UnboundedReceiver<()>, mpsc::Sender<()>) {
    let (asked, asks) = async_mpsc::unbounded_channel();
    let (let_go, waits) = mpsc::channel::<()>();
    let waits = Mutex::new(waits);
    let before: Before = Arc::new(move || {
        asked.send(()).unwrap();
        waits.lock().unwrap().recv().map_err(|_| rustls::Error::General("the test has ended".to_owned()))
    });
    (before, asks, let_go)
}

#[test]
fn a_signature_that_takes_for_ever_does_not_stall_the_applications_only_thread() {
    for version in EACH_VERSION {
        let (before, mut asks, let_go) = blocking();
        let server = Scripted::broker(|stream| drop(read_to_end(stream)));
        let key = Key::wrap(certified_key(&server.device), before);
        let tls = tls_with(key, &server.ca_pem, &[version]);
        let builder = client(server.port, "device-1", tls).connect_timeout(Duration::from_secs(3600));

        let application = tokio::runtime::Builder::new_current_thread().build().unwrap();
        application.block_on(async {
            let connecting = tokio::spawn(builder.connect());
            asks.recv().await.unwrap();
            // The key is signing, and will not stop before it is let go. Meanwhile:
            let work = tokio::spawn(async {
                for _ in 0..1000 {
                    tokio::task::yield_now().await;
                }
                "done"
            });
            assert_eq!(work.await.unwrap(), "done");
            assert!(!connecting.is_finished());
            let_go.send(()).unwrap();
            let client = connecting.await.unwrap().unwrap();
            client.publish("t", QoS::AtMostOnce, "x").await.unwrap();
            client.disconnect(Normal).await.unwrap();
        });
    }
}

#[test]
fn the_connect_timeout_holds_while_the_key_does_not_answer() {
    let (before, _asks, _let_go) = blocking();
    let server = Scripted::broker(|stream| drop(read_to_end(stream)));
    let tls = tls_with(Key::wrap(certified_key(&server.device), before), &server.ca_pem, BOTH_VERSIONS);
    let builder = client(server.port, "device-1", tls).connect_timeout(Duration::from_secs(5));
    let error = block_on(builder.connect()).unwrap_err();
    assert!(matches!(error, Error::ConnectTimeout { stage: Stage::Tls, .. }), "{error:?}");
    assert!(error.to_string().contains("chip"), "{error}");
}

#[test]
fn the_key_is_let_go_before_disconnect_returns() {
    for _ in 0..20 {
        let server = Scripted::broker(|stream| drop(read_to_end(stream)));
        let tls = Arc::new(tls(&server.device, &server.ca_pem, BOTH_VERSIONS));
        let held = Arc::downgrade(&tls);
        block_on(async {
            let client = client(server.port, "device-1", tls).connect().await.unwrap();
            client.disconnect(Normal).await.unwrap();
        });
        assert!(
            held.upgrade().is_none(),
            "a module that is unloaded while it works takes the process with it"
        );
    }
}

#[test]
fn a_key_that_fails_is_told_with_its_own_error() {
    #[derive(Debug, PartialEq)]
    struct ChipError(u32);
    impl fmt::Display for ChipError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "C_Sign: CKR_DEVICE_ERROR ({:#x})", self.0)
        }
    }
    impl std::error::Error for ChipError {}

    for version in EACH_VERSION {
        let before: Before = Arc::new(|| Err(OtherError(Arc::new(ChipError(0x30))).into()));
        let server = Scripted::broker(|stream| drop(read_to_end(stream)));
        let key = Key::wrap(certified_key(&server.device), before);
        let tls = tls_with(key, &server.ca_pem, &[version]);
        let error = block_on(client(server.port, "device-1", tls).connect()).unwrap_err();
        assert!(matches!(error, Error::Signer { .. }), "{error:?}");
        assert_eq!(error.source().unwrap().downcast_ref(), Some(&ChipError(0x30)));
    }
}
