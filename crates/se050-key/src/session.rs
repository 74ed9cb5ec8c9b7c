//! One open session with the token: each of its methods is one piece of work, and none of them recovers from anything.
//!
//! On NXP's module an object's handle is its id, in every version, so an object that is named by id is not searched.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki_sys::*;

use crate::raw::{RawSession, Wanted};
use crate::selector::{LookUp, Target};
use crate::worker::Watchdog;
use crate::{
    ByteOrder, CallError, Error, KeyKind, ObjectId, ObjectType, Pin, PublicKey, Scheme, Selector, TokenInfo,
};

/// After a call that took longer than this to fail, the chip is probed before the next call.
const LONG: Duration = Duration::from_secs(1);

/// Why a piece of work failed. `recovery.rs` makes the public error from it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A call failed, and the chip answers.
    Ckr { doing: String, source: CallError },
    /// The chip gives no sign of life, and took that long to show it.
    Silent { source: CallError, took: Duration },
    /// The chip answers, and has no such object.
    NoSuchObject(ObjectType, Selector),
    /// It has several that fit.
    Ambiguous(ObjectType, Selector, Vec<String>),
    /// There is no session, and none can be opened now.
    NoSession(Error),
}

/// Handles by what the user wrote.
pub(crate) type Handles = HashMap<(ObjectType, String), CK_OBJECT_HANDLE>;

/// The one session of the process with the token.
pub(crate) struct ChipSession {
    pub(crate) raw: RawSession,
    pub(crate) token: TokenInfo,
    pub(crate) pin: Option<Pin>,
    /// Handles that were looked up. NXP's stay valid in later sessions, since a handle is the object's id.
    pub(crate) handles: Handles,
    /// A signature failed, so the session is replaced: on NXP's module up to 4.3 it cannot sign any more, with any key.
    pub(crate) spent: bool,
    pub(crate) watchdog: Arc<Watchdog>,
}

impl ChipSession {
    /// Whether the chip answers. The command costs one APDU, and works even in a session that cannot sign any more.
    pub(crate) fn answers(&self) -> bool {
        self.raw.probe(self.token.has_random).inspect(|()| self.watchdog.answered()).is_ok()
    }

    /// Makes one call of the module. If it fails, the chip is probed, since NXP's module returns the same few codes for
    /// everything.
    pub(crate) fn call<T>(
        &self,
        doing: impl FnOnce() -> String,
        call: impl FnOnce(&RawSession) -> Result<T, CallError>,
    ) -> Result<T, Fault> {
        match call(&self.raw) {
            Ok(value) => {
                self.watchdog.answered();
                Ok(value)
            }
            Err(source) => {
                if !source.is_permanent() {
                    self.unless_silent(source)?;
                }
                Err(Fault::Ckr { doing: doing(), source })
            }
        }
    }

    /// Probes the chip after a failed call.
    fn unless_silent(&self, source: CallError) -> Result<(), Fault> {
        let asked = Instant::now();
        if self.answers() { Ok(()) } else { Err(Fault::Silent { source, took: asked.elapsed() }) }
    }

    /// One signature, as the mechanism gives it.
    pub(crate) fn sign(&mut self, key: &Target, scheme: Scheme, input: &[u8]) -> Result<Vec<u8>, Fault> {
        let handle = self.handle(key)?;
        let (mechanism, parameters) = scheme.mechanism();
        let login = self.login_for_each_signature(handle);
        let doing = || format!("signing with the key {} ({scheme})", key.selector);
        let signature = self.call(doing, |raw| {
            let pin = login.as_ref().map(Pin::as_bytes);
            raw.sign(mechanism, parameters, handle, pin, input)
        });
        signature.map_err(|fault| {
            self.spent = true;
            self.unless_missing(key, fault)
        })
    }

    /// The PIN, for a key with CKA_ALWAYS_AUTHENTICATE: it wants a login between C_SignInit and each C_Sign.
    fn login_for_each_signature(&self, key: CK_OBJECT_HANDLE) -> Option<Pin> {
        let pin = self.pin.as_ref().filter(|_| self.token.login_required)?;
        let value = self.raw.attribute(key, CKA_ALWAYS_AUTHENTICATE).ok()?;
        // CK_BBOOL: one byte, CK_FALSE is 0.
        (value.first().copied().unwrap_or(0) != 0).then(|| pin.clone())
    }

    /// One attribute, in one call.
    pub(crate) fn attribute(
        &mut self,
        object: &Target,
        attribute: CK_ATTRIBUTE_TYPE,
        what: &str,
    ) -> Result<Vec<u8>, Fault> {
        let handle = self.handle(object)?;
        let doing = || format!("reading the {what} of {}", object.selector);
        self.call(doing, |raw| raw.attribute(handle, attribute))
            .map_err(|fault| self.unless_missing(object, fault))
    }

    /// Whether the attribute can be read. If the call took long to fail, the chip is probed.
    pub(crate) fn has(&self, object: CK_OBJECT_HANDLE, attribute: CK_ATTRIBUTE_TYPE) -> Result<bool, Fault> {
        let asked = Instant::now();
        match self.raw.attribute(object, attribute) {
            Ok(_) => {
                self.watchdog.answered();
                Ok(true)
            }
            Err(_) if asked.elapsed() < LONG => Ok(false),
            Err(source) => self.unless_silent(source).map(|()| false),
        }
    }

    /// The object's handle. On NXP's module, the object may be missing: using the handle shows that.
    pub(crate) fn handle(&mut self, object: &Target) -> Result<CK_OBJECT_HANDLE, Fault> {
        let place = (object.class, object.selector.as_str().to_owned());
        if let Some(handle) = self.handles.get(&place) {
            return Ok(*handle);
        }
        let handle = match &object.by {
            LookUp::Ids(ids) => self.one_of(object, ids)?,
            LookUp::Attributes { label, id } => self.single(object, label.as_deref(), id.as_deref())?,
        };
        self.handles.insert(place, handle);
        Ok(handle)
    }

    /// The one of these ids that exists. If no other exists, the first is taken without a check: using it shows whether it exists.
    fn one_of(&self, object: &Target, ids: &[ObjectId]) -> Result<CK_OBJECT_HANDLE, Fault> {
        let Some((first, others)) = ids.split_first() else {
            return Err(Fault::NoSuchObject(object.class, object.selector.clone()));
        };
        // An attribute that NXP's module can read of an object of this class only.
        let attribute = match object.class {
            ObjectType::Private => CKA_KEY_TYPE,
            ObjectType::Certificate => CKA_VALUE,
        };
        let exists = |id: &ObjectId| self.has(handle_of(*id), attribute);
        let mut found = Vec::new();
        for other in others {
            if exists(other)? {
                found.push(*other);
            }
        }
        if found.is_empty() || exists(first)? {
            found.insert(0, *first);
        }
        if let [only] = found.as_slice() {
            if !others.is_empty() {
                tracing::info!(selector = %object.selector, object = %only, "the label is that of this object");
            }
            return Ok(handle_of(*only));
        }
        Err(Fault::Ambiguous(
            object.class,
            object.selector.clone(),
            found.iter().map(ObjectId::to_string).collect(),
        ))
    }

    /// The one object with those attributes.
    fn single(
        &self,
        object: &Target,
        label: Option<&str>,
        id: Option<&[u8]>,
    ) -> Result<CK_OBJECT_HANDLE, Fault> {
        let class = class_of(object.class);
        match self.search(object, &template(class, label, id))?.as_slice() {
            [only] => Ok(*only),
            // A chip that does not answer looks like one without objects.
            [] => {
                let doing = || format!("searching the {} {}", object.class.in_words(), object.selector);
                self.call(doing, |raw| raw.probe(self.token.has_random))?;
                Err(Fault::NoSuchObject(object.class, object.selector.clone()))
            }
            several => {
                let objects = several.iter().map(|handle| self.describe(*handle)).collect();
                Err(Fault::Ambiguous(object.class, object.selector.clone(), objects))
            }
        }
    }

    /// `fault`, or [`Fault::NoSuchObject`] if a search finds that the object of NXP's module does not exist and the chip answers.
    fn unless_missing(&self, object: &Target, fault: Fault) -> Fault {
        let (Fault::Ckr { .. }, LookUp::Ids(ids)) = (&fault, &object.by) else { return fault };
        let handle = self.handles.get(&(object.class, object.selector.as_str().to_owned()));
        let Some(id) = ids.iter().find(|id| Some(&handle_of(**id)) == handle) else { return fault };
        match self.exists(object, *id) {
            Ok(false) if self.answers() => Fault::NoSuchObject(object.class, object.selector.clone()),
            Ok(_) => fault,
            Err(fault) => fault,
        }
    }

    /// Searches for the id by its label, in the byte order of this version of the module and in the other one. A hit with
    /// another handle is another object, whose id has the bytes reversed.
    fn exists(&self, object: &Target, id: ObjectId) -> Result<bool, Fault> {
        let mut orders = [ByteOrder::BigEndian, ByteOrder::LittleEndian];
        if self.token.label_byte_order() == Some(ByteOrder::LittleEndian) {
            orders.reverse();
        }
        for label in orders.map(|order| id.label(order)) {
            let found = match self.search(object, &template(class_of(object.class), Some(&label), None)) {
                // Some versions of NXP's module say in this way that there is no such object.
                Err(Fault::Ckr { source, .. }) if source.is("C_FindObjects", CKR_FUNCTION_FAILED) => continue,
                found => found?,
            };
            // Some versions leave garbage in the upper half of a handle.
            if found.into_iter().any(|found| found & 0xFFFF_FFFF == handle_of(id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn search(&self, object: &Target, template: &[Wanted]) -> Result<Vec<CK_OBJECT_HANDLE>, Fault> {
        let doing = || format!("searching the {} {}", object.class.in_words(), object.selector);
        self.call(doing, |raw| raw.find(template))
    }

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

    /// An object by its handle and CKA_ID, so that the user can tell it from its namesakes.
    fn describe(&self, object: CK_OBJECT_HANDLE) -> String {
        let id = self.call(String::new, |raw| raw.attribute(object, CKA_ID));
        let id = id.map(|id| crate::public_key::hex(&id)).unwrap_or_default();
        format!("handle {object} with id {id:?}")
    }
}

/// The conditions of a search.
fn template(class: CK_OBJECT_CLASS, label: Option<&str>, id: Option<&[u8]>) -> Vec<Wanted> {
    let mut template = vec![(CKA_CLASS, class.to_ne_bytes().to_vec())];
    template.extend(label.map(|label| (CKA_LABEL, label.as_bytes().to_vec())));
    template.extend(id.map(|id| (CKA_ID, id.to_vec())));
    template
}

fn class_of(object_type: ObjectType) -> CK_OBJECT_CLASS {
    match object_type {
        ObjectType::Private => CKO_PRIVATE_KEY,
        ObjectType::Certificate => CKO_CERTIFICATE,
    }
}

fn handle_of(id: ObjectId) -> CK_OBJECT_HANDLE {
    id.value().into()
}
