//! A throwaway certificate authority of two levels, as NXP's is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, SignatureAlgorithm,
};

use crate::Error;

/// Before now, so that a client whose clock is a little behind accepts a new chip's certificate.
const ISSUED_AGO: Duration = Duration::from_secs(60 * 60);
/// NXP's certificates outlive the device; so do these.
const LIFETIME: Duration = Duration::from_secs(25 * 365 * 24 * 60 * 60);

/// The authority. Its private keys live as long as this value: nothing is issued after the chip is made.
pub(super) struct Authority {
    root: Vec<u8>,
    intermediate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Result<Self, Error> {
        Self::make().map_err(Error::factory("its certificate authority"))
    }

    /// Root and intermediate, in DER.
    pub(super) fn certificates(&self) -> [&[u8]; 2] {
        [&self.root, &self.intermediate]
    }

    /// A device certificate for that key, in DER.
    pub(super) fn issue(&self, common_name: &str, key: &PublicKey) -> Result<Vec<u8>, Error> {
        let mut params = params(common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(key, &self.issuer).map_err(Error::factory("a certificate"))?;
        Ok(certificate.der().to_vec())
    }

    fn make() -> Result<Self, rcgen::Error> {
        let root_params = authority_params("NXP-SIMULATED-RootCA");
        let root_key = KeyPair::generate()?;
        let root = root_params.self_signed(&root_key)?;
        let root_issuer = Issuer::new(root_params, root_key);

        let mut params = authority_params("NXP-SIMULATED-Intermediate-Cloud-Connection-CA");
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let intermediate = params.signed_by(&key, &root_issuer)?;
        Ok(Self {
            root: root.der().to_vec(),
            intermediate: intermediate.der().to_vec(),
            issuer: Issuer::new(params, key),
        })
    }
}

/// The public key that a device certificate is for.
pub(super) enum PublicKey {
    /// The uncompressed point.
    EcP256(Vec<u8>),
    /// PKCS#1's `RSAPublicKey`.
    Rsa(Vec<u8>),
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        match self {
            Self::EcP256(bytes) | Self::Rsa(bytes) => bytes,
        }
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self {
            Self::EcP256(_) => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = params(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn params(common_name: &str) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "NXP SIMULATED DEVELOPMENT ONLY");
    name.push(DnType::OrganizationalUnitName, "Plug and Trust");
    name.push(DnType::CommonName, common_name);

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = epoch + now.saturating_sub(ISSUED_AGO);
    params.not_after = epoch + now + LIFETIME;
    params
}
