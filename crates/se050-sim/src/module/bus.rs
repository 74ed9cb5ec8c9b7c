//! The way to the chip. Each operation that needs it passes here, and here its faults show.

mod fault;

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::cost::Cost;
use super::process;
use crate::chip::{Chip, Counter, Object, SIGNATURE, Settings, Store};
use crate::{Error, Latency, Version};
use fault::Progress;

/// Why an operation has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The chip does not answer, or does not know the session any more.
    Silent,
    /// The chip died in the middle of this operation.
    Died,
}

/// One bit in the middle is lost.
pub(super) fn corrupt(value: &mut [u8]) {
    let middle = value.len() / 2;
    value.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 0x10);
}

pub(crate) struct Bus {
    chip: Option<Chip>,
    store: Option<Store>,
    counter: Option<Counter>,
    version: Version,
    link: Option<Link>,
    progress: Progress,
    /// How many ECDSA signatures were made: the rate of the short ones counts on it.
    ecdsa_made: u32,
    lock_lost: bool,
}

/// What makes an open chip the one that was opened.
struct Link {
    power_cycles: u64,
    /// The process that opened it: a child may go on with its parent's session.
    process: u32,
    bus_owner: String,
    /// Whether the module itself has closed the chip under its sessions, or lost it for good.
    cut: bool,
}

impl Bus {
    /// The bus to that chip. Without one it is a bus on which nobody answers.
    pub(super) fn new(chip: Option<Chip>) -> Self {
        let version = chip.as_ref().and_then(|chip| chip.version().inspect_err(process::error).ok());
        Self {
            store: chip.as_ref().map(Chip::store),
            counter: chip.as_ref().and_then(Chip::counter),
            chip,
            version: version.unwrap_or_default(),
            link: None,
            progress: Progress::default(),
            ecdsa_made: 0,
            lock_lost: false,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The settings as they are now: a test may change them while the module is loaded.
    pub(super) fn settings(&self) -> Result<Settings, Error> {
        self.chip.as_ref().map_or_else(|| Ok(Settings::default()), Chip::settings)
    }

    /// The chip uses a private key; `takes` is how long.
    pub(super) fn use_private_key(&self, takes: fn(Latency) -> Duration) {
        if let Some(counter) = &self.counter {
            counter.count(SIGNATURE);
        }
        sleep(takes(self.settings().unwrap_or_default().latency));
    }

    /// Whether the module shall crash where the real one does.
    pub(super) fn crashes(&self) -> bool {
        self.settings().is_ok_and(|settings| settings.crashes)
    }

    /// The module's own lock around the bus is taken, and is not given back.
    pub(super) fn lose_lock(&mut self) {
        self.lock_lost = true;
    }

    pub(super) fn lock_is_lost(&self) -> bool {
        self.lock_lost
    }

    pub(super) fn open(&mut self) -> Result<(), NoAnswer> {
        let settings = self.wait_for_chip()?;
        let Some(chip) = &self.chip else {
            process::no_chip_here();
            return Err(self.no_answer(&settings));
        };
        let bus_owner = if settings.processes_disturb { chip.take_bus() } else { Ok(chip.bus_owner()) };
        let bus_owner = bus_owner.map_err(|error| self.broken(&error))?;
        let process = std::process::id();
        self.link = Some(Link { power_cycles: settings.power_cycles, process, bus_owner, cut: false });
        self.count(Cost::OPEN);
        sleep(settings.latency.open);
        if settings.log_to_stdout {
            process::chip_opened(chip.directory());
        }
        Ok(())
    }

    /// Ends the chip's session. A chip that does not answer is not waited for.
    pub(super) fn close(&mut self) {
        self.link = None;
        if let (Some(chip), Ok(settings)) = (&self.chip, self.settings())
            && settings.processes_disturb
            && let Err(error) = chip.take_bus()
        {
            process::error(&error);
        }
    }

    /// Closes the chip under its sessions, which do not learn of it.
    pub(super) fn cut(&mut self) {
        if let Some(link) = &mut self.link {
            link.cut = true;
        }
    }

    /// One operation on the open chip.
    pub(super) fn operate(&mut self, cost: Cost) -> Result<(), NoAnswer> {
        if self.link.is_none() {
            return Err(NoAnswer::Silent);
        }
        let settings = self.wait_for_chip()?;
        let owner = self.chip.as_ref().map(Chip::bus_owner).unwrap_or_default();
        let known = self.link.as_ref().is_some_and(|link| {
            !link.cut && link.power_cycles == settings.power_cycles && link.bus_owner == owner
        });
        if !known {
            return Err(self.no_answer(&settings));
        }
        self.count(cost);
        sleep(settings.latency.apdu * cost.apdus);
        self.take_from_parent();
        Ok(())
    }

    /// The object as it is on the chip. What it costs to ask is the caller's business.
    pub(super) fn object(&self, id: u32) -> Option<Arc<Object>> {
        let loaded = self.store.as_ref()?.load(id);
        loaded.inspect_err(process::error).ok().flatten()
    }

    pub(super) fn has_object(&self, id: u32) -> bool {
        self.store.as_ref().is_some_and(|store| store.contains(id))
    }

    pub(super) fn objects(&self) -> Vec<u32> {
        let ids = self.store.as_ref().map(Store::ids);
        ids.and_then(|ids| ids.inspect_err(process::error).ok()).unwrap_or_default()
    }

    /// Whether this ECDSA signature is to be short; `None` for chance.
    pub(super) fn next_ecdsa_is_short(&mut self) -> Option<bool> {
        let made = self.ecdsa_made;
        self.ecdsa_made = made.wrapping_add(1);
        self.settings().ok()?.short_ecdsa.wants(made)
    }

    /// The session after a fork: on some versions who uses it next has it, and the other one has it no more.
    fn take_from_parent(&mut self) {
        let process = std::process::id();
        if let (Some(link), Some(chip)) = (&mut self.link, &self.chip)
            && link.process != process
            && self.version.loses_its_session_to_a_child()
            && let Ok(owner) = chip.take_bus().inspect_err(process::error)
        {
            (link.process, link.bus_owner) = (process, owner);
        }
    }

    fn count(&self, cost: Cost) {
        if let Some(counter) = &self.counter {
            counter.cost(cost.apdus, cost.nvm_objects);
        }
    }

    fn no_answer(&self, settings: &Settings) -> NoAnswer {
        if settings.log_to_stdout {
            process::chip_not_answering();
        }
        NoAnswer::Silent
    }

    /// The simulator itself failed: to the client a chip that does not answer.
    fn broken(&self, error: &Error) -> NoAnswer {
        process::error(error);
        NoAnswer::Silent
    }
}
