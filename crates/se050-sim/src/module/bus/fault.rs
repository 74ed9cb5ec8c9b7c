//! How the present fault shows in an operation.

use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys::CK_RV;

use super::{Bus, NoAnswer};
use crate::Fault;
use crate::chip::Settings;

/// How often a hanging operation looks whether the fault was lifted.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// How far the present fault has got in this process.
#[derive(Default)]
pub(super) struct Progress {
    fault_number: u64,
    operations: u32,
    spent: bool,
}

impl Bus {
    /// The answer with which the next C_Sign is to fail, once.
    pub(in crate::module) fn take_sign_failure(&mut self) -> Option<CK_RV> {
        match self.fault() {
            Fault::FailNextSign(answer) if !self.progress.spent => {
                self.progress.spent = true;
                Some(answer)
            }
            _ => None,
        }
    }

    /// The answer with which this call is to fail.
    pub(in crate::module) fn take_failure(&mut self, called: &str) -> Option<CK_RV> {
        match self.fault() {
            Fault::FailEach { function, answer } if function == called => Some(answer),
            Fault::FailNext { function, answer } if function == called && !self.progress.spent => {
                self.progress.spent = true;
                Some(answer)
            }
            _ => None,
        }
    }

    /// Whether a bit of this signature is lost on the bus.
    pub(in crate::module) fn corrupts_signature(&mut self) -> bool {
        match self.fault() {
            Fault::CorruptSignatures => true,
            Fault::CorruptNextSignature => !mem::replace(&mut self.progress.spent, true),
            _ => false,
        }
    }

    /// Whether a bit of what is read is lost on the bus.
    pub(in crate::module) fn corrupts_read(&mut self) -> bool {
        self.fault() == Fault::CorruptNextRead && !mem::replace(&mut self.progress.spent, true)
    }

    fn fault(&mut self) -> Fault {
        let Ok(settings) = self.settings() else { return Fault::None };
        self.progress.follow(settings.fault_number);
        settings.fault
    }

    /// Waits as the present fault wants it, and says whether the chip answers.
    pub(super) fn wait_for_chip(&mut self) -> Result<Settings, NoAnswer> {
        let mut settings = self.settings().map_err(|error| self.broken(&error))?;
        self.progress.follow(settings.fault_number);
        self.progress.operations = self.progress.operations.saturating_add(1);
        loop {
            let number = settings.fault_number;
            if self.progress.follow(number) {
                self.progress.operations = 1;
            }
            match settings.fault {
                Fault::Absent => {}
                Fault::Mute => settings = self.while_fault(number, None)?,
                Fault::MuteForAWhile => {
                    let limit = scaled(self.version.gives_up_after(), settings.time_scale);
                    settings = self.while_fault(number, Some(limit))?;
                }
                Fault::DiesAfter(operations) if self.progress.operations > operations => {
                    if !mem::replace(&mut self.progress.spent, true) {
                        let limit = scaled(self.version.gives_up_a_dying_chip_after(), settings.time_scale);
                        settings = self.while_fault(number, Some(limit))?;
                        self.cut();
                        self.no_answer(&settings);
                        return Err(NoAnswer::Died);
                    }
                }
                Fault::PowerCycledAfter(operations) => {
                    if self.progress.operations > operations && !mem::replace(&mut self.progress.spent, true)
                    {
                        self.cut();
                    }
                    return Ok(settings);
                }
                Fault::Held => {
                    settings = self.while_fault(number, None)?;
                    continue;
                }
                Fault::Slow(delay) => {
                    thread::sleep(delay);
                    return self.settings().map_err(|error| self.broken(&error));
                }
                _ => return Ok(settings),
            }
            return Err(self.no_answer(&settings));
        }
    }

    /// Waits until the fault is another one, at most for `limit`.
    fn while_fault(&self, number: u64, limit: Option<Duration>) -> Result<Settings, NoAnswer> {
        let start = Instant::now();
        loop {
            let settings = self.settings().map_err(|error| self.broken(&error))?;
            if settings.fault_number != number || limit.is_some_and(|limit| start.elapsed() >= limit) {
                return Ok(settings);
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Progress {
    /// Begins anew when the fault is another one.
    fn follow(&mut self, fault_number: u64) -> bool {
        let other = self.fault_number != fault_number;
        if other {
            *self = Self { fault_number, operations: 0, spent: false };
        }
        other
    }
}

/// Nonsense as a scale means no wait.
fn scaled(wait: Duration, scale: f64) -> Duration {
    Duration::try_from_secs_f64(wait.as_secs_f64() * scale).unwrap_or_default()
}
