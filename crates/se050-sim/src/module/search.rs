//! C_FindObjects and what it leaves behind in a session.

use cryptoki_sys::*;

use super::certificate::Certificate;
use super::{Answer, OpenChip, label};
use crate::chip::Object;

/// What a client asked for, and how far the answer is. A search that was not ended leaves its label, its id and its
/// count of hits to the next one.
#[derive(Default)]
pub(crate) struct Search {
    active: bool,
    label: Option<TemplateLabel>,
    id: Option<u32>,
    class: Option<CK_OBJECT_CLASS>,
    key_type: Option<CK_KEY_TYPE>,
    hit_delivered: bool,
    /// The ids that an enumeration has still to deliver. `None` before its first C_FindObjects.
    remaining: Option<Vec<u32>>,
    /// The objects that attributes are read from while the search runs. `None` where the real one has a null pointer.
    cache: Option<Vec<u32>>,
}

/// What the module reads from a template. Everything else in it is ignored.
#[derive(Default)]
pub(crate) struct SearchTemplate {
    pub(crate) label: Option<TemplateLabel>,
    pub(crate) id: Option<u32>,
    pub(crate) class: Option<CK_OBJECT_CLASS>,
    pub(crate) key_type: Option<CK_KEY_TYPE>,
}

/// A label as the module has it after C_FindObjectsInit.
#[derive(Clone)]
pub(crate) struct TemplateLabel {
    /// The C string in the client's memory, up to its NUL.
    pub(crate) text: Vec<u8>,
    /// `ulValueLen`, at which the text is cut when it is used.
    pub(crate) length: usize,
}

impl Search {
    pub(crate) fn begin(&mut self, template: Option<SearchTemplate>) {
        self.active = true;
        self.class = None;
        self.key_type = None;
        let Some(template) = template else {
            *self = Self { active: true, ..Self::default() };
            return;
        };
        if template.label.is_some() {
            self.label = template.label;
        }
        if template.id.is_some() {
            self.id = template.id;
        }
        self.class = template.class;
        self.key_type = template.key_type;
    }

    /// The next handles, at most `max`.
    pub(crate) fn next(&mut self, chip: &OpenChip<'_>, max: usize) -> Answer<Vec<CK_OBJECT_HANDLE>> {
        if !self.active {
            return Err(CKR_OPERATION_NOT_INITIALIZED);
        }
        // A label wins over an id, and both win over all that the template says besides.
        if let Some(label) = &self.label {
            if label.length == 0 {
                return Err(CKR_FUNCTION_FAILED);
            }
            if self.hit_delivered {
                return Ok(Vec::new());
            }
            let cut = label.text.get(..label.length).unwrap_or(&label.text);
            let id = label::object_id(cut)?;
            return Ok(self.by_id(chip, id));
        }
        if let Some(id) = self.id {
            return Ok(if self.hit_delivered { Vec::new() } else { self.by_id(chip, id) });
        }
        self.enumerate(chip, max)
    }

    pub(crate) fn end(&mut self) -> Answer<()> {
        if !self.active {
            return Err(CKR_OPERATION_NOT_INITIALIZED);
        }
        *self = Self::default();
        Ok(())
    }

    /// Whether attributes of this object can be read now: while a search runs, only of those that it has found.
    ///
    /// Where it has found none, the real module of this version follows a null pointer. A crash helps nobody here.
    pub(super) fn lets_read(&self, id: u32) -> bool {
        !self.active || self.cache.as_ref().is_some_and(|found| found.contains(&id))
    }

    /// The handle of an object is its id: no table, no look-up of the class.
    fn by_id(&mut self, chip: &OpenChip<'_>, id: u32) -> Vec<CK_OBJECT_HANDLE> {
        if !chip.store.contains(id) {
            return Vec::new();
        }
        self.hit_delivered = true;
        self.cache = Some(vec![id]);
        vec![id.into()]
    }

    fn enumerate(&mut self, chip: &OpenChip<'_>, max: usize) -> Answer<Vec<CK_OBJECT_HANDLE>> {
        if self.remaining.is_none() {
            let ids = chip.store.ids().map_err(|_| CKR_FUNCTION_FAILED)?;
            self.cache = Some(ids.clone());
            self.remaining = Some(ids);
        }
        let mut handles = Vec::new();
        let (class, key_type) = (self.class, self.key_type);
        let remaining = self.remaining.get_or_insert_default();
        while handles.len() < max && !remaining.is_empty() {
            let id = remaining.remove(0);
            if matches(chip, id, class, key_type) {
                handles.push(with_heap_garbage(id));
            }
        }
        Ok(handles)
    }
}

fn matches(
    chip: &OpenChip<'_>,
    id: u32,
    class: Option<CK_OBJECT_CLASS>,
    key_type: Option<CK_KEY_TYPE>,
) -> bool {
    if class.is_none() && key_type.is_none() {
        return true;
    }
    // A key pair is found as a private key only, data never.
    let Ok(Some(object)) = chip.store.load(id) else {
        return false;
    };
    let is = match &object {
        Object::Rsa(_) => (Some(CKO_PRIVATE_KEY), Some(CKK_RSA)),
        Object::Ec(_) => (Some(CKO_PRIVATE_KEY), Some(CKK_EC)),
        Object::Binary(content) => (Certificate::parse(content).map(|_| CKO_CERTIFICATE), None),
    };
    (class.is_none() || class == is.0) && (key_type.is_none() || key_type == is.1)
}

/// The real module writes the low 32 bits of an enumerated handle, into memory that it did not clear. Its garbage
/// looks like half of a heap address; this one's is always the same.
fn with_heap_garbage(id: u32) -> CK_OBJECT_HANDLE {
    const GARBAGE: u64 = 0x7F56_0000_0000;
    (GARBAGE | u64::from(id)) as CK_OBJECT_HANDLE
}
