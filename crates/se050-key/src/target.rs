//! What a selector means on the token that is open.

use crate::lookup::Class;
use crate::session::Session;
use crate::{Error, ObjectId, Selector};

/// The longest label that NXP's module takes: it copies it into a buffer of 32 bytes, its NUL included.
const LONGEST_SE050_LABEL: usize = 31;

/// What to search for.
pub(crate) enum Target {
    /// On the SE050, where an object's handle is its id.
    Id(ObjectId),
    /// On any other token, or a label that NXP's module hashes into an id.
    Attributes { label: Option<String>, id: Option<Vec<u8>> },
}

impl Session {
    /// What the selector means on this token.
    pub(crate) fn target(&self, class: Class, selector: &Selector) -> Result<Target, Error> {
        if let Some(uri) = selector.uri() {
            let differs = |attribute| Error::NotThisToken { selector: selector.to_string(), attribute };
            if uri.token().is_some_and(|label| label != self.token.label) {
                return Err(differs("token"));
            }
            if uri.slot_id().is_some_and(|id| id != self.slot_id) {
                return Err(differs("slot-id"));
            }
            if uri.object_type().is_some_and(|wanted| wanted != class.object_type()) {
                return Err(differs("type"));
            }
            if !self.token.is_se050 {
                let (label, id) = (uri.object().map(str::to_owned), uri.id().map(<[u8]>::to_vec));
                if label.is_none() && id.is_none() {
                    return Err(differs("object or id"));
                }
                return Ok(Target::Attributes { label, id });
            }
            let from_id = uri.id().map(|id| self.object_id(id).ok_or_else(|| differs("id"))).transpose()?;
            return match (selector.object_id(), from_id) {
                (Some(label), Some(id)) if label != id => Err(differs("id")),
                (Some(id), _) | (None, Some(id)) => Ok(Target::Id(id)),
                (None, None) => self.hashed_label(uri.object().ok_or_else(|| differs("object or id"))?),
            };
        }
        match selector.object_id() {
            Some(id) if self.token.is_se050 => Ok(Target::Id(id)),
            _ if self.token.is_se050 => self.hashed_label(selector.as_str()),
            _ => Ok(Target::Attributes { label: Some(selector.as_str().to_owned()), id: None }),
        }
    }

    /// NXP's module makes an id of any other label by hashing it.
    fn hashed_label(&self, label: &str) -> Result<Target, Error> {
        if label.len() > LONGEST_SE050_LABEL {
            let reason = "NXP's module takes no more than 31 bytes";
            return Err(Error::NotALabel { text: label.to_owned(), reason });
        }
        Ok(Target::Attributes { label: Some(label.to_owned()), id: None })
    }

    /// CKA_ID as NXP's module writes it: the id in the processor's order, and highest byte first from 4.7 on.
    fn object_id(&self, id: &[u8]) -> Option<ObjectId> {
        let bytes: [u8; 4] = id.try_into().ok()?;
        let big_endian = self.token.firmware_version >= (4, 7);
        let value = if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        Some(ObjectId::new(value))
    }
}
