//! Finding one object by what the user wrote.

use std::fmt;

use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki_sys::CK_OBJECT_HANDLE;

use crate::session::Session;
use crate::target::Target;
use crate::uri::ObjectType;
use crate::{CallError, Error, ObjectId, Selector};

/// The two classes of object that are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    PrivateKey,
    Certificate,
}

/// The byte order in which NXP's module writes an object id into a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ByteOrder {
    /// `sss:100100F0` for 0xF0000110: NXP's module 4.0 to 4.3.
    LittleEndian,
    /// `sss:F0000110` for 0xF0000110: up to 3.3, and from 4.4 on.
    BigEndian,
}

impl Session {
    /// The object's handle: looked up once in a session.
    pub(crate) fn handle(&mut self, class: Class, selector: &Selector) -> Result<ObjectHandle, Error> {
        let place = (class, selector.as_str().to_owned());
        if let Some(handle) = self.handles.get(&place) {
            return Ok(*handle);
        }
        let handle = self.find(class, selector)?;
        self.handles.insert(place, handle);
        Ok(handle)
    }

    /// Searches, whatever was found before.
    pub(crate) fn find(&mut self, class: Class, selector: &Selector) -> Result<ObjectHandle, Error> {
        match self.target(class, selector)? {
            Target::Ids(ids) => self.find_one_of(class, selector, &ids),
            Target::Attributes { label, id } => {
                let mut template = vec![Attribute::Class(class.object_class())];
                template.extend(label.as_deref().map(|label| Attribute::Label(nul_terminated(label))));
                template.extend(id.map(Attribute::Id));
                self.single(class, selector, &template)
            }
        }
    }

    /// The handle of an SE050's object by its id alone, for an object whose absence shows when it is read.
    pub(crate) fn known_handle(
        &self,
        class: Class,
        selector: &Selector,
    ) -> Result<Option<CK_OBJECT_HANDLE>, Error> {
        Ok(match self.target(class, selector)? {
            Target::Ids(ids) => match ids.as_slice() {
                [only] => Some(only.value().into()),
                _ => None,
            },
            Target::Attributes { .. } => None,
        })
    }

    /// Of the ids that the text may mean, the one that exists.
    fn find_one_of(
        &mut self,
        class: Class,
        selector: &Selector,
        ids: &[ObjectId],
    ) -> Result<ObjectHandle, Error> {
        match self.find_ids(class, ids)?.as_slice() {
            [(id, object)] => {
                tracing::debug!(%selector, %id, "object found");
                Ok(*object)
            }
            [] => Err(self.not_found(class, selector)),
            several => Err(Error::Ambiguous {
                class: class.name(),
                selector: selector.to_string(),
                token: self.token.label.clone(),
                objects: several.iter().map(|(id, _)| id.to_string()).collect(),
            }),
        }
    }

    /// The handle of the object with that id, if it exists.
    pub(crate) fn find_id(&mut self, class: Class, id: ObjectId) -> Result<Option<ObjectHandle>, Error> {
        Ok(self.find_ids(class, &[id])?.pop().map(|(_, object)| object))
    }

    /// Those of the ids that exist: one id, or two that differ in their byte order.
    ///
    /// Asks for the label in the one byte order, then in the other. On NXP's module an object's handle is its id, so a hit
    /// is the right object, or it is none: the byte order changed twice between versions, and the wrong one may name
    /// another object.
    fn find_ids(&mut self, class: Class, ids: &[ObjectId]) -> Result<Vec<(ObjectId, ObjectHandle)>, Error> {
        let mut existing = Vec::new();
        let Some(first) = ids.first() else { return Ok(existing) };
        for order in self.byte_order.map_or_else(|| self.likely_orders(), |known| [known, known.other()]) {
            let label = order.label(*first);
            let template = [Attribute::Class(class.object_class()), Attribute::Label(nul_terminated(&label))];
            let found = match self.search(class, &label, &template) {
                Err(Error::Call { source, .. }) if source.may_mean_no_such_object() => continue,
                found => found?,
            };
            for object in found {
                // Some versions leave garbage in the upper half of a handle.
                let is_object =
                    |id: &&ObjectId| CK_OBJECT_HANDLE::from(id.value()) == object.handle() & 0xFFFF_FFFF;
                let Some(id) = ids.iter().find(is_object) else { continue };
                if id.value() != id.value().swap_bytes() {
                    self.byte_order = Some(if order.label(*id) == label { order } else { order.other() });
                }
                existing.push((*id, object));
            }
            if existing.len() == ids.len() {
                break;
            }
        }
        Ok(existing)
    }

    /// The version of the module tells which order comes first, to save a search. What counts is what is found.
    fn likely_orders(&self) -> [ByteOrder; 2] {
        let first = match self.token.firmware_version {
            (4, 0..=3) => ByteOrder::LittleEndian,
            _ => ByteOrder::BigEndian,
        };
        [first, first.other()]
    }

    fn single(
        &self,
        class: Class,
        selector: &Selector,
        template: &[Attribute],
    ) -> Result<ObjectHandle, Error> {
        let found = self.search(class, &selector.to_string(), template)?;
        match found.as_slice() {
            [only] => Ok(*only),
            [] => Err(self.not_found(class, selector)),
            several => Err(Error::Ambiguous {
                class: class.name(),
                selector: selector.to_string(),
                token: self.token.label.clone(),
                objects: several.iter().map(|object| self.describe(*object)).collect(),
            }),
        }
    }

    pub(crate) fn search(
        &self,
        class: Class,
        what: &str,
        template: &[Attribute],
    ) -> Result<Vec<ObjectHandle>, Error> {
        let found = self.session.find_objects(template);
        self.pulse.beat();
        found.map_err(|error| Error::Call {
            doing: format!("searching the {} {what}", class.name()),
            advice: "check the label, and that nothing else uses the chip",
            source: CallError::new(error),
        })
    }

    /// An object by its handle and CKA_ID, so that the user can tell it from its namesakes.
    fn describe(&self, object: ObjectHandle) -> String {
        let id = self.raw.attribute(self.session.handle(), object.handle(), cryptoki_sys::CKA_ID);
        let id = id.map(|id| crate::public_key::hex(&id)).unwrap_or_default();
        format!("handle {} with id {id:?}", object.handle())
    }

    pub(crate) fn not_found(&self, class: Class, selector: &Selector) -> Error {
        Error::NotFound {
            class: class.name(),
            selector: selector.to_string(),
            token: self.token.label.clone(),
        }
    }
}

impl Class {
    pub(crate) fn name(self) -> &'static str {
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

    pub(crate) fn object_type(self) -> ObjectType {
        match self {
            Self::PrivateKey => ObjectType::Private,
            Self::Certificate => ObjectType::Certificate,
        }
    }
}

impl ByteOrder {
    fn label(self, id: ObjectId) -> String {
        match self {
            Self::LittleEndian => id.little_endian_label(),
            Self::BigEndian => id.big_endian_label(),
        }
    }

    fn other(self) -> Self {
        match self {
            Self::LittleEndian => Self::BigEndian,
            Self::BigEndian => Self::LittleEndian,
        }
    }
}

impl fmt::Display for ByteOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LittleEndian => "lowest byte first (sss:100100F0)",
            Self::BigEndian => "highest byte first (sss:F0000110)",
        })
    }
}

/// The label's bytes with a NUL behind them in the same allocation: NXP's module reads up to it, whatever length it is told.
pub(crate) fn nul_terminated(label: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(label.len() + 1);
    bytes.extend_from_slice(label.as_bytes());
    bytes.push(0);
    // Shortens the length only; the NUL stays where it is.
    bytes.pop();
    bytes
}
