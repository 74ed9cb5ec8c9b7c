//! A fake I2C node: what a client sees of the bus without the module.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use crate::error::BoxedError;
use crate::{Chip, Error};

/// Only C can define `open` and `ioctl` with their variable arguments.
const SOURCE: &str = include_str!("i2c_shim.c");

/// A library that gives a program an I2C node with the simulated chip on it: the node can be opened, and the chip's address
/// is acknowledged unless the chip is [`Absent`](crate::Fault::Absent). A mute chip acknowledges.
///
/// Needs a C compiler, and a client that is a process of its own: the library comes by `LD_PRELOAD`.
#[derive(Debug)]
pub struct I2cShim {
    library: PathBuf,
}

impl I2cShim {
    /// Compiles the library into that directory.
    ///
    /// # Errors
    /// When there is no C compiler, or the directory cannot be written to.
    pub fn build(directory: &Path) -> Result<Self, Error> {
        let library = directory.join("libi2c_shim.so");
        compile(&library).map_err(Error::factory("the fake I2C node"))?;
        Ok(Self { library })
    }

    /// Gives that program the node, at which `EX_SSS_BOOT_SSS_PORT` then points.
    pub fn apply<'a>(&self, command: &'a mut Command, chip: &Chip) -> &'a mut Command {
        // A node of its own for each chip: clients lock the node's name.
        let name = Sha256::digest(chip.directory().as_os_str().as_encoded_bytes());
        let name: String = name.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        command
            .env("LD_PRELOAD", &self.library)
            .env("SE050_SIM_I2C", chip.directory())
            .env("EX_SSS_BOOT_SSS_PORT", format!("/dev/i2c-{name}:0x48"))
    }
}

fn compile(library: &Path) -> Result<(), BoxedError> {
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-x", "c", "-", "-ldl", "-o"]).arg(library);
    let mut running = compiler.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut input) = running.stdin.take() {
        input.write_all(SOURCE.as_bytes())?;
    }
    let output = running.wait_with_output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}
