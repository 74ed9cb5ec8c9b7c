//! What a selector means on the token that is open.

use crate::lookup::Class;
use crate::selector::Se050Object;
use crate::session::Session;
use crate::{Error, ObjectId, Selector};

/// What to search for.
pub(crate) enum Target {
    /// On the SE050, where an object's handle is its id: one of these.
    Ids(Vec<ObjectId>),
    /// On any other token, or a label that NXP's module hashes into an id.
    Attributes { label: Option<String>, id: Option<Vec<u8>> },
}

impl Session {
    /// What the selector means on this token.
    pub(crate) fn target(&self, class: Class, selector: &Selector) -> Result<Target, Error> {
        if !self.token.is_se050 {
            let (label, id) = selector.label_and_id(&self.token, class.object_type())?;
            return Ok(Target::Attributes { label: label.map(str::to_owned), id: id.map(<[u8]>::to_vec) });
        }
        Ok(match selector.on_se050(&self.token, class.object_type())? {
            Se050Object::Ids(ids) => Target::Ids(ids.to_vec()),
            Se050Object::HashedLabel(label) => Target::Attributes { label: Some(label.to_owned()), id: None },
        })
    }
}
