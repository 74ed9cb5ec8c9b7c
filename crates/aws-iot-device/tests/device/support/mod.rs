//! What the tests share: a device, an account of ministack, a service that follows a script, a line that can be cut.

pub(crate) mod cloud;
pub(crate) mod line;
pub(crate) mod ministack;
pub(crate) mod script;

use std::sync::Arc;
use std::time::Duration;

use aws_iot_mqtt::{Builder, Client, Limits, QoS, Reconnect};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use test_peers::Issued;

/// Longest that a test waits for anything: a lost message is a failed assertion, and not a run that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test's future, for as long as a test may take.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let limited = async { tokio::time::timeout(6 * PATIENCE, future).await };
    runtime.block_on(limited).expect("what the test waits for does not happen")
}

/// What is awaited, within [`PATIENCE`].
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it does not happen in time")
}

/// The connected `device-1`, which has the builder's subscriptions to its commands. [`Builder::connect`] does not wait for them, and
/// what is published before is lost. Servers answer in order: with a further subscription, these stand.
pub(crate) async fn connected(builder: Builder) -> Client {
    let client = soon(builder.connect()).await.unwrap();
    let further = "$aws/commands/things/device-1/executions/+/further";
    drop(soon(client.subscribe(further, QoS::AtLeastOnce)).await.unwrap());
    client
}

/// A client that trusts `ca_pem` and proves itself with `device`.
pub(crate) fn tls(device: &Issued, ca_pem: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(ca_pem)).unwrap();
    let key = PrivateKeyDer::Pkcs8(pem::parse(&device.key_pem).unwrap().into_contents().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate(&device.certificate_pem)], key)
        .unwrap()
}

fn certificate(certificate_pem: &str) -> CertificateDer<'static> {
    pem::parse(certificate_pem).unwrap().into_contents().into()
}

/// Settings for a client on `localhost` that connects again quickly, and does not keep to AWS's rates.
pub(crate) fn client(port: u16, client_id: &str, tls: ClientConfig) -> Builder {
    let reconnect = Reconnect::new().delays(Duration::from_millis(20), Duration::from_millis(200));
    let mut limits = Limits::aws_iot_core();
    limits.connect_interval = Duration::ZERO;
    Client::builder("localhost", client_id, tls).port(port).reconnect(reconnect).limits(limits).pacing(false)
}
