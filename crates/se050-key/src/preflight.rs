//! What is known of module, bus and lock before the chip is opened.

use std::io;
use std::path::PathBuf;

use crate::bus::Bus;
use crate::lock::LockFile;
use crate::module::Module;
use crate::opening::bus_and_lock;
use crate::{Error, Holder, TokenBuilder, TokenInfo};

/// What a program can tell its user about a token without opening a session: nothing of it is traffic with the chip.
#[derive(Debug)]
#[non_exhaustive]
pub struct Preflight {
    /// The token, with the module's version.
    pub token: TokenInfo,
    /// Where the module looks for the chip; `None` where that is no I2C bus of this machine.
    pub bus: Option<BusCheck>,
    /// The lock file of the bus; `None` for a token that is not locked.
    pub lock_file: Option<PathBuf>,
    /// Another process that has the lock.
    pub locked_by: Option<Holder>,
}

/// The I2C bus of the chip.
#[derive(Debug)]
#[non_exhaustive]
pub struct BusCheck {
    /// Bus and address, e.g. `/dev/i2c-1:0x48`.
    pub name: String,
    /// The device node.
    pub node: PathBuf,
    /// Whether this process can open the node.
    pub access: io::Result<()>,
}

impl Preflight {
    /// Loads the module, asks it for its token, looks at the bus and the lock, and unloads the module again.
    pub(crate) fn of(options: &TokenBuilder) -> Result<Self, Error> {
        let module = Module::load(&options.module)?;
        let token = module.single_token(&options.wanted)?;
        let (bus, lock_file) = bus_and_lock(&module, &token, options);
        Ok(Self {
            token,
            locked_by: lock_file.as_ref().and_then(LockFile::other_holder),
            lock_file: lock_file.map(|file| file.path),
            bus: match &bus {
                Bus::Socket(_) | Bus::Unknown => None,
                Bus::I2c { node, .. } => Some(BusCheck {
                    name: bus.to_string(),
                    node: node.clone(),
                    access: bus.check_node().map_err(|(_, error)| error),
                }),
            },
        })
    }
}
