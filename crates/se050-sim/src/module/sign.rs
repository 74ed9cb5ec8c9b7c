//! C_SignInit and C_Sign.

mod signature;

use cryptoki_sys::*;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::bus::{NoAnswer, corrupt};
use super::cost::Cost;
use super::{Answer, Bus, Session, attributes};
use crate::Version;
use crate::chip::Object;
use signature::Hash;

/// What C_SignInit leaves in the session: everything as it was given. Nothing is checked before C_Sign.
pub(crate) struct Operation {
    pub(crate) mechanism: CK_MECHANISM_TYPE,
    pub(crate) parameter: Option<Parameter>,
    pub(crate) key: CK_OBJECT_HANDLE,
}

/// The mechanism's parameter block: still in the client's memory, where C_Sign will look for it.
#[derive(Clone, Copy)]
pub(crate) struct Parameter {
    /// The block's address, exposed.
    pub(crate) address: usize,
}

/// What is signed, and how. A hash that is to be made of the message comes first.
enum Scheme {
    RsaPkcs(Option<Hash>),
    RsaPss(Hash, Message),
    Ecdsa(Option<Hash>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Digest,
    Whole,
}

impl Session {
    /// On most versions a running operation is not replaced: they call the session's handle invalid then, and
    /// nothing but closing the session helps.
    pub(crate) fn begin_signature(&mut self, version: Version, operation: Operation) -> Answer<()> {
        if self.operation.is_some() && version.wedges() {
            return Err(CKR_SESSION_HANDLE_INVALID);
        }
        self.operation = Some(operation);
        Ok(())
    }

    /// The signature. The operation goes on until the client has taken the result: see [`Session::end_operation`].
    ///
    /// Some failures end the operation; those that do not leave the session unusable, where it can be wedged.
    pub(crate) fn sign(
        &mut self,
        bus: &mut Bus,
        data: &[u8],
        pss_hash: Option<CK_MECHANISM_TYPE>,
    ) -> Answer<Vec<u8>> {
        match self.try_sign(bus, data, pss_hash) {
            Ok(signature) => Ok(signature),
            Err(Failure::Wedges(answer)) if bus.version().wedges() => Err(answer),
            Err(Failure::Ends(answer) | Failure::Wedges(answer)) => {
                self.end_operation();
                Err(answer)
            }
        }
    }

    pub(crate) fn end_operation(&mut self) {
        self.operation = None;
    }

    fn try_sign(
        &self,
        bus: &mut Bus,
        data: &[u8],
        pss_hash: Option<CK_MECHANISM_TYPE>,
    ) -> Result<Vec<u8>, Failure> {
        let version = bus.version();
        let operation = self.operation.as_ref().ok_or(Failure::Ends(CKR_MECHANISM_INVALID))?;
        let scheme = scheme(operation, version, pss_hash).map_err(Failure::Ends)?;
        // The real module's order: each check stands where it stands there.
        if matches!(scheme, Scheme::Ecdsa(None)) && !is_digest_length(data.len()) {
            return Err(Failure::Ends(CKR_DATA_LEN_RANGE));
        }
        if scheme.hashes() && !version.can_hash() {
            return Err(Failure::Ends(CKR_DEVICE_ERROR));
        }
        let key = version.object_id(operation.key).and_then(|id| bus.object(id));
        // Nobody tells a missing key from a missing chip.
        let unreadable = match scheme {
            Scheme::RsaPkcs(None) => version.rsa_key_unreadable(),
            _ => CKR_FUNCTION_FAILED,
        };
        bus.operate(scheme.cost(version, key.as_deref())).map_err(|no_answer| match no_answer {
            NoAnswer::Silent => Failure::Wedges(unreadable),
            NoAnswer::Died if version.wedges_when_the_chip_dies() => Failure::Wedges(CKR_FUNCTION_FAILED),
            NoAnswer::Died => Failure::Ends(CKR_FUNCTION_FAILED),
        })?;
        if let Some(answer) = bus.take_sign_failure() {
            return Err(Failure::Wedges(answer));
        }
        let Some(key) = key else {
            return Err(match scheme {
                Scheme::RsaPkcs(None) => Failure::Wedges(unreadable),
                _ => Failure::Ends(unreadable),
            });
        };
        match scheme {
            Scheme::RsaPkcs(None) if (attributes::size(&key) as usize) < data.len() + 11 => {
                return Err(Failure::Ends(CKR_MECHANISM_INVALID));
            }
            Scheme::RsaPss(hash, Message::Digest) if data.len() != hash.length => {
                return Err(Failure::Wedges(CKR_DATA_LEN_RANGE));
            }
            _ => {}
        }
        let mut signature =
            sign_with(bus, &key, &scheme, data).ok_or(Failure::Wedges(CKR_FUNCTION_FAILED))?;
        if bus.corrupts_signature() {
            corrupt(&mut signature);
        }
        Ok(signature)
    }
}

/// What the chip computes; nothing when the mechanism does not fit the key, which nobody finds out but the chip.
fn sign_with(bus: &mut Bus, key: &Object, scheme: &Scheme, data: &[u8]) -> Option<Vec<u8>> {
    match (key, scheme) {
        // Counted when the chip is asked, as its own counter would: a failure in the chip is a use of the key, too.
        (Object::Rsa(key), Scheme::RsaPkcs(hash)) => {
            bus.use_private_key(|latency| latency.rsa);
            let info = hash.map(|hash| hash.digest_info(data));
            signature::rsa_pkcs(key, info.as_deref().unwrap_or(data))
        }
        (Object::Rsa(key), Scheme::RsaPss(hash, message)) => {
            bus.use_private_key(|latency| latency.rsa);
            let digest = (*message == Message::Whole).then(|| hash.digest(data));
            signature::rsa_pss(key, *hash, digest.as_deref().unwrap_or(data))
        }
        (Object::Ec(key), Scheme::Ecdsa(hash)) => {
            bus.use_private_key(|latency| latency.ec);
            let digest = hash.map_or_else(|| padded(data), |hash| hash.digest(data));
            signature::ecdsa(key, &digest, bus.version().raw_ecdsa(), bus.next_ecdsa_is_short())
        }
        _ => None,
    }
}

/// How C_Sign fails: the operation ends with it, or it stays and blocks the session.
enum Failure {
    Ends(CK_RV),
    Wedges(CK_RV),
}

fn scheme(operation: &Operation, version: Version, pss_hash: Option<CK_MECHANISM_TYPE>) -> Answer<Scheme> {
    Ok(match operation.mechanism {
        CKM_RSA_PKCS => Scheme::RsaPkcs(None),
        CKM_RSA_PKCS_PSS => {
            // Of the parameters only hashAlg is looked at. The mask function's hash and the salt's length follow it.
            let hash = pss_hash.ok_or(version.missing_pss_parameters())?;
            Scheme::RsaPss(Hash::of_mechanism(hash).ok_or(CKR_MECHANISM_INVALID)?, Message::Digest)
        }
        CKM_SHA1_RSA_PKCS => Scheme::RsaPkcs(Some(Hash::of::<Sha1>())),
        CKM_SHA224_RSA_PKCS => Scheme::RsaPkcs(Some(Hash::of::<Sha224>())),
        CKM_SHA256_RSA_PKCS => Scheme::RsaPkcs(Some(Hash::of::<Sha256>())),
        CKM_SHA384_RSA_PKCS => Scheme::RsaPkcs(Some(Hash::of::<Sha384>())),
        CKM_SHA512_RSA_PKCS => Scheme::RsaPkcs(Some(Hash::of::<Sha512>())),
        CKM_SHA1_RSA_PKCS_PSS => Scheme::RsaPss(Hash::of::<Sha1>(), Message::Whole),
        CKM_SHA224_RSA_PKCS_PSS => Scheme::RsaPss(Hash::of::<Sha224>(), Message::Whole),
        CKM_SHA256_RSA_PKCS_PSS => Scheme::RsaPss(Hash::of::<Sha256>(), Message::Whole),
        CKM_SHA384_RSA_PKCS_PSS => Scheme::RsaPss(Hash::of::<Sha384>(), Message::Whole),
        CKM_SHA512_RSA_PKCS_PSS => Scheme::RsaPss(Hash::of::<Sha512>(), Message::Whole),
        CKM_ECDSA => Scheme::Ecdsa(None),
        CKM_ECDSA_SHA1 => Scheme::Ecdsa(Some(Hash::of::<Sha1>())),
        CKM_ECDSA_SHA224 if version.has_ecdsa_sha2() => Scheme::Ecdsa(Some(Hash::of::<Sha224>())),
        CKM_ECDSA_SHA256 if version.has_ecdsa_sha2() => Scheme::Ecdsa(Some(Hash::of::<Sha256>())),
        CKM_ECDSA_SHA384 if version.has_ecdsa_sha2() => Scheme::Ecdsa(Some(Hash::of::<Sha384>())),
        CKM_ECDSA_SHA512 if version.has_ecdsa_sha2() => Scheme::Ecdsa(Some(Hash::of::<Sha512>())),
        // Among them CKM_RSA_X_509.
        _ => return Err(CKR_MECHANISM_INVALID),
    })
}

impl Scheme {
    /// Whether the module hashes a message itself.
    fn hashes(&self) -> bool {
        matches!(self, Self::RsaPkcs(Some(_)) | Self::Ecdsa(Some(_)) | Self::RsaPss(_, Message::Whole))
    }

    fn cost(&self, version: Version, key: Option<&Object>) -> Cost {
        match self {
            Self::RsaPkcs(_) => Cost::rsa_pkcs(version, self.hashes()),
            Self::RsaPss(..) => {
                let modulus = key.map_or(0, attributes::size);
                Cost::rsa_pss(version, u32::try_from(modulus).unwrap_or_default(), self.hashes())
            }
            Self::Ecdsa(_) => Cost::ecdsa(version, self.hashes()),
        }
    }
}

/// Less than any digest is filled up; more must be a digest.
fn is_digest_length(length: usize) -> bool {
    length < 20 || matches!(length, 20 | 28 | 32 | 48 | 64)
}

/// Less than any digest is filled up with zeros at its end, to 32 bytes.
fn padded(digest: &[u8]) -> Vec<u8> {
    let mut digest = digest.to_vec();
    if digest.len() < 20 {
        digest.resize(32, 0);
    }
    digest
}
