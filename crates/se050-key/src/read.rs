//! Reading public keys from the token.

use cryptoki_sys::{
    CK_KEY_TYPE, CKA_EC_POINT, CKA_KEY_TYPE, CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKK_EC, CKK_RSA,
    CKO_PUBLIC_KEY,
};

use crate::lookup::template;
use crate::selector::{LookUp, Target};
use crate::session::{ChipSession, Fault};
use crate::{KeyKind, PublicKey};

impl ChipSession {
    /// The key's public half, from the key itself; in words, why it cannot be used.
    pub(crate) fn public_key(&mut self, key: &Target) -> Result<Result<PublicKey, String>, Fault> {
        let kind = self.attribute(key, CKA_KEY_TYPE, "key type")?;
        let is = |key_type: CK_KEY_TYPE| key_type.to_ne_bytes() == kind.as_slice();
        Ok(if is(CKK_RSA) {
            let modulus = self.attribute(key, CKA_MODULUS, "modulus")?;
            let exponent = self.attribute(key, CKA_PUBLIC_EXPONENT, "public exponent")?;
            PublicKey::from_rsa(&modulus, &exponent)
        } else if is(CKK_EC) {
            match self.ec_point(key)? {
                Some(point) => PublicKey::from_ec_point(&point),
                None => Err("an EC key without its public point: give its certificate".to_owned()),
            }
        } else {
            Err("neither an RSA key nor an EC key".to_owned())
        })
    }

    /// Whether this is the key's public half, by one attribute: the modulus, or the point. `None` if the token does not give it.
    pub(crate) fn has_public_key(
        &mut self,
        key: &Target,
        expected: &PublicKey,
    ) -> Result<Option<bool>, Fault> {
        let own = match expected.kind() {
            KeyKind::Rsa { .. } => self.attribute(key, CKA_MODULUS, "modulus").map(|modulus| {
                // Two keys with one modulus are one key; the exponent comes with the certificate.
                PublicKey::from_rsa(&modulus, &expected.rsa_exponent().unwrap_or_default())
            }),
            KeyKind::EcP256 | KeyKind::EcP384 => match self.ec_point(key) {
                Ok(None) => return Ok(None),
                point => point.map(|point| PublicKey::from_ec_point(&point.unwrap_or_default())),
            },
        };
        match own {
            Ok(own) => Ok(Some(own.is_ok_and(|own| own == *expected))),
            // The key may be of another kind, which does not have this attribute.
            Err(Fault::Ckr { .. }) => Ok(Some(self.public_key(key)?.is_ok_and(|own| own == *expected))),
            Err(fault) => Err(fault),
        }
    }

    /// CKA_EC_POINT of the key pair (NXP's module), or of the public-key object that belongs to it (other tokens).
    fn ec_point(&mut self, key: &Target) -> Result<Option<Vec<u8>>, Fault> {
        let on_the_key = self.attribute(key, CKA_EC_POINT, "public point");
        let LookUp::Attributes { label, id } = &key.by else { return on_the_key.map(Some) };
        if let Ok(point) = on_the_key
            && !point.is_empty()
        {
            return Ok(Some(point));
        }
        let template = template(CKO_PUBLIC_KEY, label.as_deref(), id.as_deref());
        match self.search(key, &template)?.as_slice() {
            [only] => {
                let doing = || format!("reading the public point of {}", key.selector);
                self.call(doing, |raw| raw.attribute(*only, CKA_EC_POINT)).map(Some)
            }
            _ => Ok(None),
        }
    }
}
