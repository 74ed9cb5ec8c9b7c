//! The certificate authorities that AWS IoT Core's servers are signed by.

use rustls::RootCertStore;

/// The last part of the five roots' subjects in DER: their common name.
const AMAZON: [&str; 5] = [
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
];

/// The roots that AWS tells its users to trust ("Server authentication" in the AWS IoT Core developer guide), and no
/// others. Numbers 1 (RSA) and 3 (EC) are in use; the others are reserved.
///
/// | root | SHA-256 of the certificate |
/// |---|---|
/// | Amazon Root CA 1 | `8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e` |
/// | Amazon Root CA 2 | `1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4` |
/// | Amazon Root CA 3 | `18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4` |
/// | Amazon Root CA 4 | `e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092` |
/// | Starfield Services Root Certificate Authority - G2 | `568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5` |
///
/// They are taken from the `webpki-roots` crate, which is Mozilla's list.
pub fn amazon() -> RootCertStore {
    let anchors = webpki_roots::TLS_SERVER_ROOTS.iter();
    RootCertStore {
        roots: anchors
            .filter(|anchor| AMAZON.iter().any(|name| anchor.subject.ends_with(name.as_bytes())))
            .cloned()
            .collect(),
    }
}
