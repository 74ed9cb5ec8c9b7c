//! C_FindObjects and what it leaves behind in a session.

use cryptoki_sys::*;

use super::cost::Cost;
use super::quirks::{Enumeration, IdInSearch};
use super::{Answer, Bus, attributes, label};
use crate::Version;
use crate::chip::Object;

/// What a client asked for, and how far the answer is. A search that was not ended leaves its label, its id and its
/// count of hits to the next one.
#[derive(Default)]
pub(crate) struct Search {
    active: bool,
    template: SearchTemplate,
    hit_delivered: bool,
    /// The ids that an enumeration has still to deliver. `None` before its first C_FindObjects.
    remaining: Option<Vec<u32>>,
    /// The object that attributes are read from while the search runs. `None` where the real one has a null pointer.
    last_hit: Option<u32>,
}

/// What the module reads from a template. Everything else in it is ignored.
#[derive(Default)]
pub(crate) struct SearchTemplate {
    pub(crate) label: Option<TemplateLabel>,
    pub(crate) id: Option<[u8; 4]>,
    pub(crate) class: Option<CK_OBJECT_CLASS>,
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
        let Some(template) = template else {
            *self = Self { active: true, ..Self::default() };
            return;
        };
        self.active = true;
        self.template = SearchTemplate {
            label: template.label.or(self.template.label.take()),
            id: template.id.or(self.template.id),
            class: template.class,
        };
    }

    /// The next handles, at most `max`.
    pub(crate) fn next(&mut self, bus: &mut Bus, max: usize) -> Answer<Vec<CK_OBJECT_HANDLE>> {
        if !self.active {
            return Err(CKR_OPERATION_NOT_INITIALIZED);
        }
        let version = bus.version();
        // A label wins over an id, and both win over all that the template says besides.
        if let Some(label) = &self.template.label {
            if label.length == 0 {
                return Err(CKR_FUNCTION_FAILED);
            }
            if self.hit_delivered {
                return Ok(Vec::new());
            }
            let cut = label.text.get(..label.length).unwrap_or(&label.text);
            let id = label::object_id(cut, version)?;
            // A chip that does not answer has no such object: the client is not told the difference.
            let cost = Cost::find_label(version, label::is_hashed(cut));
            return Ok(id.and_then(|id| self.by_id(bus, id, cost)).into_iter().collect());
        }
        let id = self.template.id.and_then(|id| match version.id_in_search() {
            IdInSearch::Ignored => None,
            IdInSearch::Native => Some(u32::from_ne_bytes(id)),
            IdInSearch::BigEndian => Some(u32::from_be_bytes(id)),
        });
        if let Some(id) = id {
            if self.hit_delivered {
                return Ok(Vec::new());
            }
            return match self.by_id(bus, id, Cost::FIND) {
                Some(handle) => Ok(vec![handle]),
                None if version.missing_id() == CKR_OK => Ok(Vec::new()),
                None => Err(version.missing_id()),
            };
        }
        self.enumerate(bus, max)
    }

    pub(crate) fn end(&mut self) -> Answer<()> {
        if !self.active {
            return Err(CKR_OPERATION_NOT_INITIALIZED);
        }
        *self = Self::default();
        Ok(())
    }

    /// Whether attributes of this object can be read now: while a search runs, only of what it found last.
    pub(super) fn lets_read(&self, id: u32) -> bool {
        !self.active || self.last_hit == Some(id)
    }

    /// Whether it runs and has found nothing: some versions have a null pointer there, and follow it.
    pub(super) fn reads_nowhere(&self) -> bool {
        self.active && self.last_hit.is_none()
    }

    /// The handle of an object is its id: no table, no look-up of the class.
    fn by_id(&mut self, bus: &mut Bus, id: u32, cost: Cost) -> Option<CK_OBJECT_HANDLE> {
        bus.operate(cost).ok()?;
        if !bus.has_object(id) {
            return None;
        }
        self.hit_delivered = true;
        self.last_hit = Some(id);
        Some(id.into())
    }

    fn enumerate(&mut self, bus: &mut Bus, max: usize) -> Answer<Vec<CK_OBJECT_HANDLE>> {
        let version = bus.version();
        let way = version.enumeration();
        if max < version.room_wanted() {
            return Err(CKR_ARGUMENTS_BAD);
        }
        self.look_at_all(bus)?;
        let remaining = self.remaining.get_or_insert_default();
        let page = if way == Enumeration::FilteredAfterwards { max.min(remaining.len()) } else { usize::MAX };
        let most = if way == Enumeration::OneByOne { 1 } else { max };
        let mut handles = Vec::new();
        let mut taken = 0;
        while handles.len() < most && taken < page && !remaining.is_empty() {
            let id = remaining.remove(0);
            taken += 1;
            if id == APPLET_OBJECT {
                continue;
            }
            let object = bus.object(id);
            if object.as_deref().is_none_or(attributes::too_long) && way == Enumeration::FilteredAfterwards {
                // One object that cannot be read ends it all.
                return Err(CKR_FUNCTION_FAILED);
            }
            if self.template.class.is_none_or(|class| is(object.as_deref(), class, version)) {
                let garbage = if version.leaves_garbage_in_handles() { HEAP_GARBAGE } else { 0 };
                handles.push((garbage | u64::from(id)) as CK_OBJECT_HANDLE);
                self.last_hit = Some(id);
            }
        }
        Ok(handles)
    }

    /// The first step: the list of what there is.
    fn look_at_all(&mut self, bus: &mut Bus) -> Answer<()> {
        if self.remaining.is_some() {
            return Ok(());
        }
        let mut ids = bus.objects();
        if bus.operate(Cost::enumeration(ids.len())).is_err() {
            if bus.version().loses_its_lock() {
                bus.lose_lock();
            }
            return Err(CKR_FUNCTION_FAILED);
        }
        let way = bus.version().enumeration();
        if way == Enumeration::FilteredAfterwards && self.template.class.is_some() {
            ids.insert(0, APPLET_OBJECT);
        }
        if bus.version().lists_pairs_twice() && self.template.class.is_none() {
            // Both have the pair's handle.
            let times = |id: &u32| match bus.object(*id).as_deref() {
                Some(Object::Rsa(_) | Object::Ec(_)) => 2,
                _ => 1,
            };
            ids = ids.iter().flat_map(|id| std::iter::repeat_n(*id, times(id))).collect();
        }
        self.remaining = Some(ids);
        Ok(())
    }
}

/// Whether a search by class finds the object. Data is never found.
fn is(object: Option<&Object>, class: CK_OBJECT_CLASS, version: Version) -> bool {
    match object {
        None => false,
        Some(Object::Rsa(_) | Object::Ec(_)) => {
            class == CKO_PRIVATE_KEY || (class == CKO_PUBLIC_KEY && version.finds_public_keys())
        }
        Some(Object::Binary(content)) => {
            class == CKO_CERTIFICATE && attributes::certificate_subject(content).is_some()
        }
    }
}

/// The first in a chip's list is an object of the applet's own, which fits no class: so who filters afterwards finds
/// nothing in a first page of one.
const APPLET_OBJECT: u32 = 0x7FFF_0206;

/// The real module writes the low 32 bits of an enumerated handle, into memory that it did not clear. Its garbage
/// looks like half of a heap address; this one's is always the same.
const HEAP_GARBAGE: u64 = 0x7F56_0000_0000;
