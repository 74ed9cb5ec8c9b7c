//! Finding one object by what the user wrote.
//!
//! On NXP's module an object's handle is its id, in every version, so an object that is named by id is not searched.

use cryptoki_sys::{
    CK_ATTRIBUTE_TYPE, CK_OBJECT_CLASS, CK_OBJECT_HANDLE, CKA_CLASS, CKA_ID, CKA_KEY_TYPE, CKA_LABEL,
    CKA_VALUE, CKO_CERTIFICATE, CKO_PRIVATE_KEY,
};

use crate::raw::Wanted;
use crate::selector::Se050Object;
use crate::session::{ChipSession, Fault};
use crate::{ByteOrder, Error, ObjectId, ObjectType, Selector};

impl ChipSession {
    /// The object's handle. On NXP's module, the object may be missing: using the handle shows that.
    pub(crate) fn handle(
        &mut self,
        class: ObjectType,
        selector: &Selector,
    ) -> Result<CK_OBJECT_HANDLE, Fault> {
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
        let handle = self.handle(ObjectType::Private, key)?;
        Ok(u32::try_from(handle).ok().map(ObjectId::new))
    }

    fn find(&self, class: ObjectType, selector: &Selector) -> Result<CK_OBJECT_HANDLE, Fault> {
        if self.token.is_se050 {
            return match selector.on_se050(&self.token, class)? {
                Se050Object::Ids(ids) => self.one_of(class, selector, ids),
                Se050Object::HashedLabel(label) => {
                    let template = [wanted(class), (CKA_LABEL, label.as_bytes().to_vec())];
                    self.single(class, selector, self.search(class, selector.as_str(), &template)?)
                }
            };
        }
        let (label, id) = selector.label_and_id(&self.token, class)?;
        let mut template = vec![wanted(class)];
        template.extend(label.map(|label| (CKA_LABEL, label.as_bytes().to_vec())));
        template.extend(id.map(|id| (CKA_ID, id.to_vec())));
        self.single(class, selector, self.search(class, selector.as_str(), &template)?)
    }

    /// The one of these ids that exists. If no other exists, the first is taken without a check: using it shows whether it exists.
    fn one_of(
        &self,
        class: ObjectType,
        selector: &Selector,
        ids: &[ObjectId],
    ) -> Result<CK_OBJECT_HANDLE, Fault> {
        let Some((first, others)) = ids.split_first() else { return Err(self.missing(class, selector)) };
        let exists = |id: &ObjectId| self.has(handle_of(*id), telling_attribute(class));
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
            several => {
                Err(self.ambiguous(class, selector, several.iter().map(ObjectId::to_string).collect()))
            }
        }
    }

    /// `fault`, or [`Fault::NoSuchObject`] if a search finds that the object of NXP's module does not exist and the chip answers.
    pub(crate) fn unless_missing(&mut self, class: ObjectType, selector: &Selector, fault: Fault) -> Fault {
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
    pub(crate) fn exists(&self, class: ObjectType, id: ObjectId) -> Result<bool, Fault> {
        let orders = match self.token.label_byte_order() {
            Some(ByteOrder::LittleEndian) => [id.little_endian_label(), id.big_endian_label()],
            _ => [id.big_endian_label(), id.little_endian_label()],
        };
        for label in orders {
            let template = [wanted(class), (CKA_LABEL, label.clone().into_bytes())];
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
        class: ObjectType,
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
                self.call(|| format!("searching the {} {selector}", class.in_words()), source)?;
                Err(self.missing(class, selector))
            }
            several => {
                let objects = several.iter().map(|object| self.describe(*object)).collect();
                Err(self.ambiguous(class, selector, objects))
            }
        }
    }

    fn ambiguous(&self, class: ObjectType, selector: &Selector, objects: Vec<String>) -> Fault {
        Fault::Wrong(Error::Ambiguous {
            class: class.in_words(),
            selector: selector.to_string(),
            token: self.token.label.clone(),
            objects,
            is_se050: self.token.is_se050,
        })
    }

    pub(crate) fn search(
        &self,
        class: ObjectType,
        what: &str,
        template: &[Wanted],
    ) -> Result<Vec<CK_OBJECT_HANDLE>, Fault> {
        self.call(|| format!("searching the {} {what}", class.in_words()), |raw| raw.find(template))
    }

    /// An object by its handle and CKA_ID, so that the user can tell it from its namesakes.
    fn describe(&self, object: CK_OBJECT_HANDLE) -> String {
        let id = self.call(String::new, |raw| raw.attribute(object, CKA_ID));
        let id = id.map(|id| crate::public_key::hex(&id)).unwrap_or_default();
        format!("handle {object} with id {id:?}")
    }

    fn missing(&self, class: ObjectType, selector: &Selector) -> Fault {
        Fault::NoSuchObject { class, selector: selector.to_string() }
    }
}

/// A search's condition on the class.
fn wanted(class: ObjectType) -> Wanted {
    of_class(match class {
        ObjectType::Private => CKO_PRIVATE_KEY,
        ObjectType::Certificate => CKO_CERTIFICATE,
    })
}

/// An attribute that NXP's module can read of an object of this class only.
fn telling_attribute(class: ObjectType) -> CK_ATTRIBUTE_TYPE {
    match class {
        ObjectType::Private => CKA_KEY_TYPE,
        ObjectType::Certificate => CKA_VALUE,
    }
}

/// A search's condition on the class.
pub(crate) fn of_class(class: CK_OBJECT_CLASS) -> Wanted {
    (CKA_CLASS, class.to_ne_bytes().to_vec())
}

fn handle_of(id: ObjectId) -> CK_OBJECT_HANDLE {
    id.value().into()
}
