//! What comes out: checked, stripped programs with their symbols beside them, sizes and checksums.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};

use super::build;
use super::device::Device;
use super::elf::{Elf, LIBRARY, Role};
use super::toolchain::Toolchain;
use crate::command::output_of;
use crate::files::{make_directory, read, write};
use crate::root::{shown, target};

/// The most that a stripped program may take, in bytes; an example that is not named here may take as much as `se050-iot`.
const BUDGET: [(&str, u64); 3] =
    [("pubsub", 3_000_000), ("se050-iot", 5_000_000), (build::OPERATOR, 15_000_000)];
const OTHERS: u64 = 5_000_000;

/// A program for the device.
pub(crate) struct Artifact {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
}

/// Where the programs for the device lie.
pub(crate) fn artifacts_directory(device: &Device) -> PathBuf {
    device.directory(target(), "device")
}

/// Builds, checks, strips and lists everything.
pub(crate) fn make(toolchain: &Toolchain, which: build::Programs) -> anyhow::Result<Vec<Artifact>> {
    let directory = artifacts_directory(toolchain.device);
    make_directory(&directory)?;
    let mut artifacts = Vec::new();
    for package in build::packages(which)? {
        for (built, name) in build::build(toolchain, package)? {
            check(&built, Role::Program, toolchain.device)?;
            let file = strip(toolchain, &built, &directory.join(&name))?;
            check(&file, Role::Program, toolchain.device)?;
            artifacts.push(Artifact { name, file });
        }
    }
    println!("== {}: loader {}, nothing needed but {LIBRARY}", shown(&directory), toolchain.device.loader);
    let mut sums = String::new();
    for Artifact { name, file } in &artifacts {
        let bytes = read(file)?;
        let (size, sum) = (bytes.len(), sha256(&bytes));
        let budget = BUDGET.iter().find(|(program, _)| program == name).map_or(OTHERS, |(_, bytes)| *bytes);
        ensure!(
            size as u64 <= budget,
            "{} has {size} bytes, its budget is {budget}: see what has come in (cargo tree, cargo bloat)",
            file.display(),
        );
        sums.push_str(&format!("{sum}  {name}\n"));
        println!("{size:>9} bytes of {budget:>9}  {sum}  {name}");
    }
    write(&directory.join("SHA256SUMS"), sums)?;
    if which == build::Programs::All {
        // Not where the tests have just built this PC's programs: it puts se050-iot without the operator's half in their place.
        crate::completions::make(&directory.join("share"))?;
    }
    Ok(artifacts)
}

/// Fails if the file could not run on the device, or could not load a module there.
pub(crate) fn check(file: &Path, role: Role, device: &Device) -> anyhow::Result<()> {
    let elf = Elf::read(&read(file)?).with_context(|| file.display().to_string())?;
    let faults = elf.faults(role, device);
    if !faults.is_empty() {
        bail!("{} would not work on the device: {}\n({elf:?})", file.display(), faults.join("; "));
    }
    Ok(())
}

/// The program without symbols; with them it lies beside, as NAME.debug.
///
/// No .gnu_debuglink joins the two: its checksum is of the symbols, which hold this PC's paths to zig's sources, and the program
/// would be another one on each PC.
fn strip(toolchain: &Toolchain, built: &Path, stripped: &Path) -> anyhow::Result<PathBuf> {
    // Moved into place at the end: the file may just be running under the emulator.
    let partial = stripped.with_added_extension("partial");
    let objcopy = || toolchain.rustc.objcopy();
    output_of(objcopy()?.arg("--only-keep-debug").arg(built).arg(stripped.with_added_extension("debug")))?;
    output_of(objcopy()?.arg("--strip-all").arg(built).arg(&partial))?;
    fs::rename(&partial, stripped).with_context(|| format!("cannot write {}", stripped.display()))?;
    Ok(stripped.to_owned())
}

/// The SHA-256 in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
