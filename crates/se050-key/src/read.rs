//! Reading public keys and certificates from the token.
//!
//! A disturbed transfer on the bus may go unnoticed. So a value that looks wrong is read once more before it is refused.

use cryptoki_sys::{
    CK_KEY_TYPE, CK_OBJECT_HANDLE, CKA_EC_POINT, CKA_ID, CKA_KEY_TYPE, CKA_LABEL, CKA_MODULUS,
    CKA_PUBLIC_EXPONENT, CKA_VALUE, CKK_EC, CKK_RSA, CKO_PUBLIC_KEY,
};

use crate::lookup::of_class;
use crate::session::{ChipSession, Fault};
use crate::{Certificate, Error, KeyKind, ObjectType, PublicKey, Scheme, Selector};

/// The sizes of RSA key that can sign here: ring verifies no smaller ones, NXP's chip has no larger ones (NXP AN12413).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

impl ChipSession {
    /// The key's public half, from the key itself.
    pub(crate) fn public_key(&mut self, selector: &Selector) -> Result<PublicKey, Fault> {
        let key = self.handle(ObjectType::Private, selector)?;
        let unsupported = |reason| Error::UnsupportedKey { object: selector.to_string(), reason };
        let kind = self.attribute(key, CKA_KEY_TYPE, "key type", selector);
        let kind = kind.map_err(|fault| self.unless_missing(ObjectType::Private, selector, fault))?;
        let is = |key_type: CK_KEY_TYPE| key_type.to_ne_bytes() == kind.as_slice();
        let public_key = if is(CKK_RSA) {
            let modulus = self.attribute(key, CKA_MODULUS, "modulus", selector)?;
            let exponent = self.attribute(key, CKA_PUBLIC_EXPONENT, "public exponent", selector)?;
            PublicKey::from_rsa(&modulus, &exponent)
        } else if is(CKK_EC) {
            match self.ec_point(key, selector)? {
                Some(point) => PublicKey::from_ec_point(&point),
                None => Err("an EC key without its public point: give its certificate".to_owned()),
            }
        } else {
            Err("neither an RSA key nor an EC key".to_owned())
        };
        let public_key = public_key.map_err(unsupported)?;
        check_size(selector, &public_key)?;
        Ok(public_key)
    }

    /// Checks that the certificate was issued for the key, by one attribute: the modulus, or the point.
    ///
    /// A trial signature would cost the chip a private-key operation. It is made only on other tokens that do not give the point.
    pub(crate) fn check_against(
        &mut self,
        selector: &Selector,
        certificate: &Certificate,
    ) -> Result<PublicKey, Fault> {
        let public_key = certificate.public_key();
        check_size(selector, public_key)?;
        for _ in 0..2 {
            match self.own_key(selector, public_key)? {
                None => {
                    self.check_by_signing(selector, certificate)?;
                    return Ok(public_key.clone());
                }
                Some(own) if own == *public_key => return Ok(own),
                Some(_) => {}
            }
        }
        certificate.check_issued_for(selector, &self.public_key(selector)?)?;
        Ok(public_key.clone())
    }

    /// The key's public half, read as the expected kind of key if it is one. `None` if the token does not give it.
    fn own_key(&mut self, selector: &Selector, expected: &PublicKey) -> Result<Option<PublicKey>, Fault> {
        let key = self.handle(ObjectType::Private, selector)?;
        let read = match expected.kind() {
            KeyKind::Rsa { .. } => {
                let modulus = self.attribute(key, CKA_MODULUS, "modulus", selector);
                // Two keys with one modulus are one key; the exponent comes with the certificate.
                let exponent = expected.rsa_exponent().unwrap_or_default();
                modulus.map(|modulus| PublicKey::from_rsa(&modulus, &exponent).ok())
            }
            KeyKind::EcP256 | KeyKind::EcP384 => match self.ec_point(key, selector) {
                Ok(None) => return Ok(None),
                point => point.map(|point| point.and_then(|point| PublicKey::from_ec_point(&point).ok())),
            },
        };
        match read {
            Ok(Some(own)) => Ok(Some(own)),
            Err(fault @ (Fault::Silent { .. } | Fault::NoSuchObject { .. })) => Err(fault),
            // The key may be of another kind, which does not have this attribute.
            _ => self.public_key(selector).map(Some),
        }
    }

    /// Signs a fixed text, and verifies the signature with the certificate's key.
    fn check_by_signing(&mut self, selector: &Selector, certificate: &Certificate) -> Result<(), Fault> {
        let scheme = match certificate.public_key().kind() {
            KeyKind::Rsa { .. } => Scheme::RsaPkcs1Sha256,
            KeyKind::EcP256 => Scheme::EcdsaP256Sha256,
            KeyKind::EcP384 => Scheme::EcdsaP384Sha384,
        };
        match self.sign(selector, certificate.public_key(), scheme, b"se050-key: key and certificate") {
            Err(Fault::Wrong(Error::BadSignature { .. })) => Err(Fault::Wrong(Error::KeyMismatch {
                key: selector.to_string(),
                key_fingerprint: "(unknown)".to_owned(),
                certificate_fingerprint: certificate.public_key().fingerprint(),
            })),
            signature => signature.map(drop),
        }
    }

    /// The certificate of that name, or of the key of that name.
    pub(crate) fn certificate(&mut self, selector: &Selector) -> Result<Certificate, Fault> {
        if !self.token.is_se050 {
            return self.certificate_object(&selector.of_certificate());
        }
        let of_key = if selector.names_factory_key() {
            self.key_id(selector)?.and_then(|id| id.factory_certificate())
        } else {
            None
        };
        self.certificate_object(&of_key.map_or_else(|| selector.clone(), Selector::from))
    }

    fn certificate_object(&mut self, selector: &Selector) -> Result<Certificate, Fault> {
        let object = self.handle(ObjectType::Certificate, selector)?;
        let mut read = || {
            let stored = self.attribute(object, CKA_VALUE, "certificate", selector);
            stored.map_err(|fault| self.unless_missing(ObjectType::Certificate, selector, fault))
        };
        let name = selector.to_string();
        match Certificate::from_bytes(&read()?, &name) {
            Ok(certificate) => Ok(certificate),
            Err(_) => Ok(Certificate::from_bytes(&read()?, &name)?),
        }
    }

    /// The key's certificate, compared with it: the one of that name, else the one that belongs to the key. Where they do not
    /// fit, both are read once more.
    pub(crate) fn identity(
        &mut self,
        key: &Selector,
        certificate: Option<&Selector>,
    ) -> Result<Certificate, Fault> {
        let read = |session: &mut Self| match certificate {
            Some(selector) => session.certificate(selector),
            None if session.token.is_se050 && !key.names_factory_key() => {
                // If the key is missing, that is the error to report.
                session.public_key(key)?;
                Err(Fault::Wrong(Error::NoCertificateKnown { key: key.to_string() }))
            }
            None => session.certificate(key),
        };
        let found = match read(self) {
            Err(fault @ Fault::NoSuchObject { class: ObjectType::Certificate, .. }) => {
                self.public_key(key)?;
                return Err(fault);
            }
            found => found?,
        };
        let Err(fault) = self.check_against(key, &found) else { return Ok(found) };
        let again = match fault {
            Fault::Wrong(Error::KeyMismatch { .. }) => read(self)?,
            fault => return Err(fault),
        };
        if again == found {
            return Err(fault);
        }
        self.check_against(key, &again)?;
        Ok(again)
    }

    /// CKA_EC_POINT of the key pair (NXP's module), or of the public-key object that belongs to it (other tokens).
    fn ec_point(&self, key: CK_OBJECT_HANDLE, selector: &Selector) -> Result<Option<Vec<u8>>, Fault> {
        let on_the_key = self.attribute(key, CKA_EC_POINT, "public point", selector);
        if self.token.is_se050 {
            return on_the_key.map(Some);
        }
        if let Ok(point) = on_the_key
            && !point.is_empty()
        {
            return Ok(Some(point));
        }
        let (label, id) = selector.label_and_id(&self.token, ObjectType::Private)?;
        let mut template = vec![of_class(CKO_PUBLIC_KEY)];
        template.extend(label.map(|label| (CKA_LABEL, label.as_bytes().to_vec())));
        template.extend(id.map(|id| (CKA_ID, id.to_vec())));
        match self.search(ObjectType::Private, "public half", &template)?.as_slice() {
            [only] => self.attribute(*only, CKA_EC_POINT, "public point", selector).map(Some),
            _ => Ok(None),
        }
    }
}

/// Refuses an RSA key of an unsupported size. Otherwise its signatures would later fail to verify.
fn check_size(key: &Selector, public_key: &PublicKey) -> Result<(), Error> {
    match public_key.kind() {
        KeyKind::Rsa { bits } if !RSA_BITS.contains(&bits) => {
            Err(Error::UnsupportedKey { object: key.to_string(), reason: format!("RSA with {bits} bits") })
        }
        _ => Ok(()),
    }
}
