//! `cargo xtask cross`: the programs for the device, linked dynamically to musl so that they can load the PKCS#11 module.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;

use crate::root::shown;
use crate::test::{AT_ONCE, side_by_side};

mod artifacts;
mod device;
mod elf;
mod emulator;
mod rustc;
mod smoke;
mod standard_library;
mod toolchain;
mod zig;

pub(crate) use artifacts::{Artifact, Programs, artifacts_directory, packages, sha256};
use device::workshop;
pub(crate) use device::{ARMADILLO_G4, Device, DeviceName};
pub(crate) use emulator::Emulator;
pub(crate) use smoke::{Smoke, smoke_chip};
use toolchain::Toolchain;

#[derive(Args, Clone)]
pub(crate) struct ToolchainOptions {
    /// What to build for
    #[arg(long, value_enum, default_value_t = DeviceName::G4)]
    pub(crate) device: DeviceName,
    /// Do not ask rustup for the target; build its standard library from rust-src
    #[arg(long)]
    pub(crate) no_rustup: bool,
}

/// Builds the programs, and with `smoke` runs them under an emulator.
pub(crate) fn run(options: &ToolchainOptions, smoke: bool) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let mut code = ExitCode::SUCCESS;
    if smoke {
        let smoke = build_for_emulator(options, Programs::All)?;
        let mut counts = smoke.run().context("running the device's programs")?;
        counts.add(side_by_side(smoke.tests, AT_ONCE)?);
        counts.print_skips();
        code = counts.conclude();
    } else {
        artifacts::make(&prepare(options)?, Programs::All).context("building for the device")?;
    }
    println!(
        "{:.1} s in all; everything is in {}",
        started.elapsed().as_secs_f32(),
        shown(&artifacts_directory(options.device.device()))
    );
    Ok(code)
}

/// Builds and checks everything that belongs on a device.
pub(crate) fn build(options: &ToolchainOptions) -> anyhow::Result<Vec<Artifact>> {
    artifacts::make(&prepare(options)?, Programs::OfTheDevice).context("building for the device")
}

/// Builds that much, and what else runs under an emulator.
pub(crate) fn build_for_emulator(options: &ToolchainOptions, which: Programs) -> anyhow::Result<Smoke> {
    let toolchain = prepare(options)?;
    let artifacts = artifacts::make(&toolchain, which).context("building for the device")?;
    Smoke::build(&toolchain, artifacts, which).context("building for the emulator")
}

fn prepare(options: &ToolchainOptions) -> anyhow::Result<Toolchain> {
    let device = options.device.device();
    println!("== cross: {}, linked dynamically to musl", device.triple);
    Toolchain::prepare(device, options)
}
