//! The simulated chip of the demo: a directory with throwaway keys and certificates, and the PKCS#11 module that finds them there.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::typed;
use crate::root::shown;

pub(crate) struct Chip {
    /// se050-sim.
    simulator: PathBuf,
    pub(crate) directory: PathBuf,
}

impl Chip {
    /// Makes a new chip.
    pub(crate) fn new(programs: &Path, directory: PathBuf) -> anyhow::Result<Self> {
        let simulator = programs.join("se050-sim");
        typed::run(typed::program(&simulator).args(["new", &shown(&directory)]))?;
        Ok(Self { simulator, directory })
    }

    /// Its PKCS#11 module.
    pub(crate) fn module(&self) -> PathBuf {
        self.directory.join("libsss_pkcs11.so")
    }

    /// How often its private keys were used.
    pub(crate) fn signatures(&self) -> anyhow::Result<u64> {
        let said = typed::run(typed::program(&self.simulator).args(["calls", &shown(&self.directory)]))?;
        let count = said.lines().find_map(|line| line.strip_suffix("chip signatures")?.trim().parse().ok());
        count.context("se050-sim calls did not count the signatures")
    }
}
