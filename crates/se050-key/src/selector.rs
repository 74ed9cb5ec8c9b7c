//! What the user wrote to name an object of the token.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ObjectId};

/// Names one key or certificate: an object id of the SE050 in any written form, or the label of another token's object.
///
/// The text is kept as it was written: on NXP's module an object id is what counts, on any other token the
/// label, to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    text: String,
    id: Option<ObjectId>,
}

impl Selector {
    /// The object id, if the text is one.
    pub fn object_id(&self) -> Option<ObjectId> {
        self.id
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<ObjectId> for Selector {
    fn from(id: ObjectId) -> Self {
        Self { text: id.little_endian_label(), id: Some(id) }
    }
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.contains('\0') {
            return Err(Error::NotALabel { text: text.to_owned() });
        }
        // What starts like an object id has to be one: a mistyped id must not turn into a label that finds nothing.
        let id = if text.starts_with("sss:") || text.starts_with("0x") {
            Some(text.parse()?)
        } else {
            text.parse().ok()
        };
        Ok(Self { text: text.to_owned(), id })
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
    use super::*;

    #[test]
    fn tells_object_ids_from_labels() {
        let label: Selector = "my-key".parse().unwrap();
        assert_eq!((label.object_id(), label.to_string().as_str()), (None, "my-key"));
        let id: Selector = "sss:100100F0".parse().unwrap();
        assert_eq!(id.object_id(), Some(ObjectId::new(0xF000_0110)));
        assert_eq!(id.to_string(), "sss:100100F0 (object 0xF0000110)");
    }

    #[test]
    fn a_mistyped_object_id_is_not_a_label() {
        for text in ["sss:100100F", "0xF000011", "", "a\0b"] {
            assert!(text.parse::<Selector>().is_err(), "{text:?}");
        }
    }
}
