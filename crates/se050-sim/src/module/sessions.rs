//! The three places for sessions, and what the handles for them are.

use cryptoki_sys::*;

use super::{Answer, Session};
use crate::Version;

/// The real module claims one session in its token info, and gives three.
const MAX_SESSIONS: usize = 3;

/// Where 3.3 has its heap, as far as a client can see. Its sessions are some hundred bytes apart.
const HEAP: u64 = 0x5581_C0DE_0000;
const SESSION_SIZE: u64 = 0x1B0;

#[derive(Default)]
pub(super) struct Sessions {
    places: [Place; MAX_SESSIONS],
    /// How many were opened: each heap pointer is a new one, so that an old one is known.
    opened: u64,
}

#[derive(Default)]
enum Place {
    #[default]
    Free,
    Open {
        handle: CK_SESSION_HANDLE,
        session: Session,
    },
    /// A C_OpenSession that failed. Nothing gives it back.
    Leaked {
        handle: CK_SESSION_HANDLE,
    },
}

/// Why there is no session for a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The module notices.
    Noticed,
    /// The module follows the pointer, into memory that is not a session.
    Dangling,
}

impl Sessions {
    pub(super) fn any(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Open { .. }))
    }

    pub(super) fn any_leaked(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Leaked { .. }))
    }

    pub(super) fn has_room(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Free))
    }

    pub(super) fn add(&mut self, version: Version) -> Answer<CK_SESSION_HANDLE> {
        self.take(version, |handle| Place::Open { handle, session: Session::default() })
    }

    /// Takes a place for good, and gives the handle that the client must not use.
    pub(super) fn leak(&mut self, version: Version) -> Answer<CK_SESSION_HANDLE> {
        self.take(version, |handle| Place::Leaked { handle })
    }

    pub(super) fn get(&mut self, version: Version, wanted: CK_SESSION_HANDLE) -> Result<&mut Session, Wrong> {
        let found = self.places.iter_mut().find_map(|place| match place {
            Place::Open { handle, session } if *handle == wanted => Some(session),
            _ => None,
        });
        found.ok_or(wrong(version, wanted))
    }

    pub(super) fn remove(&mut self, version: Version, wanted: CK_SESSION_HANDLE) -> Result<(), Wrong> {
        for place in &mut self.places {
            match place {
                Place::Open { handle, .. } if *handle == wanted => {
                    *place = Place::Free;
                    return Ok(());
                }
                // The handle was written, its memory is freed: closing it frees it again.
                Place::Leaked { handle } if *handle == wanted => return Err(Wrong::Dangling),
                _ => {}
            }
        }
        Err(wrong(version, wanted))
    }

    pub(super) fn remove_all(&mut self) {
        for place in &mut self.places {
            if matches!(place, Place::Open { .. }) {
                *place = Place::Free;
            }
        }
    }

    fn take(
        &mut self,
        version: Version,
        place: impl FnOnce(CK_SESSION_HANDLE) -> Place,
    ) -> Answer<CK_SESSION_HANDLE> {
        let numbered = self.places.iter_mut().zip(1..);
        let (free, number) =
            numbered.into_iter().find(|(place, _)| matches!(place, Place::Free)).ok_or(CKR_DEVICE_MEMORY)?;
        let handle = if version.session_handles_are_pointers() {
            (HEAP + self.opened * SESSION_SIZE) as CK_SESSION_HANDLE
        } else {
            number
        };
        self.opened += 1;
        *free = place(handle);
        Ok(handle)
    }
}

fn wrong(version: Version, handle: CK_SESSION_HANDLE) -> Wrong {
    // A null pointer is looked for.
    if version.session_handles_are_pointers() && handle != 0 { Wrong::Dangling } else { Wrong::Noticed }
}
