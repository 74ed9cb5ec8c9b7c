//! PKCS#11 URIs (RFC 7512), as far as they name one object of one token.

mod text;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::Error;

/// A PKCS#11 URI (RFC 7512), e.g. `pkcs11:token=SSS_PKCS11;object=sss:100100F0;type=private`.
///
/// Known are `token`, `slot-id`, `object`, `id`, `type` and, after the question mark, `module-path` and `pin-source`.
/// Any other attribute is an error: to leave one out would select something else than was asked for. `pin-value` is
/// refused, because a URI is no place for a secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pkcs11Uri {
    token: Option<String>,
    slot_id: Option<u64>,
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
    /// The token's label.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The slot.
    pub fn slot_id(&self) -> Option<u64> {
        self.slot_id
    }

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

    /// The same, for an object of that class.
    pub(crate) fn with_type(&self, object_type: ObjectType) -> Self {
        Self { object_type: Some(object_type), ..self.clone() }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let text = || text::decoded_text(value);
        match name {
            "token" => once(&mut self.token, text()?),
            "object" => once(&mut self.object, text()?),
            "id" => once(&mut self.id, text::decoded(value)?),
            "slot-id" => {
                let number = text()?;
                let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                let number = number.parse().ok().filter(|_| digits);
                once(&mut self.slot_id, number.ok_or("slot-id is no decimal number")?)
            }
            "type" => once(
                &mut self.object_type,
                match text()?.as_str() {
                    "private" => ObjectType::Private,
                    "cert" => ObjectType::Certificate,
                    other => {
                        return Err(format!("type={other} names neither a private key nor a certificate"));
                    }
                },
            ),
            "pin-value" => {
                return Err(
                    "pin-value would show the PIN to everybody who sees the URI: use pin-source".into()
                );
            }
            "module-path" | "pin-source" => return Err(format!("{name} belongs after the question mark")),
            other => return Err(format!("the attribute {other:?} is not known here")),
        }
        .map_err(|()| format!("{name} is given twice"))
    }

    fn set_query(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "module-path" => once(&mut self.module_path, PathBuf::from(text::decoded_text(value)?)),
            "pin-source" => once(&mut self.pin_source, text::decoded_text(value)?),
            "pin-value" => return self.set(name, value),
            other => return Err(format!("the attribute {other:?} is not known after the question mark")),
        }
        .map_err(|()| format!("{name} is given twice"))
    }
}

impl FromStr for Pkcs11Uri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut uri = Self::default();
        uri.read(text).map_err(|reason| Error::NotAUri { text: text::without_pin(text), reason })?;
        Ok(uri)
    }
}

impl Pkcs11Uri {
    fn read(&mut self, text: &str) -> Result<(), String> {
        let rest = text.strip_prefix(SCHEME).ok_or("it does not begin with pkcs11:")?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        for attribute in path.split(';').filter(|_| !path.is_empty()) {
            let (name, value) = attribute.split_once('=').ok_or_else(|| no_value(attribute))?;
            self.set(name, value)?;
        }
        for attribute in query.split('&').filter(|_| rest.contains('?')) {
            let (name, value) = attribute.split_once('=').ok_or_else(|| no_value(attribute))?;
            self.set_query(name, value)?;
        }
        Ok(())
    }
}

impl fmt::Display for Pkcs11Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object_type = self.object_type.map(|class| match class {
            ObjectType::Private => "private",
            ObjectType::Certificate => "cert",
        });
        let path = [
            ("token", self.token.as_deref().map(|label| text::encoded(label.as_bytes()))),
            ("slot-id", self.slot_id.map(|id| id.to_string())),
            ("object", self.object.as_deref().map(|label| text::encoded(label.as_bytes()))),
            ("id", self.id.as_deref().map(text::all_encoded)),
            ("type", object_type.map(str::to_owned)),
        ];
        let module = self.module_path.as_ref().map(|path| text::encoded(path.as_os_str().as_encoded_bytes()));
        let pin = self.pin_source.as_deref().map(|source| text::encoded(source.as_bytes()));
        let query = text::joined(&[("module-path", module), ("pin-source", pin)], "&");
        write!(f, "{SCHEME}{}", text::joined(&path, ";"))?;
        if query.is_empty() { Ok(()) } else { write!(f, "?{query}") }
    }
}

/// How every PKCS#11 URI begins.
pub(crate) const SCHEME: &str = "pkcs11:";

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), ()> {
    place.replace(value).map_or(Ok(()), |_| Err(()))
}

fn no_value(attribute: &str) -> String {
    format!("{attribute:?} is no attribute: write name=value")
}

#[cfg(test)]
mod tests;
