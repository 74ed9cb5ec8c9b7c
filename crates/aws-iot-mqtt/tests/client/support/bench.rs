//! mosquitto, which asks for client certificates, and clients that it lets in.

use std::time::{Duration, Instant};

use aws_iot_mqtt::{Builder, Client};
use rustls::ClientConfig;
use test_peers::{Mosquitto, Pki, TlsVersion};

use super::{BOTH_VERSIONS, PATIENCE, client, lasting, tls};

pub(crate) struct Bench {
    pub(crate) broker: Mosquitto,
    pub(crate) tls: ClientConfig,
}

impl Bench {
    /// `None`, and a skip, where mosquitto is not installed.
    pub(crate) fn new() -> Option<Self> {
        Self::with(TlsVersion::Any)
    }

    pub(crate) fn with(version: TlsVersion) -> Option<Self> {
        let pki = Pki::new();
        let broker = Mosquitto::start(&pki.ca_pem(), version)?;
        let tls = tls(&pki.client("device"), broker.server_ca_pem(), BOTH_VERSIONS);
        Some(Self { broker, tls })
    }

    /// A client that ends with its connection.
    pub(crate) fn client(&self, id: &str) -> Builder {
        client(self.broker.port(), id, self.tls.clone())
    }

    /// A client that connects again.
    pub(crate) fn lasting(&self, id: &str) -> Builder {
        self.lasting_through(self.broker.port(), id)
    }

    /// The same through another port, that of a [`Cutter`](super::cutter::Cutter).
    pub(crate) fn lasting_through(&self, port: u16, id: &str) -> Builder {
        lasting(port, id, self.tls.clone())
    }

    /// The broker's log, once that text is in it: it comes through a pipe, a little late.
    pub(crate) fn log_until(&self, text: &str) -> String {
        self.log_until_one_of(&[text])
    }

    pub(crate) fn log_until_one_of(&self, texts: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let log = self.broker.log();
            if texts.iter().any(|text| log.contains(text)) {
                return log;
            }
            assert!(begun.elapsed() < PATIENCE, "none of {texts:?} in {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many SUBSCRIBEs came from that client, which has disconnected.
    pub(crate) fn subscribes_of(&self, id: &str) -> usize {
        let log = self.log_until(&format!("Received DISCONNECT from {id}"));
        log.matches(&format!("Received SUBSCRIBE from {id}")).count()
    }

    pub(crate) async fn connect(&self, id: &str) -> Client {
        self.client(id).connect().await.unwrap()
    }
}
