//! Finding one object by what the user wrote.
//!
//! On NXP's module an object's handle is its id, in every version, so an object that is named by id is not searched.

use std::fmt;

use cryptoki_sys::{
    CK_OBJECT_CLASS, CK_OBJECT_HANDLE, CKA_CLASS, CKA_ID, CKA_KEY_TYPE, CKA_LABEL, CKA_VALUE,
    CKO_CERTIFICATE, CKO_PRIVATE_KEY,
};

use crate::raw::Wanted;
use crate::selector::Se050Object;
use crate::session::{ChipSession, Fault};
use crate::{Error, ObjectId, ObjectType, Selector};

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

impl ChipSession {
    /// The object's handle. On NXP's module it may be that of an object which is not there: that shows when it is used.
    pub(crate) fn handle(&mut self, class: Class, selector: &Selector) -> Result<CK_OBJECT_HANDLE, Fault> {
        let place = (class, selector.as_str().to_owned());
        if let Some(handle) = self.handles.get(&place) {
            return Ok(*handle);
        }
        let handle = self.find(class, selector)?;
        self.handles.insert(place, handle);
        Ok(handle)
    }

    /// The id of the SE050's key of that name.
    pub(crate) fn key_id(&mut self, key: &Selector) -> Result<Option<ObjectId>, Fault> {
        if key.object_ids().is_empty() {
            return Ok(None);
        }
        let handle = self.handle(Class::PrivateKey, key)?;
        Ok(u32::try_from(handle).ok().map(ObjectId::new))
    }

    fn find(&self, class: Class, selector: &Selector) -> Result<CK_OBJECT_HANDLE, Fault> {
        if self.token.is_se050 {
            return match selector.on_se050(&self.token, class.object_type())? {
                Se050Object::Ids(ids) => self.one_of(class, selector, ids),
                Se050Object::HashedLabel(label) => {
                    let template = [class.wanted(), (CKA_LABEL, label.as_bytes().to_vec())];
                    self.single(class, selector, self.search(class, selector.as_str(), &template)?)
                }
            };
        }
        let (label, id) = selector.label_and_id(&self.token, class.object_type())?;
        let mut template = vec![class.wanted()];
        template.extend(label.map(|label| (CKA_LABEL, label.as_bytes().to_vec())));
        template.extend(id.map(|id| (CKA_ID, id.to_vec())));
        self.single(class, selector, self.search(class, selector.as_str(), &template)?)
    }

    /// Of the ids that the text may mean, the one that exists. Whether the likeliest exists is not asked when no other does:
    /// that shows when it is used.
    fn one_of(&self, class: Class, selector: &Selector, ids: &[ObjectId]) -> Result<CK_OBJECT_HANDLE, Fault> {
        let Some((first, others)) = ids.split_first() else { return Err(self.missing(class, selector)) };
        let exists = |id: &ObjectId| self.has(handle_of(*id), class.telling_attribute());
        let mut found = Vec::new();
        for other in others {
            if exists(other)? {
                found.push(*other);
            }
        }
        if found.is_empty() || exists(first)? {
            found.insert(0, *first);
        }
        match found.as_slice() {
            [only] => {
                if !others.is_empty() {
                    tracing::info!(%selector, object = %only, "the label is that of this object");
                }
                Ok(handle_of(*only))
            }
            several => Err(Fault::Wrong(Error::AmbiguousLabel {
                label: selector.as_str().to_owned(),
                objects: several.to_vec(),
            })),
        }
    }

    /// The fault of using an object of NXP's module, unless the object is not there. A search tells: it finds nothing, and
    /// the chip answers.
    pub(crate) fn unless_missing(&mut self, class: Class, selector: &Selector, fault: Fault) -> Fault {
        let Fault::Ckr { .. } = fault else { return fault };
        let handle = self.handles.get(&(class, selector.as_str().to_owned())).copied();
        let Some(id) = handle.and_then(|handle| u32::try_from(handle).ok()).map(ObjectId::new) else {
            return fault;
        };
        if !self.token.is_se050 {
            return fault;
        }
        match self.exists(class, id) {
            Ok(true) => fault,
            Ok(false) if self.answers() => self.missing(class, selector),
            Ok(false) => fault,
            Err(fault) => fault,
        }
    }

    /// Searches for the id by its label, in the byte order of this version of the module and in the other one. A hit with
    /// another handle is another object, whose id has the bytes reversed.
    pub(crate) fn exists(&self, class: Class, id: ObjectId) -> Result<bool, Fault> {
        let orders = match self.token.label_byte_order() {
            Some(ByteOrder::LittleEndian) => [id.little_endian_label(), id.big_endian_label()],
            _ => [id.big_endian_label(), id.little_endian_label()],
        };
        for label in orders {
            let template = [class.wanted(), (CKA_LABEL, label.clone().into_bytes())];
            let found = match self.search(class, &label, &template) {
                Err(Fault::Ckr { source, .. }) if source.may_mean_no_such_object() => continue,
                found => found?,
            };
            // Some versions leave garbage in the upper half of a handle.
            if found.into_iter().any(|object| object & 0xFFFF_FFFF == handle_of(id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn single(
        &self,
        class: Class,
        selector: &Selector,
        found: Vec<CK_OBJECT_HANDLE>,
    ) -> Result<CK_OBJECT_HANDLE, Fault> {
        match found.as_slice() {
            [only] => Ok(*only),
            // A chip that does not answer looks like one without objects.
            [] => {
                let source = |raw: &crate::raw::RawSession| {
                    if self.token.has_random { raw.random() } else { raw.session_info() }
                };
                self.call(|| format!("searching the {} {selector}", class.name()), source)?;
                Err(self.missing(class, selector))
            }
            several => Err(Fault::Wrong(Error::Ambiguous {
                class: class.name(),
                selector: selector.to_string(),
                token: self.token.label.clone(),
                objects: several.iter().map(|object| self.describe(*object)).collect(),
            })),
        }
    }

    pub(crate) fn search(
        &self,
        class: Class,
        what: &str,
        template: &[Wanted],
    ) -> Result<Vec<CK_OBJECT_HANDLE>, Fault> {
        self.call(|| format!("searching the {} {what}", class.name()), |raw| raw.find(template))
    }

    /// An object by its handle and CKA_ID, so that the user can tell it from its namesakes.
    fn describe(&self, object: CK_OBJECT_HANDLE) -> String {
        let id = self.call(String::new, |raw| raw.attribute(object, CKA_ID));
        let id = id.map(|id| crate::public_key::hex(&id)).unwrap_or_default();
        format!("handle {object} with id {id:?}")
    }

    fn missing(&self, class: Class, selector: &Selector) -> Fault {
        Fault::NoSuchObject { class, selector: selector.to_string() }
    }
}

impl Class {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PrivateKey => "private key",
            Self::Certificate => "certificate",
        }
    }

    /// A search's condition on the class.
    fn wanted(self) -> Wanted {
        of_class(match self {
            Self::PrivateKey => CKO_PRIVATE_KEY,
            Self::Certificate => CKO_CERTIFICATE,
        })
    }

    pub(crate) fn object_type(self) -> ObjectType {
        match self {
            Self::PrivateKey => ObjectType::Private,
            Self::Certificate => ObjectType::Certificate,
        }
    }

    /// An attribute that NXP's module can read of an object of this class only.
    fn telling_attribute(self) -> cryptoki_sys::CK_ATTRIBUTE_TYPE {
        match self {
            Self::PrivateKey => CKA_KEY_TYPE,
            Self::Certificate => CKA_VALUE,
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

fn handle_of(id: ObjectId) -> CK_OBJECT_HANDLE {
    id.value().into()
}
