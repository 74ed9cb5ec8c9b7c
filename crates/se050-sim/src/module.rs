//! How the module behaves, without C's pointers: what a client of NXP's `libsss_pkcs11.so` 4.2 sees.
//!
//! Where the real module leaves PKCS#11, so does this one, and the comment there says what the fault is. What only a
//! version or a fault changes is asked of [`Settings`](crate::chip::Settings).

mod attributes;
mod certificate;
mod identity;
mod label;
mod log;
mod mechanisms;
mod search;
mod sign;

use std::path::Path;

use cryptoki_sys::*;

pub(crate) use attributes::Refusal;
pub(crate) use identity::{CRYPTOKI_VERSION, module_info, slot_info, token_info};
pub(crate) use mechanisms::{mechanism_info, mechanism_list};
pub(crate) use search::{SearchTemplate, TemplateLabel};
pub(crate) use sign::{Operation, Parameter};

use crate::chip::{Chip, Counter, Settings, Store};
use search::Search;

/// The one slot there is, with or without a chip.
pub(crate) const SLOT: CK_SLOT_ID = 1;

/// The real module claims one session in its token info, and gives three.
const MAX_SESSIONS: usize = 3;

/// What a C function answers.
pub(crate) type Answer<T> = Result<T, CK_RV>;

/// The state of one loaded module.
pub(crate) struct Module {
    chip: Option<Chip>,
    counter: Option<Counter>,
    initialized: bool,
    sessions: [Option<Session>; MAX_SESSIONS],
}

/// The state of one session. NXP's has one place for a running operation, whatever it is.
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) operation: Option<Operation>,
    pub(crate) search: Search,
}

impl Module {
    /// The module whose file lies in `directory`. Without a chip there it is a module whose chip does not answer.
    pub(crate) fn new(directory: Option<&Path>) -> Self {
        let chip = directory.and_then(|directory| Chip::open(directory).ok());
        let counter = chip.as_ref().and_then(|chip| {
            Counter::open(&chip.calls_file()).inspect_err(|error| eprintln!("se050-sim: {error}")).ok()
        });
        Self { chip, counter, initialized: false, sessions: Default::default() }
    }

    pub(crate) fn count_call(&self, function: &str) {
        if let Some(Err(error)) = self.counter.as_ref().map(|counter| counter.call(function)) {
            eprintln!("se050-sim: a call was not counted: {error}");
        }
    }

    pub(crate) fn initialize(&mut self, flags: Option<CK_FLAGS>) -> Answer<()> {
        if self.initialized {
            return Err(CKR_CRYPTOKI_ALREADY_INITIALIZED);
        }
        if let Some(flags) = flags {
            if flags & CKF_LIBRARY_CANT_CREATE_OS_THREADS != 0 {
                return Err(CKR_NEED_TO_CREATE_THREADS);
            }
            if flags & CKF_OS_LOCKING_OK == 0 {
                return Err(CKR_CANT_LOCK);
            }
        }
        self.initialized = true;
        Ok(())
    }

    /// Frees neither sessions nor the chip, as the real one: a session goes on signing.
    pub(crate) fn finalize(&mut self) -> Answer<()> {
        if !self.initialized {
            return Err(CKR_CRYPTOKI_NOT_INITIALIZED);
        }
        self.initialized = false;
        Ok(())
    }

    pub(crate) fn open_session(&mut self, slot: CK_SLOT_ID, flags: CK_FLAGS) -> Answer<CK_SESSION_HANDLE> {
        if !self.initialized {
            return Err(CKR_CRYPTOKI_NOT_INITIALIZED);
        }
        if slot != SLOT {
            return Err(CKR_ARGUMENTS_BAD);
        }
        if flags & CKF_SERIAL_SESSION == 0 {
            return Err(CKR_SESSION_PARALLEL_NOT_SUPPORTED);
        }
        if self.any_session() {
            let free = self.sessions.iter_mut().zip(1..).find(|(session, _)| session.is_none());
            let (session, handle) = free.ok_or(CKR_DEVICE_MEMORY)?;
            *session = Some(Session::default());
            return Ok(handle);
        }
        // The first session opens the chip, and logs that it does.
        let Some(chip) = &self.chip else {
            log::chip_not_answering();
            return Err(CKR_GENERAL_ERROR);
        };
        let settings = chip.settings().map_err(|error| {
            log::error(&error);
            CKR_GENERAL_ERROR
        })?;
        if settings.log_to_stdout {
            log::chip_opened(chip.directory());
        }
        let [first, ..] = &mut self.sessions;
        *first = Some(Session::default());
        Ok(1)
    }

    pub(crate) fn close_session(&mut self, handle: CK_SESSION_HANDLE) -> Answer<()> {
        let slot = handle.checked_sub(1).and_then(|index| self.sessions.get_mut(index as usize));
        slot.and_then(Option::take).map(drop).ok_or(CKR_SESSION_HANDLE_INVALID)
    }

    /// The same for each handle, even a wrong one, as long as a session is open.
    pub(crate) fn session_info(&self) -> Answer<CK_SESSION_INFO> {
        if !self.any_session() {
            return Err(CKR_SESSION_CLOSED);
        }
        Ok(CK_SESSION_INFO {
            slotID: SLOT,
            state: CKS_RW_PUBLIC_SESSION,
            flags: CKF_RW_SESSION,
            ulDeviceError: 0,
        })
    }

    pub(crate) fn settings(&self) -> Settings {
        self.chip.as_ref().and_then(|chip| chip.settings().ok()).unwrap_or_default()
    }

    /// Whether the chip is open. Its random numbers need that, and no valid session handle.
    pub(crate) fn any_session(&self) -> bool {
        self.sessions.iter().any(Option::is_some)
    }

    /// That session, with what its calls need of the chip.
    pub(crate) fn session(&mut self, handle: CK_SESSION_HANDLE) -> Answer<(&mut Session, OpenChip<'_>)> {
        let slot = handle.checked_sub(1).and_then(|index| self.sessions.get_mut(index as usize));
        let session = slot.and_then(Option::as_mut).ok_or(CKR_SESSION_HANDLE_INVALID)?;
        let chip = self.chip.as_ref().ok_or(CKR_SESSION_HANDLE_INVALID)?;
        Ok((session, OpenChip { store: chip.store(), counter: self.counter.as_ref() }))
    }
}

/// The chip under an open session.
pub(crate) struct OpenChip<'a> {
    store: Store,
    counter: Option<&'a Counter>,
}

impl OpenChip<'_> {
    fn count_signature(&self) {
        if let Some(Err(error)) = self.counter.map(Counter::signature) {
            eprintln!("se050-sim: a signature was not counted: {error}");
        }
    }
}

impl Session {
    /// The value of one attribute of an object.
    pub(crate) fn attribute(
        &self,
        chip: &OpenChip<'_>,
        object: CK_OBJECT_HANDLE,
        attribute: CK_ATTRIBUTE_TYPE,
    ) -> Result<Vec<u8>, Refusal> {
        attributes::read(self, chip, object, attribute)
    }
}

/// All that the module looks at in a handle are the low 32 bits: they are the object's id.
pub(crate) fn object_id(handle: CK_OBJECT_HANDLE) -> u32 {
    handle as u32
}
