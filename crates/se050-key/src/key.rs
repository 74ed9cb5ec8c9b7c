//! A private key that stays in the token: signatures, and the request for its certificate (PKCS#10).

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use der::Encode as _;
use der::asn1::{Any, BitString, Null, SetOfVec, Utf8StringRef};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::oid::db::rfc5912::{ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, SHA_256_WITH_RSA_ENCRYPTION};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::request::{CertReq, CertReqInfo, Version};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::public_key::to_pem;
use crate::selector::Target;
use crate::worker::Worker;
use crate::{Certificate, Error, KeyKind, PublicKey, Scheme, Selector, TokenInfo};

/// How often an ECDSA signature of the wrong length is made again. NXP's module shortens 3 to 5 in 1000, so a
/// row of four is one in some 10^10.
const WRONG_LENGTHS: usize = 4;
/// How often a signature that does not verify is made: once more, since one transfer on the bus may be disturbed.
const WRONG_SIGNATURES: usize = 2;

/// The longest common name in a certificate, in characters (RFC 5280, appendix A.1, ub-common-name).
pub const LONGEST_COMMON_NAME: usize = 64;

/// A private key in the token. Cheap to clone.
///
/// It holds no PKCS#11 handle, so it stays usable after the session was replaced: the worker thread looks the handle up once in
/// each session.
#[derive(Clone)]
pub struct Key {
    worker: Arc<Worker>,
    named: Arc<Named>,
}

/// What the key is.
struct Named {
    target: Target,
    public_key: PublicKey,
}

impl Key {
    pub(crate) fn new(worker: Arc<Worker>, target: Target, public_key: PublicKey) -> Self {
        Self { worker, named: Arc::new(Named { target, public_key }) }
    }

    /// How the key was named.
    pub fn selector(&self) -> &Selector {
        &self.named.target.selector
    }

    /// What the token that keeps the key says of itself.
    pub fn token_info(&self) -> &TokenInfo {
        self.worker.info()
    }

    /// The public half: what the token gives, or its certificate's, which was compared with the token's.
    pub fn public_key(&self) -> &PublicKey {
        &self.named.public_key
    }

    /// Signs the message: hashed here, signed once in the chip, verified here. ECDSA signatures are DER (RFC 3279).
    ///
    /// Blocks until the chip has answered, or has been silent for the token's deadline. A broken session is replaced, and the
    /// signature is tried once more.
    ///
    /// # Errors
    /// [`Error::SchemeDoesNotFit`]; [`Error::Call`] when the chip answers, but not with a signature; [`Error::ChipUnreachable`] when it
    /// does not answer, and [`Error::RestartNeeded`] when this process cannot open it any more; [`Error::BadSignature`];
    /// [`Error::Timeout`], and [`Error::Hanging`] while an earlier request hangs.
    pub fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        let kind = self.public_key().kind();
        if !scheme.fits(kind) {
            return Err(Error::SchemeDoesNotFit { key: self.selector().to_string(), kind, scheme });
        }
        let started = Instant::now();
        let result = self.sign_verified(scheme, message);
        let elapsed = started.elapsed();
        tracing::debug!(key = %self.selector(), %scheme, ok = result.is_ok(), ?elapsed, "chip signature");
        result
    }

    fn sign_verified(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        let bad = |reason| Error::BadSignature { key: self.selector().to_string(), reason };
        let (input, expected) = (scheme.mechanism_input(message), self.public_key().signature_bytes());
        let (mut wrong_lengths, mut wrong_signatures) = (0, 0);
        loop {
            // The request must not hold the worker: if it held the last reference, the worker thread would wait for itself.
            let (named, input) = (Arc::clone(&self.named), input.clone());
            let signature =
                self.worker.call("signing", move |recovery| recovery.sign(&named.target, scheme, &input))?;
            let reason = if signature.len() != expected {
                wrong_lengths += 1;
                format!("it is {} bytes long and not {expected}", signature.len())
            } else if self.public_key().verifies(scheme, message, &signature) {
                return scheme.encoded(signature).map_err(|error| bad(error.to_string()));
            } else {
                wrong_signatures += 1;
                format!("it does not verify with the key's public half as {scheme}")
            };
            let most = if scheme.is_ecdsa() { WRONG_LENGTHS } else { WRONG_SIGNATURES };
            if wrong_lengths >= most || wrong_signatures >= WRONG_SIGNATURES {
                return Err(bad(reason));
            }
            tracing::debug!(key = %self.selector(), %scheme, reason, "the signature is made once more");
        }
    }

    /// A certificate signing request for this key (PKCS#10, RFC 2986), in PEM, signed in the token. Its subject is the common
    /// name alone.
    ///
    /// # Errors
    /// [`Error::CommonName`] unless the name has 1 to 64 characters and none of them is a control character; those of
    /// [`Key::sign`].
    pub fn certificate_request(&self, common_name: &str) -> Result<String, Error> {
        let wrong =
            |reason: &str| Error::CommonName { text: common_name.to_owned(), reason: reason.to_owned() };
        if !(1..=LONGEST_COMMON_NAME).contains(&common_name.chars().count()) {
            return Err(wrong(&format!("it has to have 1 to {LONGEST_COMMON_NAME} characters")));
        }
        if common_name.chars().any(char::is_control) {
            return Err(wrong("it holds a control character"));
        }
        let not_encoded = |error: der::Error| wrong(&format!("it cannot be encoded: {error}"));
        let info = CertReqInfo {
            version: Version::V1,
            subject: subject(common_name).map_err(not_encoded)?,
            public_key: self.public_key().to_spki().map_err(not_encoded)?,
            attributes: SetOfVec::new(),
        };
        let kind = self.public_key().kind();
        // RFC 8017, appendix A.2.4: the parameters are NULL. RFC 5758, section 3.2: they are absent.
        let (oid, parameters) = match kind {
            KeyKind::Rsa { .. } => (SHA_256_WITH_RSA_ENCRYPTION, Some(Any::from(Null))),
            KeyKind::EcP256 => (ECDSA_WITH_SHA_256, None),
            KeyKind::EcP384 => (ECDSA_WITH_SHA_384, None),
        };
        let signature = self.sign(kind.scheme(), &info.to_der().map_err(not_encoded)?)?;
        let request = CertReq {
            info,
            algorithm: AlgorithmIdentifierOwned { oid, parameters },
            signature: BitString::from_bytes(&signature).map_err(not_encoded)?,
        };
        Ok(to_pem("CERTIFICATE REQUEST", request.to_der().map_err(not_encoded)?))
    }

    /// Checks that the certificate was issued for this key.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`], which names both fingerprints.
    pub fn check_certificate(&self, certificate: &Certificate) -> Result<(), Error> {
        certificate.check_issued_for(self.selector(), self.public_key())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("selector", self.selector())
            .field("kind", &self.public_key().kind())
            .finish()
    }
}

fn subject(common_name: &str) -> der::Result<Name> {
    let value = Any::from(Utf8StringRef::new(common_name)?);
    let name = RelativeDistinguishedName::try_from(vec![AttributeTypeAndValue { oid: COMMON_NAME, value }])?;
    Ok(Name::hazmat_from_rdn_sequence(RdnSequence::from(vec![name])))
}
