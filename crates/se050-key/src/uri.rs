//! PKCS#11 URIs (RFC 7512), as far as they name one object of one token.

mod percent;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::module::canonical;
use crate::{Error, TokenInfo};

/// How every PKCS#11 URI begins.
pub(crate) const SCHEME: &str = "pkcs11:";

/// A PKCS#11 URI (RFC 7512), e.g. `pkcs11:token=SSS_PKCS11;object=sss:100100F0;type=private`.
///
/// Known are the attributes that `p11tool` and `pkcs11-tool` print: `token`, `manufacturer`, `model`, `serial`, `slot-id`,
/// `object`, `id`, `type`, and after the question mark `module-path` and `pin-source`. Each of them has to fit.
/// Any other attribute is an error: to leave one out would select something else than was asked for. `pin-value` is
/// refused, because a URI is no place for a secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pkcs11Uri {
    pub(crate) token: Option<String>,
    manufacturer: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    pub(crate) slot_id: Option<u64>,
    object: Option<String>,
    id: Option<Vec<u8>>,
    object_type: Option<ObjectType>,
    module_path: Option<PathBuf>,
    pin_source: Option<String>,
}

/// The class of an object, as RFC 7512 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectType {
    /// `private`.
    Private,
    /// `cert`.
    Certificate,
}

impl Pkcs11Uri {
    /// The object's label.
    pub fn object(&self) -> Option<&str> {
        self.object.as_deref()
    }

    /// The object's CKA_ID.
    pub fn id(&self) -> Option<&[u8]> {
        self.id.as_deref()
    }

    /// The object's class.
    pub fn object_type(&self) -> Option<ObjectType> {
        self.object_type
    }

    /// The PKCS#11 module.
    pub fn module_path(&self) -> Option<&Path> {
        self.module_path.as_deref()
    }

    /// Where the PIN comes from: see [`Pin::from_source`](crate::Pin::from_source).
    pub fn pin_source(&self) -> Option<&str> {
        self.pin_source.as_deref()
    }

    /// The first attribute that is not this token's.
    pub(crate) fn mismatch(&self, token: &TokenInfo) -> Option<&'static str> {
        let differs = |wanted: &Option<String>, is: &str| wanted.as_ref().is_some_and(|wanted| wanted != is);
        let module = |wanted: &PathBuf| canonical(wanted) != canonical(&token.module);
        [
            ("module-path", self.module_path.as_ref().is_some_and(module)),
            ("token", differs(&self.token, &token.label)),
            ("manufacturer", differs(&self.manufacturer, &token.manufacturer)),
            ("model", differs(&self.model, &token.model)),
            ("serial", differs(&self.serial, &token.serial)),
            ("slot-id", self.slot_id.is_some_and(|wanted| wanted != token.slot_id)),
        ]
        .into_iter()
        .find_map(|(attribute, differs)| differs.then_some(attribute))
    }

    /// What both say of the token together, or the attribute in which they contradict each other.
    pub(crate) fn joined_with(&self, other: &Self) -> Result<Self, &'static str> {
        fn both<T: Clone + PartialEq>(
            attribute: &'static str,
            (one, other): (&Option<T>, &Option<T>),
        ) -> Result<Option<T>, &'static str> {
            match (one, other) {
                (Some(one), Some(other)) if one != other => Err(attribute),
                (one, other) => Ok(one.as_ref().or(other.as_ref()).cloned()),
            }
        }
        Ok(Self {
            token: both("token", (&self.token, &other.token))?,
            manufacturer: both("manufacturer", (&self.manufacturer, &other.manufacturer))?,
            model: both("model", (&self.model, &other.model))?,
            serial: both("serial", (&self.serial, &other.serial))?,
            slot_id: both("slot-id", (&self.slot_id, &other.slot_id))?,
            module_path: both("module-path", (&self.module_path, &other.module_path))?,
            ..Self::default()
        })
    }

    /// The token's attributes, for an error: `token "a", slot-id 1`.
    pub(crate) fn describe_token(&self) -> String {
        let text = |name, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value:?}"));
        let attributes = [
            text("token", &self.token),
            text("manufacturer", &self.manufacturer),
            text("model", &self.model),
            text("serial", &self.serial),
            self.slot_id.map(|id| format!("slot-id {id}")),
        ];
        attributes.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The same, for an object of that class.
    pub(crate) fn with_type(&self, object_type: ObjectType) -> Self {
        Self { object_type: Some(object_type), ..self.clone() }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "token" => once(&mut self.token, percent::padded_text(value)?),
            "manufacturer" => once(&mut self.manufacturer, percent::padded_text(value)?),
            "model" => once(&mut self.model, percent::padded_text(value)?),
            "serial" => once(&mut self.serial, percent::padded_text(value)?),
            "object" => once(&mut self.object, percent::text(value)?),
            "id" if value.is_empty() => return Err("its id is empty".into()),
            "id" => once(&mut self.id, percent::bytes(value)?),
            "slot-id" => once(&mut self.slot_id, slot_id(value)?),
            "type" => once(&mut self.object_type, object_type(value)?),
            "pin-value" => return Err(PIN_VALUE.into()),
            "module-path" | "pin-source" => return Err(format!("{name} belongs after the question mark")),
            other => {
                return Err(format!(
                    "the attribute {other:?} is not known here; known are token, manufacturer, model, serial, slot-id, object, id \
                     and type"
                ));
            }
        }
        .map_err(|()| format!("{name} is given twice"))
    }

    fn set_query(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "module-path" => once(&mut self.module_path, PathBuf::from(percent::text(value)?)),
            "pin-source" => once(&mut self.pin_source, percent::text(value)?),
            "pin-value" => return Err(PIN_VALUE.into()),
            other => {
                return Err(format!(
                    "the attribute {other:?} is not known after the question mark; known are module-path and pin-source"
                ));
            }
        }
        .map_err(|()| format!("{name} is given twice"))
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut uri = Self::default();
        let rest = text.strip_prefix(SCHEME).ok_or("it does not begin with pkcs11:")?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        for attribute in path.split(';').filter(|_| !path.is_empty()) {
            let (name, value) = attribute.split_once('=').ok_or_else(|| no_value(attribute))?;
            uri.set(name, value)?;
        }
        for attribute in query.into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = attribute.split_once('=').ok_or_else(|| no_value(attribute))?;
            uri.set_query(name, value)?;
        }
        Ok(uri)
    }
}

impl FromStr for Pkcs11Uri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::read(text).map_err(|reason| Error::NotAUri { text: without_pin(text), reason })
    }
}

const PIN_VALUE: &str = "pin-value would show the PIN to everybody who sees the URI: use pin-source";

fn object_type(value: &str) -> Result<ObjectType, String> {
    match percent::text(value)?.as_str() {
        "private" => Ok(ObjectType::Private),
        "cert" => Ok(ObjectType::Certificate),
        other => Err(format!("type={other} names neither a private key nor a certificate")),
    }
}

fn slot_id(value: &str) -> Result<u64, String> {
    let digits = percent::text(value)?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    number.ok_or_else(|| "slot-id is no decimal number".to_owned())
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), ()> {
    place.replace(value).map_or(Ok(()), |_| Err(()))
}

fn no_value(attribute: &str) -> String {
    format!("{attribute:?} is no attribute: write name=value")
}

/// The URI as an error may show it: a `pin-value` is cut off.
fn without_pin(uri: &str) -> String {
    match uri.split_once("pin-value") {
        Some((before, _)) => format!("{before}pin-value=..."),
        None => uri.to_owned(),
    }
}

#[cfg(test)]
mod tests;
