//! A throwaway certificate authority.

use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SubjectPublicKeyInfo,
};

/// How many authorities this process has made.
static AUTHORITIES: AtomicU32 = AtomicU32::new(0);

/// A throwaway certificate authority that issues server and client certificates.
pub struct Pki {
    ca: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its private key, both in PEM.
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// The private key (PKCS#8).
    pub key_pem: String,
}

impl Pki {
    /// A new authority with a new key.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        // A name of its own: OpenSSL calls a certificate of another authority of the same name a wrong signature.
        let number = AUTHORITIES.fetch_add(1, Ordering::Relaxed);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("throwaway test CA {}-{number}", std::process::id()));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("an EC key");
        Self { ca: CertifiedIssuer::self_signed(params, key).expect("a CA certificate") }
    }

    /// The authority's own certificate in PEM.
    pub fn ca_pem(&self) -> String {
        self.ca.pem()
    }

    /// A certificate for a server of that host name.
    pub fn server(&self, host: &str) -> Issued {
        self.issue(CertificateParams::new([host.to_owned()]).expect("a host name"))
    }

    /// A client certificate with an EC P-256 key in a file.
    pub fn client(&self, common_name: &str) -> Issued {
        self.issue(named(common_name))
    }

    /// A client certificate for a key that is elsewhere, from its SubjectPublicKeyInfo in DER. Returns DER.
    pub fn certify(&self, public_key: &[u8], common_name: &str) -> Vec<u8> {
        let public_key = SubjectPublicKeyInfo::from_der(public_key).expect("a public key");
        named(common_name).signed_by(&public_key, &self.ca).expect("a certificate").der().to_vec()
    }

    fn issue(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().expect("an EC key");
        let certificate = params.signed_by(&key, &self.ca).expect("a certificate");
        Issued { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
