//! What the owner of the module does on its one session.

use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session as Pkcs11Session, UserType};
use cryptoki_sys::{
    CK_ATTRIBUTE_TYPE, CK_KEY_TYPE, CKA_EC_POINT, CKA_KEY_TYPE, CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_VALUE,
};

use crate::module::Module;
use crate::token::TokenBuilder;
use crate::{CallError, Certificate, Error, ObjectId, PublicKey, Scheme, Selector, TokenInfo, der_integer};

/// How often an ECDSA signature of the wrong length is made again. NXP's module shortens 3 to 5 in 1000, so a
/// row of four is one in some 10^10.
const ECDSA_TRIES: usize = 4;

/// The one session of the process with the token.
pub(crate) struct Session {
    // Dropped first: the session is closed before the module is finalised.
    session: Pkcs11Session,
    module: Module,
    token: TokenInfo,
}

/// The two classes of object that are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    PrivateKey,
    Certificate,
}

impl Session {
    pub(crate) fn open(options: &TokenBuilder) -> Result<Self, Error> {
        let module = Module::load(&options.module)?;
        let (slot, token) = module.single_token(options.token_label.as_deref())?;
        let session = module.pkcs11.open_ro_session(slot).map_err(|error| Error::Call {
            doing: "opening a session with the chip".into(),
            advice: "check EX_SSS_BOOT_SSS_PORT (the I2C device), that the device node is in the container, that the chip is \
                     powered, and that no other process uses it; then start this process anew",
            source: CallError::new(error),
        })?;
        if token.login_required {
            let pin = options.pin.as_ref().ok_or_else(|| Error::PinMissing { label: token.label.clone() })?;
            session.login(UserType::User, Some(pin.as_auth_pin())).map_err(|error| Error::Call {
                doing: format!("logging in to the token {:?}", token.label),
                advice: "check the PIN; it was tried once and is not tried again",
                source: CallError::new(error),
            })?;
        }
        Ok(Self { session, module, token })
    }

    pub(crate) fn token(&self) -> &TokenInfo {
        &self.token
    }

    pub(crate) fn find_key(&self, selector: &Selector) -> Result<(ObjectHandle, PublicKey), Error> {
        let key = self.find(Class::PrivateKey, selector)?;
        let kind = self.attribute(key, CKA_KEY_TYPE, "key type", selector)?;
        let public_key = if is_key_type(&kind, KeyType::RSA) {
            let modulus = self.attribute(key, CKA_MODULUS, "modulus", selector)?;
            let exponent = self.attribute(key, CKA_PUBLIC_EXPONENT, "public exponent", selector)?;
            PublicKey::from_rsa(&modulus, &exponent)
        } else if is_key_type(&kind, KeyType::EC) {
            PublicKey::from_ec_point(&self.ec_point(key, selector)?)
        } else {
            Err("neither an RSA key nor an EC key".to_owned())
        };
        let public_key =
            public_key.map_err(|reason| Error::UnsupportedKey { object: selector.to_string(), reason })?;
        Ok((key, public_key))
    }

    pub(crate) fn read_certificate(&self, selector: &Selector) -> Result<Certificate, Error> {
        let object = self.find(Class::Certificate, selector)?;
        let stored = self.attribute(object, CKA_VALUE, "value", selector)?;
        Certificate::from_bytes(&stored, &selector.to_string())
    }

    /// The signature as PKCS#11 gives it, made into what TLS and X.509 want: DER for ECDSA.
    pub(crate) fn sign(
        &self,
        key: ObjectHandle,
        name: &Selector,
        public_key: &PublicKey,
        scheme: Scheme,
        message: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let input = scheme.mechanism_input(message);
        let expected = public_key.signature_bytes();
        let is_ecdsa = matches!(scheme, Scheme::EcdsaP256Sha256 | Scheme::EcdsaP384Sha384);
        for _ in 0..if is_ecdsa { ECDSA_TRIES } else { 1 } {
            let signature = self.sign_once(key, name, scheme, &input)?;
            if signature.len() != expected {
                tracing::debug!(key = %name, %scheme, bytes = signature.len(), expected, "signature of the wrong length");
                continue;
            }
            if !public_key.verifies(scheme, message, &signature) {
                let reason = format!("it does not verify with the key's public half as {scheme}");
                return Err(Error::BadSignature { key: name.to_string(), reason });
            }
            if !is_ecdsa {
                return Ok(signature);
            }
            return der_integer::ecdsa_signature(&signature)
                .map_err(|error| Error::BadSignature { key: name.to_string(), reason: error.to_string() });
        }
        Err(Error::BadSignature { key: name.to_string(), reason: format!("it is not {expected} bytes long") })
    }

    fn sign_once(
        &self,
        key: ObjectHandle,
        name: &Selector,
        scheme: Scheme,
        input: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::Call {
            doing: format!("signing with the key {name} ({scheme})"),
            advice: "the chip may not answer, or be in use by another process; open the token again",
            source,
        };
        // The mechanism outlives C_Sign: NXP's module keeps a pointer to its parameter block until then.
        let mechanism = scheme.mechanism();
        self.session.sign_init(&mechanism, key).map_err(|error| failed(CallError::new(error)))?;
        self.module.raw.sign(self.session.handle(), input).map_err(failed)
    }

    fn find(&self, class: Class, selector: &Selector) -> Result<ObjectHandle, Error> {
        match selector.object_id() {
            Some(id) if self.token.is_se050 => self.find_by_id(class, id, selector),
            _ => self.find_by_label(class, selector),
        }
    }

    /// On NXP's module an object's handle is its id, so a hit is the right object, or it is none: the byte order of
    /// the label changed twice between versions, and the wrong one may name another object.
    fn find_by_id(&self, class: Class, id: ObjectId, selector: &Selector) -> Result<ObjectHandle, Error> {
        for label in [id.little_endian_label(), id.big_endian_label()] {
            let found = self.search(class, &label, selector)?;
            if let Some(object) = found.into_iter().find(|object| object.handle() == u64::from(id.value())) {
                return Ok(object);
            }
        }
        Err(self.not_found(class, selector))
    }

    fn find_by_label(&self, class: Class, selector: &Selector) -> Result<ObjectHandle, Error> {
        let found = self.search(class, selector.as_str(), selector)?;
        match found.as_slice() {
            [only] => Ok(*only),
            [] => Err(self.not_found(class, selector)),
            several => Err(Error::Ambiguous {
                class: class.name(),
                selector: selector.to_string(),
                token: self.token.label.clone(),
                count: several.len(),
            }),
        }
    }

    fn search(&self, class: Class, label: &str, selector: &Selector) -> Result<Vec<ObjectHandle>, Error> {
        let template = [Attribute::Class(class.object_class()), Attribute::Label(nul_terminated(label))];
        self.session.find_objects(&template).map_err(|error| Error::Call {
            doing: format!("searching the {} {selector}", class.name()),
            advice: "check the label",
            source: CallError::new(error),
        })
    }

    /// NXP's module gives the point of the key pair; a token that keeps the halves apart gives it on the public key.
    fn ec_point(&self, key: ObjectHandle, selector: &Selector) -> Result<Vec<u8>, Error> {
        let on_the_key = self.attribute(key, CKA_EC_POINT, "public point", selector);
        if on_the_key.as_ref().is_ok_and(|point| !point.is_empty()) || self.token.is_se050 {
            return on_the_key;
        }
        let template =
            [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Label(nul_terminated(selector.as_str()))];
        let public = self.session.find_objects(&template).unwrap_or_default();
        match public.as_slice() {
            [only] => self.attribute(*only, CKA_EC_POINT, "public point", selector),
            _ => on_the_key,
        }
    }

    fn attribute(
        &self,
        object: ObjectHandle,
        attribute: CK_ATTRIBUTE_TYPE,
        what: &str,
        selector: &Selector,
    ) -> Result<Vec<u8>, Error> {
        self.module.raw.attribute(self.session.handle(), object.handle(), attribute).map_err(|source| Error::Call {
            doing: format!("reading the {what} of {selector}"),
            advice: "check that the object is of the right kind (a certificate over 2048 bytes cannot be read from the chip)",
            source,
        })
    }

    fn not_found(&self, class: Class, selector: &Selector) -> Error {
        Error::NotFound {
            class: class.name(),
            selector: selector.to_string(),
            token: self.token.label.clone(),
        }
    }
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::PrivateKey => "private key",
            Self::Certificate => "certificate",
        }
    }

    fn object_class(self) -> ObjectClass {
        match self {
            Self::PrivateKey => ObjectClass::PRIVATE_KEY,
            Self::Certificate => ObjectClass::CERTIFICATE,
        }
    }
}

fn is_key_type(value: &[u8], key_type: KeyType) -> bool {
    CK_KEY_TYPE::from(key_type).to_ne_bytes() == value
}

/// The label's bytes with a NUL behind them in the same allocation: NXP's module reads up to it, whatever length it is told.
fn nul_terminated(label: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(label.len() + 1);
    bytes.extend_from_slice(label.as_bytes());
    bytes.push(0);
    // Shortens the length only; the NUL stays where it is.
    bytes.pop();
    bytes
}
