//! What the tests share: identities, a TLS server that follows a script, an executor that is not tokio.

pub(crate) mod authority;
pub(crate) mod bench;
pub(crate) mod cloud;
pub(crate) mod cutter;
pub(crate) mod key;
pub(crate) mod proxy;
pub(crate) mod quiet;
pub(crate) mod server;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use aws_iot_mqtt::{Builder, Client, Limits, QoS, Reconnect, Subscription};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use test_peers::Issued;

/// TLS 1.2 alone and TLS 1.3 alone.
pub(crate) const EACH_VERSION: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
pub(crate) const BOTH_VERSIONS: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// Longest that a test waits for anything: a lost message is a failed assertion, and not a run that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a future on this thread, with nothing but the standard library: so nothing of ours may need tokio around it.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
    let begun = Instant::now();
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park_timeout(PATIENCE),
        }
        assert!(begun.elapsed() < PATIENCE, "what the test waits for does not happen");
    }
}

/// Settings for a client on `localhost` that ends with its connection, and does not keep to AWS's rates.
pub(crate) fn client(port: u16, client_id: &str, tls: impl Into<Arc<ClientConfig>>) -> Builder {
    Client::builder("localhost", client_id, tls).port(port).reconnect(Reconnect::never()).pacing(false)
}

/// The same for one that connects again, and quickly.
pub(crate) fn lasting(port: u16, client_id: &str, tls: impl Into<Arc<ClientConfig>>) -> Builder {
    let reconnect = Reconnect::new().delays(Duration::from_millis(20), Duration::from_millis(200));
    let mut limits = Limits::aws_iot_core();
    limits.connect_interval = Duration::ZERO;
    client(port, client_id, tls).reconnect(reconnect).limits(limits).pacing(false)
}

/// Publishes at QoS 1, and waits for the acknowledgement.
pub(crate) async fn publish(client: &Client, topic: &str, payload: &'static str) {
    client.publish(topic, QoS::AtLeastOnce, payload).await.unwrap();
}

/// The text of the next message.
pub(crate) async fn next(subscription: &mut Subscription) -> String {
    String::from_utf8(subscription.next().await.unwrap().payload.to_vec()).unwrap()
}

/// A client that trusts `ca_pem` and proves itself with `device`.
pub(crate) fn tls(
    device: &Issued,
    ca_pem: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    tls_with(certified_key(device), ca_pem, versions)
}

/// The same with a key of the test's own.
pub(crate) fn tls_with(
    key: CertifiedKey,
    ca_pem: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(roots(ca_pem));
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build().unwrap();
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_webpki_verifier(verifier)
        .with_client_cert_resolver(Arc::new(Single(Arc::new(key))))
}

pub(crate) fn roots(ca_pem: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(ca_pem)).unwrap();
    roots
}

pub(crate) fn certified_key(issued: &Issued) -> CertifiedKey {
    let key = PrivateKeyDer::Pkcs8(pem::parse(&issued.key_pem).unwrap().into_contents().into());
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    CertifiedKey::new(vec![certificate(&issued.certificate_pem)], key)
}

/// A certificate that no authority has issued.
pub(crate) fn self_signed(common_name: &str) -> Issued {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([common_name.to_owned()]).unwrap();
    Issued { certificate_pem: cert.pem(), key_pem: signing_key.serialize_pem() }
}

fn certificate(certificate_pem: &str) -> CertificateDer<'static> {
    pem::parse(certificate_pem).unwrap().into_contents().into()
}

/// Gives every server the one identity, as the chip does.
#[derive(Debug)]
struct Single(Arc<CertifiedKey>);

impl ResolvesClientCert for Single {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
