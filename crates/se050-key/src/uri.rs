//! PKCS#11 URIs (RFC 7512), as far as they name one object of one token.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use crate::module::canonical;
use crate::{Error, TokenInfo};

/// How every PKCS#11 URI begins.
pub(crate) const SCHEME: &str = "pkcs11:";

/// The attributes that stand before the question mark. `id` is the only one that may be no text.
const PATH: [&str; 8] = ["token", "manufacturer", "model", "serial", "slot-id", "object", "id", "type"];
/// The attributes that stand behind it.
const QUERY: [&str; 2] = ["module-path", "pin-source"];
/// The attributes that are compared with the token's. Its slot and the others are compared as text.
const OF_THE_TOKEN: [&str; 6] = ["module-path", "token", "manufacturer", "model", "serial", "slot-id"];

/// A PKCS#11 URI (RFC 7512), e.g. `pkcs11:token=SSS_PKCS11;object=sss:100100F0;type=private`.
///
/// Known are the attributes that `p11tool` and `pkcs11-tool` print: `token`, `manufacturer`, `model`, `serial`, `slot-id`,
/// `object`, `id`, `type`, and after the question mark `module-path` and `pin-source`. Each of them has to fit.
/// Any other attribute is an error: ignoring it could select another object. `pin-value` is refused, since a URI is not
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pkcs11Uri {
    /// All values are UTF-8 text, but that of `id`.
    values: BTreeMap<&'static str, Vec<u8>>,
}

/// The class of an object, as RFC 7512 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ObjectType {
    /// `private`.
    Private,
    /// `cert`.
    Certificate,
}

impl ObjectType {
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Private => "private key",
            Self::Certificate => "certificate",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Certificate => "cert",
        }
    }
}

impl Pkcs11Uri {
    /// The object's label.
    pub(crate) fn object(&self) -> Option<&str> {
        self.text("object")
    }

    /// The object's CKA_ID.
    pub(crate) fn id(&self) -> Option<&[u8]> {
        self.values.get("id").map(Vec::as_slice)
    }

    /// The token's label.
    pub fn token(&self) -> Option<&str> {
        self.text("token")
    }

    /// The PKCS#11 module.
    pub fn module_path(&self) -> Option<&Path> {
        self.text("module-path").map(Path::new)
    }

    /// Where the PIN comes from: see [`Pin::from_source`](crate::Pin::from_source).
    pub fn pin_source(&self) -> Option<&str> {
        self.text("pin-source")
    }

    /// Whether it may name an object of that class.
    pub(crate) fn fits_type(&self, object_type: ObjectType) -> bool {
        self.text("type").is_none_or(|wanted| wanted == object_type.name())
    }

    /// The same for a certificate.
    pub(crate) fn of_certificate(&self) -> Self {
        self.with("type", ObjectType::Certificate.name().to_owned())
    }

    /// The same with that attribute of the token.
    pub(crate) fn with(&self, attribute: &'static str, value: String) -> Self {
        let mut changed = self.clone();
        changed.values.insert(attribute, value.into());
        changed
    }

    /// The first attribute that is not this token's.
    pub(crate) fn mismatch(&self, token: &TokenInfo) -> Option<&'static str> {
        let fits = |attribute: &str, wanted: &str| match attribute {
            "module-path" => canonical(Path::new(wanted)) == canonical(&token.module),
            "token" => wanted == token.label,
            "manufacturer" => wanted == token.manufacturer,
            "model" => wanted == token.model,
            "serial" => wanted == token.serial,
            _ => wanted == token.slot_id.to_string(),
        };
        let differs = |attribute: &&str| self.text(attribute).is_some_and(|wanted| !fits(attribute, wanted));
        OF_THE_TOKEN.into_iter().find(differs)
    }

    /// What both say of the token together, or the attribute in which they contradict each other.
    pub(crate) fn joined_with(&self, other: &Self) -> Result<Self, &'static str> {
        let mut joined = self.clone();
        for attribute in OF_THE_TOKEN {
            let Some(value) = other.text(attribute) else { continue };
            if self.text(attribute).is_some_and(|own| own != value) {
                return Err(attribute);
            }
            joined = joined.with(attribute, value.to_owned());
        }
        Ok(joined)
    }

    /// The token's attributes, for an error: `token "a", slot-id "1"`.
    pub(crate) fn describe_token(&self) -> String {
        let attribute = |name: &str| Some(format!("{name} {:?}", self.text(name)?));
        OF_THE_TOKEN.into_iter().filter_map(attribute).collect::<Vec<_>>().join(", ")
    }

    fn text(&self, attribute: &str) -> Option<&str> {
        std::str::from_utf8(self.values.get(attribute)?).ok()
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut uri = Self::default();
        let rest = text.strip_prefix(SCHEME).ok_or("it does not begin with pkcs11:")?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        for attribute in path.split(';').filter(|_| !path.is_empty()) {
            uri.set(attribute, &PATH)?;
        }
        for attribute in query.into_iter().flat_map(|query| query.split('&')) {
            uri.set(attribute, &QUERY)?;
        }
        Ok(uri)
    }

    fn set(&mut self, attribute: &str, known: &[&'static str]) -> Result<(), String> {
        let named = attribute.split_once('=');
        let (name, value) =
            named.ok_or_else(|| format!("{attribute:?} is no attribute: write name=value"))?;
        let Some(name) = known.iter().copied().find(|known| *known == name) else {
            return Err(unknown(name, known));
        };
        let mut bytes = percent_decoded(value)?;
        // A field of CK_TOKEN_INFO is padded with blanks, by NXP's module up to 4.3 also with a NUL. It may be empty.
        let is_padded = matches!(name, "token" | "manufacturer" | "model" | "serial");
        if is_padded {
            let padding = bytes.iter().rev().take_while(|byte| matches!(byte, 0 | b' ')).count();
            bytes.truncate(bytes.len() - padding);
        } else if bytes.is_empty() {
            return Err(format!("its {name} is empty"));
        }
        if name != "id" {
            let text = std::str::from_utf8(&bytes).map_err(|_| "a value is no UTF-8 text".to_owned())?;
            // PKCS#11's labels end at a NUL in some modules.
            if text.contains('\0') {
                return Err("a value holds a NUL character".into());
            }
            match name {
                "slot-id" => bytes = slot_id(text)?.into(),
                "type" if !["private", "cert"].contains(&text) => {
                    return Err(format!("type={text} names neither a private key nor a certificate"));
                }
                _ => {}
            }
        }
        match self.values.insert(name, bytes) {
            Some(_) => Err(format!("{name} is given twice")),
            None => Ok(()),
        }
    }
}

impl FromStr for Pkcs11Uri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::read(text).map_err(|reason| Error::InvalidSelector { text: without_pin(text), reason })
    }
}

/// Without leading zeros.
fn slot_id(digits: &str) -> Result<String, String> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| is_number);
    number.map(|id| id.to_string()).ok_or_else(|| "slot-id is no decimal number".to_owned())
}

fn unknown(name: &str, known: &[&str]) -> String {
    match name {
        "pin-value" => "pin-value would show the PIN to everybody who sees the URI: use pin-source".into(),
        name if QUERY.contains(&name) => format!("{name} belongs after the question mark"),
        name if PATH.contains(&name) => format!("{name} belongs before the question mark"),
        name => format!("the attribute {name:?} is not known there; known are {}", known.join(", ")),
    }
}

/// The URI as an error may show it: a `pin-value` is cut off.
fn without_pin(uri: &str) -> String {
    match uri.split_once("pin-value") {
        Some((before, _)) => format!("{before}pin-value=..."),
        None => uri.to_owned(),
    }
}

/// The bytes that a value means.
fn percent_decoded(value: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let value = high.zip(low).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
                bytes.push(value.ok_or("a percent sign without two hexadecimal digits behind it")?);
            }
            plain if stands_plain(plain) => bytes.push(plain),
            other => {
                let character = char::from(other);
                return Err(format!("the character {character:?} has to be percent-encoded: %{other:02X}"));
            }
        }
    }
    Ok(bytes)
}

/// The characters that need no percent-encoding (RFC 7512, section 2.3: pk11-res-avail, unreserved and the ampersand; a slash is
/// allowed only in the query, but does no harm in the path).
fn stands_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:[]@!$'()*+,=/|&".contains(&byte)
}

#[cfg(test)]
mod tests;
