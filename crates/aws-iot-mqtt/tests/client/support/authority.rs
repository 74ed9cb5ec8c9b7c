//! An authority whose certificates are valid when the test says.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use test_peers::Issued;

/// From the first day of one year to the first day of another.
pub(crate) type Years = (i32, i32);

pub(crate) const LONG_AGO: Years = (2010, 2020);
pub(crate) const FAR_AHEAD: Years = (2090, 2095);
pub(crate) const NOW: Years = (2020, 2095);

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = valid(CertificateParams::default(), (1990, 2099));
        params.distinguished_name.push(DnType::CommonName, "an authority of the test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn server(&self, years: Years) -> Issued {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(valid(params, years))
    }

    pub(crate) fn client(&self, years: Years) -> Issued {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "device-1");
        self.issue(valid(params, years))
    }

    fn issue(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

fn valid(mut params: CertificateParams, (from, until): Years) -> CertificateParams {
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
    params
}
