//! Messages a second, and CPU for each, of this client, of bare rumqttc's MQTT 5 client and of mosquitto's C client:
//! against mosquitto on loopback, over TLS, in turn, so that a noisy machine is noisy for all of them.
//!
//! `cargo bench -p aws-iot-mqtt`; `BENCH_ROUNDS` sets how often each case is run (5), of which the medians are shown.
//! `cargo bench -p aws-iot-mqtt -- "QoS 1"` runs only the cases whose name holds these words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot run may panic"
)]

mod bare_rumqttc;
mod c_client;
mod measure;
mod ours;

use std::sync::Arc;

use measure::{Measured, median};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use test_peers::{Issued, Mosquitto, Pki, TlsVersion};

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// QoS 1, or 0.
    pub(crate) acknowledged: bool,
    /// Of the payload.
    pub(crate) bytes: usize,
    /// Most messages that are not acknowledged.
    pub(crate) in_flight: u16,
    pub(crate) messages: usize,
}

impl Case {
    fn name(&self) -> String {
        match self.acknowledged {
            true => format!("QoS 1 {:>5} B, {:>3} open", self.bytes, self.in_flight),
            false => format!("QoS 0 {:>5} B", self.bytes),
        }
    }
}

pub(crate) struct Bench {
    pub(crate) broker: Mosquitto,
    pub(crate) ca_pem: String,
    pub(crate) device: Issued,
    pub(crate) tls: Arc<ClientConfig>,
}

fn main() {
    // `cargo test --benches` only wants to know that it builds and starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let rounds = std::env::var("BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let pki = Pki::new();
    let Some(broker) = Mosquitto::start_quiet(&pki.ca_pem(), TlsVersion::Any) else { return };
    let (ca_pem, device) = (broker.server_ca_pem().to_owned(), pki.client("bench"));
    let tls = Arc::new(tls(&device, &ca_pem));
    let bench = Bench { broker, ca_pem, device, tls };

    println!(
        "messages/s and CPU us per message (median of {rounds}); ratio: ours to bare rumqttc in the same round"
    );
    println!(
        "{:<22} {:>10} {:>6}   {:>10} {:>6}   {:>10} {:>6}   {:>7} {:>7}",
        "case", "ours/s", "us", "rumqttc/s", "us", "C/s", "us", "speed x", "CPU x"
    );
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    for case in cases().filter(|case| case.name().contains(&wanted)) {
        run(&bench, case, rounds);
    }
    println!(
        "the C client is mosquitto_pub -l, whose own window is 20: shown for QoS 0 and for 20 in flight"
    );
}

fn cases() -> impl Iterator<Item = Case> {
    [256, 16 * 1024].into_iter().flat_map(|bytes| {
        let case = move |acknowledged, in_flight, messages| {
            let messages = if bytes > 1000 { messages / 4 } else { messages };
            Case { acknowledged, bytes, in_flight, messages }
        };
        [case(false, 100, 40_000), case(true, 1, 3000), case(true, 20, 20_000), case(true, 100, 40_000)]
    })
}

fn run(bench: &Bench, case: Case, rounds: usize) {
    let with_c = !case.acknowledged || case.in_flight == 20;
    let (mut ours, mut bare, mut c) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        // In turn, also as to who comes first.
        if round % 2 == 0 {
            ours.push(ours::run(bench, case));
            bare.push(bare_rumqttc::run(bench, case));
        } else {
            bare.push(bare_rumqttc::run(bench, case));
            ours.push(ours::run(bench, case));
        }
        if with_c {
            c.extend(c_client::run(bench, case));
        }
    }
    let ratio = |of: fn(&Measured) -> f64| median(ours.iter().zip(&bare).map(|(a, b)| of(a) / of(b)));
    println!(
        "{:<22} {}   {}   {}   {:>7.2} {:>7.2}",
        case.name(),
        measure::show(&ours),
        measure::show(&bare),
        measure::show(&c),
        ratio(|measured| measured.per_second),
        ratio(|measured| measured.cpu_micros),
    );
}

fn tls(device: &Issued, ca_pem: &str) -> ClientConfig {
    let certificate = |text: &str| CertificateDer::from(pem::parse(text).unwrap().into_contents());
    let mut roots = RootCertStore::empty();
    roots.add(certificate(ca_pem)).unwrap();
    let key = PrivateKeyDer::Pkcs8(pem::parse(&device.key_pem).unwrap().into_contents().into());
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate(&device.certificate_pem)], key)
        .unwrap()
}
