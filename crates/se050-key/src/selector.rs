//! What the user wrote to name an object of the token.

use std::fmt;
use std::str::FromStr;

use crate::uri::SCHEME;
use crate::{Error, FactoryKey, ObjectId, Pkcs11Uri};

/// Names one key or certificate: an object id of the SE050 in any written form, a factory key by its name
/// (`cloud-connection-0-rsa2048`), the label of another token's object, or a PKCS#11 URI.
///
/// The text is kept as it was written: on NXP's module an object id is what counts, on any other token the
/// label, to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    text: String,
    id: Option<ObjectId>,
    uri: Option<Box<Pkcs11Uri>>,
}

impl Selector {
    /// The object id, if the text is one or the name of a factory object, or its URI has one as `object`.
    pub fn object_id(&self) -> Option<ObjectId> {
        self.id
    }

    /// The PKCS#11 URI, if the text is one.
    pub fn uri(&self) -> Option<&Pkcs11Uri> {
        self.uri.as_deref()
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<ObjectId> for Selector {
    fn from(id: ObjectId) -> Self {
        Self { text: id.little_endian_label(), id: Some(id), uri: None }
    }
}

impl From<Pkcs11Uri> for Selector {
    fn from(uri: Pkcs11Uri) -> Self {
        let id = uri.object().and_then(|label| label.parse().ok());
        Self { text: uri.to_string(), id, uri: Some(Box::new(uri)) }
    }
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.contains('\0') {
            let reason = "it is empty or holds a NUL character";
            return Err(Error::NotALabel { text: text.to_owned(), reason });
        }
        if text.starts_with(SCHEME) {
            let uri: Pkcs11Uri = text.parse()?;
            return Ok(Self { text: text.to_owned(), ..Self::from(uri) });
        }
        // What starts like an object id has to be one: a mistyped id must not turn into a label that finds nothing.
        let id = if text.starts_with("sss:") || text.starts_with("0x") {
            Some(text.parse()?)
        } else {
            FactoryKey::object_named(text).or_else(|| text.parse().ok())
        };
        Ok(Self { text: text.to_owned(), id, uri: None })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) if self.text != id.to_string() => write!(f, "{} (object {id})", self.text),
            _ => f.write_str(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tells_object_ids_from_labels() {
        let label: Selector = "my-key".parse().unwrap();
        assert_eq!((label.object_id(), label.to_string().as_str()), (None, "my-key"));
        for text in ["sss:100100F0", "cloud-connection-0-rsa2048", "pkcs11:object=sss:100100F0;type=private"]
        {
            let id: Selector = text.parse().unwrap();
            assert_eq!(id.object_id(), Some(ObjectId::new(0xF000_0110)), "{text}");
            assert_eq!(id.to_string(), format!("{text} (object 0xF0000110)"));
        }
    }

    #[test]
    fn a_mistyped_object_id_is_not_a_label() {
        for text in ["sss:100100F", "0xF000011", "", "a\0b", "pkcs11:objekt=a"] {
            assert!(text.parse::<Selector>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_label_is_kept_as_it_was_written(text in "\\PC{0,40}") {
            if let Ok(selector) = text.parse::<Selector>() {
                prop_assert_eq!(selector.as_str(), text);
            }
        }
    }
}
