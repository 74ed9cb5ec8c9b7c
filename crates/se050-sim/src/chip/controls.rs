//! What a test turns on a chip, also while a module is loaded.

use std::sync::{Mutex, PoisonError};

use super::{Chip, Settings};
use crate::{Error, Fault, Latency, ShortEcdsa, Version};

/// Each of these writes a file of the chip in one step, most of them the settings.
///
/// # Errors
/// When the file cannot be read or written.
impl Chip {
    /// The version of NXP's module that this chip's module simulates.
    pub fn version(&self) -> Result<Version, Error> {
        Ok(self.settings()?.version)
    }

    /// Chooses the version of NXP's module, for clients that load it afterwards.
    pub fn set_version(&self, version: Version) -> Result<(), Error> {
        self.change(|settings| settings.version = version)
    }

    /// Sets or, with [`Fault::None`], lifts what is wrong with the chip. Loaded modules see it at their next operation;
    /// one that hangs in [`Fault::Mute`] or [`Fault::Held`] sees it within milliseconds.
    pub fn set_fault(&self, fault: Fault) -> Result<(), Error> {
        self.change(|settings| {
            settings.fault = fault;
            settings.fault_number += 1;
        })
    }

    /// Takes the chip's power away and gives it back: sessions that are open fail for good, new ones work.
    pub fn power_cycle(&self) -> Result<(), Error> {
        self.change(|settings| settings.power_cycles += 1)
    }

    /// Does what a process that opens and closes the chip does to the others: their sessions fail until they are
    /// closed and opened again.
    pub fn disturb(&self) -> Result<(), Error> {
        self.take_bus().map(drop)
    }

    /// Whether processes disturb each other on the bus, as they do on the real one. Off in a new chip.
    pub fn set_processes_disturb(&self, on: bool) -> Result<(), Error> {
        self.change(|settings| settings.processes_disturb = on)
    }

    /// Chooses how many ECDSA signatures come out too short.
    pub fn set_short_ecdsa(&self, rate: ShortEcdsa) -> Result<(), Error> {
        self.change(|settings| settings.short_ecdsa = rate)
    }

    /// How long the chip takes. Nothing in a new one.
    pub fn set_latency(&self, latency: Latency) -> Result<(), Error> {
        self.change(|settings| settings.latency = latency)
    }

    /// Whether the module ends the process where the real one crashes, and hangs where the real one hangs for ever.
    /// Off in a new chip: the answer is [`WOULD_CRASH`](crate::WOULD_CRASH) then.
    pub fn set_crashes(&self, on: bool) -> Result<(), Error> {
        self.change(|settings| settings.crashes = on)
    }

    /// Shortens the documented waits on a mute or dying chip: 0.01 makes 35 ms of 3.5 s.
    pub fn set_time_scale(&self, scale: f64) -> Result<(), Error> {
        self.change(|settings| settings.time_scale = scale)
    }

    /// Turns the module's lines on standard output on (as NXP's are) or off.
    pub fn set_log_to_stdout(&self, on: bool) -> Result<(), Error> {
        self.change(|settings| settings.log_to_stdout = on)
    }

    /// The error number with which the fake I2C node ([`I2cShim`](crate::I2cShim)) answers, instead of what the chip would:
    /// `ENOENT` and `EACCES` when it is opened, others when the chip's address is asked for.
    pub fn set_i2c_errno(&self, errno: Option<i32>) -> Result<(), Error> {
        let path = self.directory().join("i2c-errno");
        match errno {
            Some(number) => super::write_whole(&path, number.to_string().as_bytes()),
            None if path.exists() => std::fs::remove_file(&path).map_err(Error::file("remove", &path)),
            None => Ok(()),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Settings)) -> Result<(), Error> {
        /// Two threads of a test must not undo each other's change.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut settings = self.settings()?;
        change(&mut settings);
        settings.write(&self.settings_file())
    }
}
