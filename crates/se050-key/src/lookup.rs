//! Finding one object by what the user wrote.

use std::fmt;

use cryptoki_sys::{
    CK_OBJECT_CLASS, CK_OBJECT_HANDLE, CKA_CLASS, CKA_ID, CKA_LABEL, CKO_CERTIFICATE, CKO_PRIVATE_KEY,
};

use crate::raw::Wanted;
use crate::session::Session;
use crate::target::Target;
use crate::uri::ObjectType;
use crate::{Error, ObjectId, Selector};

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
    pub(crate) fn handle(&mut self, class: Class, selector: &Selector) -> Result<CK_OBJECT_HANDLE, Error> {
        let place = (class, selector.as_str().to_owned());
        if let Some(handle) = self.handles.get(&place) {
            return Ok(*handle);
        }
        let handle = self.find(class, selector)?;
        self.handles.insert(place, handle);
        Ok(handle)
    }

    /// Searches, whatever was found before.
    pub(crate) fn find(&mut self, class: Class, selector: &Selector) -> Result<CK_OBJECT_HANDLE, Error> {
        match self.target(class, selector)? {
            Target::Id(id) => self.find_id(class, id)?.ok_or_else(|| self.not_found(class, selector)),
            Target::Attributes { label, id } => {
                let mut template = vec![of_class(class.object_class())];
                template.extend(label.map(|label| (CKA_LABEL, label.into_bytes())));
                template.extend(id.map(|id| (CKA_ID, id)));
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
            Target::Id(id) => Some(id.value().into()),
            Target::Attributes { .. } => None,
        })
    }

    /// Asks for the label in the one byte order, then in the other. On NXP's module an object's handle is its id, so a hit
    /// is the right object, or it is none: the byte order changed twice between versions, and the wrong one may name
    /// another object.
    pub(crate) fn find_id(&mut self, class: Class, id: ObjectId) -> Result<Option<CK_OBJECT_HANDLE>, Error> {
        for order in self.byte_order.map_or_else(|| self.likely_orders(), |known| [known, known.other()]) {
            let label = order.label(id);
            let template = [of_class(class.object_class()), (CKA_LABEL, label.clone().into_bytes())];
            let found = match self.search(class, &label, &template) {
                Err(Error::Call { source, .. }) if source.may_mean_no_such_object() => continue,
                found => found?,
            };
            // Some versions leave garbage in the upper half of a handle.
            let expected = CK_OBJECT_HANDLE::from(id.value());
            if let Some(object) = found.into_iter().find(|object| object & 0xFFFF_FFFF == expected) {
                if id.value() != id.value().swap_bytes() {
                    self.byte_order = Some(order);
                }
                return Ok(Some(object));
            }
        }
        Ok(None)
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
        template: &[Wanted],
    ) -> Result<CK_OBJECT_HANDLE, Error> {
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
        template: &[Wanted],
    ) -> Result<Vec<CK_OBJECT_HANDLE>, Error> {
        let found = self.raw.find(template);
        self.pulse.beat();
        found.map_err(|source| Error::Call {
            doing: format!("searching the {} {what}", class.name()),
            advice: "check the label, and that nothing else uses the chip",
            source,
        })
    }

    /// An object by its handle and CKA_ID, so that the user can tell it from its namesakes.
    fn describe(&self, object: CK_OBJECT_HANDLE) -> String {
        let id = self.raw.attribute(object, CKA_ID);
        let id = id.map(|id| crate::public_key::hex(&id)).unwrap_or_default();
        format!("handle {object} with id {id:?}")
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

    fn object_class(self) -> CK_OBJECT_CLASS {
        match self {
            Self::PrivateKey => CKO_PRIVATE_KEY,
            Self::Certificate => CKO_CERTIFICATE,
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

/// A search's condition on the class.
pub(crate) fn of_class(class: CK_OBJECT_CLASS) -> Wanted {
    (CKA_CLASS, class.to_ne_bytes().to_vec())
}
