//! C_SignInit and C_Sign.

mod hash;
mod signature;

use cryptoki_sys::*;

use super::{Answer, OpenChip, Session, attributes, object_id};
use crate::chip::Object;
use hash::Hash;

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

enum Scheme {
    RsaPkcs,
    RsaPss(Hash),
    HashThenRsaPkcs(Hash),
    HashThenRsaPss(Hash),
    Ecdsa,
    Sha1ThenEcdsa,
}

impl Session {
    /// A running operation is not replaced: the real module calls the session's handle invalid then, and nothing but
    /// closing the session helps.
    pub(crate) fn begin_signature(&mut self, operation: Operation) -> Answer<()> {
        if self.operation.is_some() {
            return Err(CKR_SESSION_HANDLE_INVALID);
        }
        self.operation = Some(operation);
        Ok(())
    }

    /// The signature. The operation goes on until the client has taken the result: see [`Session::end_operation`].
    ///
    /// Some failures end the operation; those that do not leave the session unusable.
    pub(crate) fn sign(
        &mut self,
        chip: &OpenChip<'_>,
        data: &[u8],
        pss_hash: Option<CK_MECHANISM_TYPE>,
    ) -> Answer<Vec<u8>> {
        match self.try_sign(chip, data, pss_hash) {
            Ok(signature) => Ok(signature),
            Err(Failure::Ends(answer)) => {
                self.end_operation();
                Err(answer)
            }
            Err(Failure::Wedges(answer)) => Err(answer),
        }
    }

    pub(crate) fn end_operation(&mut self) {
        self.operation = None;
    }

    fn try_sign(
        &self,
        chip: &OpenChip<'_>,
        data: &[u8],
        pss_hash: Option<CK_MECHANISM_TYPE>,
    ) -> Result<Vec<u8>, Failure> {
        let operation = self.operation.as_ref().ok_or(Failure::Ends(CKR_MECHANISM_INVALID))?;
        let scheme = scheme(operation, pss_hash).map_err(Failure::Ends)?;
        let key = chip.store.load(object_id(operation.key)).ok().flatten();

        // The real module's order: each check stands where it stands there.
        match &scheme {
            Scheme::Ecdsa if data.len() >= 20 && !matches!(data.len(), 20 | 28 | 32 | 48 | 64) => {
                return Err(Failure::Ends(CKR_DATA_LEN_RANGE));
            }
            Scheme::RsaPkcs => {
                // Said also when the chip does not answer.
                let key = key.as_ref().ok_or(Failure::Wedges(CKR_KEY_HANDLE_INVALID))?;
                if (attributes::size(key) as usize) < data.len() + 11 {
                    return Err(Failure::Ends(CKR_MECHANISM_INVALID));
                }
            }
            Scheme::RsaPss(hash) if data.len() != hash.length() => {
                return Err(Failure::Wedges(CKR_DATA_LEN_RANGE));
            }
            _ => {}
        }
        let key = key.ok_or(Failure::Ends(CKR_FUNCTION_FAILED))?;

        // Counted when the chip is asked, as its own counter would: a failure in the chip is a use of the key, too.
        let signed = match (&key, scheme) {
            (Object::Rsa(key), Scheme::RsaPkcs) => signature::rsa_pkcs(key, data),
            (Object::Rsa(key), Scheme::RsaPss(hash)) => signature::rsa_pss(key, hash, data),
            (Object::Rsa(key), Scheme::HashThenRsaPkcs(hash)) => {
                signature::rsa_pkcs(key, &hash.digest_info(data))
            }
            (Object::Rsa(key), Scheme::HashThenRsaPss(hash)) => {
                signature::rsa_pss(key, hash, &hash.digest(data))
            }
            (Object::Ec(key), Scheme::Ecdsa) => signature::ecdsa(key, &padded(data)),
            (Object::Ec(key), Scheme::Sha1ThenEcdsa) => signature::ecdsa(key, &Hash::Sha1.digest(data)),
            // The mechanism does not fit the key, which nobody finds out but the chip.
            _ => return Err(Failure::Wedges(CKR_FUNCTION_FAILED)),
        };
        chip.count_signature();
        signed.ok_or(Failure::Wedges(CKR_FUNCTION_FAILED))
    }
}

/// How C_Sign fails: the operation ends with it, or it stays and blocks the session.
enum Failure {
    Ends(CK_RV),
    Wedges(CK_RV),
}

fn scheme(operation: &Operation, pss_hash: Option<CK_MECHANISM_TYPE>) -> Answer<Scheme> {
    Ok(match operation.mechanism {
        CKM_RSA_PKCS => Scheme::RsaPkcs,
        CKM_RSA_PKCS_PSS => {
            // Of the parameters only hashAlg is looked at. The mask function's hash and the salt's length follow it.
            let hash = pss_hash.ok_or(CKR_ARGUMENTS_BAD)?;
            Scheme::RsaPss(Hash::of_mechanism(hash).ok_or(CKR_MECHANISM_INVALID)?)
        }
        CKM_SHA1_RSA_PKCS => Scheme::HashThenRsaPkcs(Hash::Sha1),
        CKM_SHA224_RSA_PKCS => Scheme::HashThenRsaPkcs(Hash::Sha224),
        CKM_SHA256_RSA_PKCS => Scheme::HashThenRsaPkcs(Hash::Sha256),
        CKM_SHA384_RSA_PKCS => Scheme::HashThenRsaPkcs(Hash::Sha384),
        CKM_SHA512_RSA_PKCS => Scheme::HashThenRsaPkcs(Hash::Sha512),
        CKM_SHA1_RSA_PKCS_PSS => Scheme::HashThenRsaPss(Hash::Sha1),
        CKM_SHA224_RSA_PKCS_PSS => Scheme::HashThenRsaPss(Hash::Sha224),
        CKM_SHA256_RSA_PKCS_PSS => Scheme::HashThenRsaPss(Hash::Sha256),
        CKM_SHA384_RSA_PKCS_PSS => Scheme::HashThenRsaPss(Hash::Sha384),
        CKM_SHA512_RSA_PKCS_PSS => Scheme::HashThenRsaPss(Hash::Sha512),
        CKM_ECDSA => Scheme::Ecdsa,
        CKM_ECDSA_SHA1 => Scheme::Sha1ThenEcdsa,
        // Among them CKM_RSA_X_509.
        _ => return Err(CKR_MECHANISM_INVALID),
    })
}

/// Less than any digest is filled up with zeros at its end, to 32 bytes.
fn padded(digest: &[u8]) -> Vec<u8> {
    let mut digest = digest.to_vec();
    if digest.len() < 20 {
        digest.resize(32, 0);
    }
    digest
}
