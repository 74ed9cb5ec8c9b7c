//! Opening and closing the session, within the budget that NXP's module leaves.

use std::collections::HashMap;
use std::sync::Arc;

use super::Link;
use crate::login::log_in;
use crate::outage::BackOff;
use crate::session::Session;
use crate::{CallError, Error};

impl Link {
    /// Closes the session first: NXP's module opens the chip anew only when no session is left.
    pub(super) fn reopen(&mut self) -> Result<(), Error> {
        self.close_session();
        self.open_session()
    }

    pub(super) fn close_session(&mut self) {
        self.byte_order = self.byte_order();
        // Dropped, not closed and dropped: 3.3's handles are pointers, and it frees them twice.
        self.session = None;
        self.pulse.beat();
    }

    pub(super) fn open_session(&mut self) -> Result<(), Error> {
        if self.budget.is_spent() {
            return Err(self.restart_needed(None));
        }
        if let (None, Some(file)) = (&self.lock, &self.lock_file) {
            self.lock = Some(file.take(self.options.lock_patience, || self.pulse.beat())?);
        }
        self.bus.check_node()?;
        self.pulse.beat();
        let opened = self.module.pkcs11.open_ro_session(self.slot);
        self.pulse.beat();
        // Nothing is closed on failure: the handle that a failed opening leaves is none.
        let session = opened.map_err(|error| self.opening_failed(CallError::new(error)))?;
        log_in(&session, &self.options.module, &self.token, self.options.pin.as_ref())?;
        self.pulse.beat();
        self.generation += 1;
        self.outage = None;
        self.session = Some(Session {
            session,
            raw: Arc::clone(&self.module.raw),
            token: self.token.clone(),
            handles: HashMap::new(),
            byte_order: self.byte_order,
            pulse: Arc::clone(&self.pulse),
        });
        Ok(())
    }

    fn opening_failed(&mut self, source: CallError) -> Error {
        if source.says_no_session_is_left() {
            self.budget.note_exhaustion()
        } else {
            self.budget.note_failure()
        }
        if self.budget.is_spent() {
            return self.restart_needed(Some(source));
        }
        self.outage.get_or_insert_with(|| BackOff::new(self.options.back_off)).failed();
        if self.generation > 0 {
            return self.away(Some(source));
        }
        Error::Call {
            doing: "opening a session with the chip".into(),
            advice: "check EX_SSS_BOOT_SSS_PORT (the I2C device), that the device node is in the container, that the chip is \
                     powered, and that no other process uses it",
            source,
        }
    }

    pub(super) fn away(&self, source: Option<CallError>) -> Error {
        let retry_in = self.outage.as_ref().and_then(BackOff::pause).unwrap_or_default();
        Error::ChipAway { token: self.token.label.clone(), retry_in, source }
    }

    pub(super) fn restart_needed(&self, source: Option<CallError>) -> Error {
        let module = self.options.module.clone();
        Error::RestartNeeded { module, failures: self.budget.failures(), source }
    }
}
