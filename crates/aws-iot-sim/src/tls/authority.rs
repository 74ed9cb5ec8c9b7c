//! A throwaway certificate authority and the broker's certificate.

use pem::Pem;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::ENDPOINT;
use crate::Error;

/// The authority that devices trust instead of Amazon's roots. Its key ends with the process.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    server: CertificateDer<'static>,
    server_key: Vec<u8>,
}

impl Authority {
    /// Makes an authority, and a certificate for the endpoint's name.
    pub(crate) fn generate() -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "aws-iot-sim throwaway CA, development only");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().map_err(Error::tls)?)
            .map_err(Error::tls)?;

        let mut params = CertificateParams::new([ENDPOINT.to_owned()]).map_err(Error::tls)?;
        params.distinguished_name.push(DnType::CommonName, ENDPOINT);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(Error::tls)?;
        let server = params.signed_by(&key, &issuer).map_err(Error::tls)?;
        Ok(Self { server: server.der().clone(), server_key: key.serialize_der(), issuer })
    }

    /// The authority's certificate, which clients have to trust, in PEM.
    pub(crate) fn ca_pem(&self) -> String {
        pem::encode(&Pem::new("CERTIFICATE", self.issuer.der().to_vec()))
    }

    /// A certificate for a device's own key, in PEM.
    pub(crate) fn sign(&self, request: CertificateSigningRequestParams) -> Result<String, rcgen::Error> {
        request.signed_by(&self.issuer).map(|certificate| certificate.pem())
    }

    pub(super) fn server_chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.server.clone()]
    }

    pub(super) fn server_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.server_key.clone()).into()
    }
}
