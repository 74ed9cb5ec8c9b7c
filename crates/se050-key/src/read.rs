//! Reading public keys and certificates from the token.

use cryptoki_sys::{
    CK_KEY_TYPE, CK_OBJECT_HANDLE, CKA_EC_POINT, CKA_ID, CKA_KEY_TYPE, CKA_LABEL, CKA_MODULUS,
    CKA_PUBLIC_EXPONENT, CKA_VALUE, CKK_EC, CKK_RSA, CKO_PUBLIC_KEY,
};

use crate::lookup::{Class, of_class};
use crate::session::Session;
use crate::{Certificate, Error, KeyKind, PublicKey, Selector};

impl Session {
    /// The key's public half, from the key itself.
    pub(crate) fn public_key(&mut self, selector: &Selector) -> Result<PublicKey, Error> {
        let key = self.handle(Class::PrivateKey, selector)?;
        let kind = self.attribute(key, CKA_KEY_TYPE, "key type", selector)?;
        let public_key = if is_key_type(&kind, CKK_RSA) {
            let modulus = self.attribute(key, CKA_MODULUS, "modulus", selector)?;
            let exponent = self.attribute(key, CKA_PUBLIC_EXPONENT, "public exponent", selector)?;
            PublicKey::from_rsa(&modulus, &exponent)
        } else if is_key_type(&kind, CKK_EC) {
            PublicKey::from_ec_point(&self.ec_point(key, selector)?)
        } else {
            Err("neither an RSA key nor an EC key".to_owned())
        };
        public_key.map_err(|reason| Error::UnsupportedKey { object: selector.to_string(), reason })
    }

    /// Compares the key with the certificate by one attribute: the modulus, or the point.
    ///
    /// Not by a signature on trial: that could not say which key it was made with, and costs the chip an operation
    /// of the private key.
    pub(crate) fn check_against(
        &mut self,
        selector: &Selector,
        certificate: &Certificate,
    ) -> Result<(), Error> {
        let key = self.handle(Class::PrivateKey, selector)?;
        let expected = certificate.public_key();
        let own = match expected.kind() {
            KeyKind::Rsa { .. } => {
                let modulus = self.attribute(key, CKA_MODULUS, "modulus", selector);
                modulus.and_then(|modulus| {
                    // Two keys with one modulus are one key; the exponent comes with the certificate.
                    let exponent = expected.rsa_exponent().unwrap_or_default();
                    let own = PublicKey::from_rsa(&modulus, &exponent);
                    own.map_err(|reason| Error::UnsupportedKey { object: selector.to_string(), reason })
                })
            }
            KeyKind::EcP256 | KeyKind::EcP384 => self.ec_point(key, selector).and_then(|point| {
                let own = PublicKey::from_ec_point(&point);
                own.map_err(|reason| Error::UnsupportedKey { object: selector.to_string(), reason })
            }),
        };
        // Keys of two kinds: the attribute that one has is an error on the other. Then the key is read as what it is.
        let own = own.or_else(|error| self.public_key(selector).map_err(|_| error))?;
        own.check_certificate(selector, certificate)
    }

    /// The certificate of that name.
    pub(crate) fn certificate(&mut self, selector: &Selector) -> Result<Certificate, Error> {
        let read = |session: &Self, object: CK_OBJECT_HANDLE| {
            session.attribute(object, CKA_VALUE, "certificate", selector)
        };
        let stored = match self.known_handle(Class::Certificate, selector)? {
            // On NXP's module the id is the handle, and needs no search. One that is not there shows only as a failure.
            Some(object) => match read(self, object) {
                Ok(stored) => stored,
                Err(error) if self.answers() => {
                    self.find(Class::Certificate, selector)?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            },
            None => {
                let object = self.handle(Class::Certificate, selector)?;
                read(self, object)?
            }
        };
        Certificate::from_bytes(&stored, &selector.to_string())
    }

    /// NXP's module gives the point of the key pair; a token that keeps the halves apart gives it on the public key.
    fn ec_point(&self, key: CK_OBJECT_HANDLE, selector: &Selector) -> Result<Vec<u8>, Error> {
        let on_the_key = self.attribute(key, CKA_EC_POINT, "public point", selector);
        if on_the_key.as_ref().is_ok_and(|point| !point.is_empty()) || self.token.is_se050 {
            return on_the_key;
        }
        let mut template = vec![of_class(CKO_PUBLIC_KEY)];
        match selector.uri() {
            None => template.push((CKA_LABEL, selector.as_str().as_bytes().to_vec())),
            Some(uri) => {
                template.extend(uri.object().map(|label| (CKA_LABEL, label.as_bytes().to_vec())));
                template.extend(uri.id().map(|id| (CKA_ID, id.to_vec())));
            }
        }
        let public = self.search(Class::PrivateKey, "public half", &template).unwrap_or_default();
        match public.as_slice() {
            [only] => self.attribute(*only, CKA_EC_POINT, "public point", selector),
            _ => on_the_key,
        }
    }
}

fn is_key_type(value: &[u8], key_type: CK_KEY_TYPE) -> bool {
    key_type.to_ne_bytes() == value
}
