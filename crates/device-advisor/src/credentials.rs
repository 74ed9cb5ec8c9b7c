//! The server's certificates: the right one, and those that a device must not accept. All keys are thrown away at the end.

use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// The name under which devices reach the server.
pub(crate) const HOST: &str = "localhost";

/// Which certificate a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerCertificate {
    /// For the right name, from the CA that the device trusts.
    Good,
    /// The same, about 16 KB long: far more than AWS's "20 % larger than today's".
    Large,
    /// Signed by a CA that the device does not know.
    UnknownCa,
    /// For another name.
    WrongName,
    /// Expired in 2021.
    Expired,
}

/// The CA, and what a device needs to connect: the same for all cases.
pub(crate) struct Credentials {
    ca: Issuer<'static, KeyPair>,
    unknown_ca: Issuer<'static, KeyPair>,
    /// The CA's certificate, PEM.
    pub(crate) ca_pem: String,
    /// A certificate for devices that take theirs from a file, PEM.
    pub(crate) device_pem: String,
    /// Its key, PEM (PKCS#8).
    pub(crate) device_key_pem: String,
}

impl Credentials {
    /// Makes them all.
    ///
    /// # Errors
    /// The library refuses, or has no randomness.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let (ca, ca_pem) = authority("Device Advisor at home")?;
        let (unknown_ca, _) = authority("A CA that nobody knows")?;
        let device_key = KeyPair::generate()?;
        let mut device = CertificateParams::new(Vec::new())?;
        device.distinguished_name.push(DnType::CommonName, "device under test");
        device.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let device_pem = device.signed_by(&device_key, &ca)?.pem();
        Ok(Self { ca, unknown_ca, ca_pem, device_pem, device_key_pem: device_key.serialize_pem() })
    }

    /// A TLS server with that certificate. It asks for the device's certificate and takes any: who may connect is not what the
    /// cases are about.
    ///
    /// # Errors
    /// The library refuses.
    pub(crate) fn server(&self, certificate: ServerCertificate) -> anyhow::Result<Arc<ServerConfig>> {
        let key = KeyPair::generate()?;
        let name = if certificate == ServerCertificate::WrongName { "other.example" } else { HOST };
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        match certificate {
            ServerCertificate::Expired => {
                params.not_before = date_time_ymd(2020, 1, 1);
                params.not_after = date_time_ymd(2021, 1, 1);
            }
            ServerCertificate::Large => {
                for number in 0..400 {
                    let name = format!("a-name-to-make-this-certificate-larger-{number}.example");
                    params.subject_alt_names.push(SanType::DnsName(name.try_into()?));
                }
            }
            _ => {}
        }
        let issuer = if certificate == ServerCertificate::UnknownCa { &self.unknown_ca } else { &self.ca };
        let signed = params.signed_by(&key, issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(crate::any_client::AnyClient::new()))
            .with_single_cert(vec![signed.der().clone()], key)
            .context("the server's certificate")?;
        config.alpn_protocols = vec![b"x-amzn-mqtt-ca".to_vec(), b"mqtt".to_vec()];
        Ok(Arc::new(config))
    }
}

fn authority(name: &str) -> anyhow::Result<(Issuer<'static, KeyPair>, String)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}
