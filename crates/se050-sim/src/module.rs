//! How the module behaves, without C's pointers: what a client of NXP's `libsss_pkcs11.so` sees.
//!
//! Where the real module leaves PKCS#11, so does this one, and the comment there says what the fault is. What only
//! some versions do is asked in [`quirks`]; what a broken chip does happens in [`bus`].

mod attributes;
mod bus;
mod cost;
mod environment;
mod identity;
mod label;
mod process;
mod quirks;
mod search;
mod sessions;
mod sign;

use std::path::Path;

use cryptoki_sys::*;

pub(crate) use attributes::Refusal;
pub(crate) use bus::Bus;
pub(crate) use identity::{
    CRYPTOKI_VERSION, mechanism_info, mechanism_list, module_info, slot_info, token_info,
};
pub use process::WOULD_CRASH;
pub(crate) use search::{SearchTemplate, TemplateLabel};
pub(crate) use sign::{Operation, Parameter};

use crate::Version;
use crate::chip::Chip;
use cost::Cost;
use search::Search;
use sessions::{Sessions, Wrong};

/// The one slot there is, with or without a chip.
pub(crate) const SLOT: CK_SLOT_ID = 1;

/// What a C function answers.
pub(crate) type Answer<T> = Result<T, CK_RV>;

/// The state of one loaded module.
pub(crate) struct Module {
    bus: Bus,
    initialized: bool,
    sessions: Sessions,
}

/// The state of one session. NXP's has one place for a running operation, whatever it is.
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) operation: Option<Operation>,
    pub(crate) search: Search,
}

/// A C_OpenSession that failed. On most versions it writes a handle all the same.
pub(crate) struct NotOpened {
    pub(crate) answer: CK_RV,
    pub(crate) dangling: Option<CK_SESSION_HANDLE>,
}

impl Module {
    /// The module whose file lies in `directory`. Without a chip there it is a module whose chip does not answer.
    pub(crate) fn new(directory: Option<&Path>) -> Self {
        let chip = directory.and_then(|directory| Chip::open(directory).ok());
        Self { bus: Bus::new(chip), initialized: false, sessions: Sessions::default() }
    }

    pub(crate) fn version(&self) -> Version {
        self.bus.version()
    }

    /// Whether that C function is to fail.
    pub(crate) fn check_fault(&mut self, function: &str) -> Answer<()> {
        self.bus.take_failure(function).map_or(Ok(()), Err)
    }

    pub(crate) fn initialize(&mut self, arguments: Option<&CK_C_INITIALIZE_ARGS>) -> Answer<()> {
        if self.initialized {
            return Err(CKR_CRYPTOKI_ALREADY_INITIALIZED);
        }
        if let Some(CK_C_INITIALIZE_ARGS { flags, pReserved: reserved, .. }) = arguments {
            if !self.version().checks_initialize_flags() {
                if !reserved.is_null() {
                    return Err(CKR_ARGUMENTS_BAD);
                }
            } else if flags & CKF_LIBRARY_CANT_CREATE_OS_THREADS != 0 {
                return Err(CKR_NEED_TO_CREATE_THREADS);
            } else if flags & CKF_OS_LOCKING_OK == 0 {
                return Err(CKR_CANT_LOCK);
            }
        }
        self.initialized = true;
        Ok(())
    }

    /// Frees neither sessions nor the chip, as the real one.
    pub(crate) fn finalize(&mut self) -> Answer<()> {
        if !self.initialized {
            return Err(CKR_CRYPTOKI_NOT_INITIALIZED);
        }
        self.initialized = false;
        Ok(())
    }

    pub(crate) fn open_session(
        &mut self,
        slot: CK_SLOT_ID,
        flags: CK_FLAGS,
    ) -> Result<CK_SESSION_HANDLE, NotOpened> {
        let refused = |answer| NotOpened { answer, dangling: None };
        if !self.initialized {
            return Err(refused(CKR_CRYPTOKI_NOT_INITIALIZED));
        }
        self.take_lock().map_err(refused)?;
        let version = self.version();
        if slot != SLOT {
            return Err(refused(version.no_such_slot()));
        }
        if flags & CKF_SERIAL_SESSION == 0 {
            return Err(refused(CKR_SESSION_PARALLEL_NOT_SUPPORTED));
        }
        if !self.sessions.has_room() {
            if version.fourth_session_closes_the_chip() {
                self.bus.cut();
            }
            return Err(refused(CKR_DEVICE_MEMORY));
        }
        // The first session opens the chip.
        if !self.sessions.any() && self.bus.open().is_err() {
            let leaks = version.leaks_failed_opens();
            let dangling = if leaks { self.sessions.leak(version).ok() } else { None };
            return Err(NotOpened { answer: CKR_GENERAL_ERROR, dangling });
        }
        self.sessions.add(version).map_err(refused)
    }

    pub(crate) fn close_session(&mut self, handle: CK_SESSION_HANDLE) -> Answer<()> {
        self.take_lock()?;
        let version = self.version();
        self.sessions.remove(version, handle).map_err(|wrong| wrong_session(&self.bus, wrong))?;
        // The last one closes the chip.
        if !self.sessions.any() {
            self.bus.close();
        }
        Ok(())
    }

    pub(crate) fn close_all_sessions(&mut self, slot: CK_SLOT_ID) -> Answer<()> {
        self.take_lock()?;
        if !self.version().closes_all_sessions() {
            return Err(CKR_FUNCTION_NOT_SUPPORTED);
        }
        self.check_slot(slot)?;
        if self.sessions.any_leaked() {
            return Err(wrong_session(&self.bus, Wrong::Dangling));
        }
        self.sessions.remove_all();
        self.bus.close();
        Ok(())
    }

    /// The same for each handle, even a wrong one, as long as a session is open.
    pub(crate) fn session_info(&self) -> Answer<CK_SESSION_INFO> {
        if !self.sessions.any() {
            return Err(CKR_SESSION_CLOSED);
        }
        Ok(CK_SESSION_INFO {
            slotID: SLOT,
            state: CKS_RW_PUBLIC_SESSION,
            flags: CKF_RW_SESSION,
            ulDeviceError: 0,
        })
    }

    /// Asks the chip for random numbers; they are the computer's. The chip must be open, the session's handle is not
    /// looked at.
    pub(crate) fn ask_for_random(&mut self) -> Answer<()> {
        self.take_lock()?;
        self.bus.operate(Cost::RANDOM).map_err(|_| CKR_FUNCTION_FAILED)
    }

    /// Refuses nothing but an object that is not there.
    pub(crate) fn object_size(
        &mut self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
    ) -> Answer<CK_ULONG> {
        if !self.version().has_object_size() {
            return Err(CKR_FUNCTION_NOT_SUPPORTED);
        }
        let (_, bus) = self.session(session)?;
        bus.operate(Cost::ATTRIBUTE).map_err(|_| CKR_FUNCTION_FAILED)?;
        let object = bus.version().object_id(object).and_then(|id| bus.object(id));
        object.as_deref().map(attributes::size).ok_or(CKR_FUNCTION_FAILED)
    }

    /// That session, and the way to its chip.
    pub(crate) fn session(&mut self, handle: CK_SESSION_HANDLE) -> Answer<(&mut Session, &mut Bus)> {
        self.take_lock()?;
        let version = self.version();
        match self.sessions.get(version, handle) {
            Ok(session) => Ok((session, &mut self.bus)),
            Err(wrong) => Err(wrong_session(&self.bus, wrong)),
        }
    }

    /// As [`Module::session`], for a function that asks the chip.
    pub(crate) fn session_on_chip(&mut self, handle: CK_SESSION_HANDLE) -> Answer<(&mut Session, &mut Bus)> {
        if self.version().needs_its_lock() && !self.initialized {
            return Err(CKR_CANT_LOCK);
        }
        self.session(handle)
    }

    /// Refuses a slot that is not there, on the versions that look.
    pub(crate) fn check_slot(&self, slot: CK_SLOT_ID) -> Answer<()> {
        if self.version().checks_slots() && slot != SLOT { Err(CKR_SLOT_ID_INVALID) } else { Ok(()) }
    }

    /// Refuses a list of slots before C_Initialize, on the versions that look.
    pub(crate) fn check_initialized(&self) -> Answer<()> {
        if self.version().checks_slots() && !self.initialized {
            return Err(CKR_CRYPTOKI_NOT_INITIALIZED);
        }
        Ok(())
    }

    fn take_lock(&self) -> Answer<()> {
        if self.bus.lock_is_lost() {
            let what = "it enumerated while the chip was away, and did not give its lock back";
            return Err(process::hang(self.bus.crashes(), what));
        }
        Ok(())
    }
}

fn wrong_session(bus: &Bus, wrong: Wrong) -> CK_RV {
    match wrong {
        Wrong::Noticed => CKR_SESSION_HANDLE_INVALID,
        Wrong::Dangling => {
            process::crash(bus.crashes(), "a session handle that is not, or no longer, a session's")
        }
    }
}

impl Session {
    /// The value of one attribute of an object.
    pub(crate) fn attribute(
        &self,
        bus: &mut Bus,
        object: CK_OBJECT_HANDLE,
        attribute: CK_ATTRIBUTE_TYPE,
    ) -> Result<Vec<u8>, Refusal> {
        let mut value = attributes::read(self, bus, object, attribute)?;
        if matches!(attribute, CKA_VALUE | CKA_MODULUS | CKA_PUBLIC_EXPONENT | CKA_EC_POINT)
            && bus.corrupts_read()
        {
            bus::corrupt(&mut value);
        }
        Ok(value)
    }
}
