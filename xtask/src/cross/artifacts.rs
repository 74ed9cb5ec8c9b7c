//! The programs for the device, each checked and stripped, with its symbols beside it, size and checksum: `se050-iot` without the
//! operator's half, and every example of the workspace. And `se050-iot` with that half, as a program of its own name, for `up` on the
//! device itself.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::device::Device;
use super::elf::{Elf, LIBRARY, Role};
use super::toolchain::Toolchain;
use crate::command::{Step, output_of, run_shown};
use crate::files::{make_directory, read, write};
use crate::root::{self, root, shown, target, targets};

/// Small first; see the root's Cargo.toml.
const PROFILE: &str = "dist";

/// The name of `se050-iot` with the operator's half.
pub(crate) const OPERATOR: &str = "se050-iot-operator";

/// How much is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Programs {
    /// What belongs on a device: no AWS SDK.
    OfTheDevice,
    /// These, and [`OPERATOR`].
    All,
}

/// A package, and cargo's arguments for its device build.
pub(crate) struct Package {
    pub(crate) name: String,
    /// The names that cargo gives the programs, and their names here.
    programs: Vec<(String, String)>,
    pub(crate) arguments: &'static [&'static str],
}

/// The most that a stripped program may take, in bytes; an example that is not named here may take as much as `se050-iot`.
const BUDGET: [(&str, u64); 3] = [("pubsub", 3_000_000), ("se050-iot", 5_000_000), (OPERATOR, 15_000_000)];
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
pub(crate) fn make(toolchain: &Toolchain, which: Programs) -> anyhow::Result<Vec<Artifact>> {
    let directory = artifacts_directory(toolchain.device);
    make_directory(&directory)?;
    let mut artifacts = Vec::new();
    for package in packages(which)? {
        for (built, name) in build(toolchain, package)? {
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
    if which == Programs::All {
        // Not where the tests have just built this PC's programs: it puts se050-iot without the operator's half in their place.
        crate::completions::make(&directory.join("share"))?;
    }
    Ok(artifacts)
}

/// What is built, each in a run of cargo of its own: built together, the packages would get each other's features.
pub(crate) fn packages(which: Programs) -> anyhow::Result<Vec<Package>> {
    let mut packages = Vec::new();
    for package in root::packages()? {
        let text = |name: &str| package.get(name).and_then(Value::as_str).unwrap_or_default();
        let is_example = text("manifest_path").starts_with(&*root().join("examples").to_string_lossy());
        if is_example || text("name") == "se050-iot" {
            let arguments: &[_] = if is_example { &[] } else { &["--no-default-features"] };
            let programs = targets(&package, "bin").into_iter().map(|name| (name.clone(), name)).collect();
            packages.push(Package { name: text("name").to_owned(), programs, arguments });
        }
    }
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    if which == Programs::All {
        let programs = vec![("se050-iot".to_owned(), OPERATOR.to_owned())];
        packages.push(Package { name: "se050-iot".to_owned(), programs, arguments: &[] });
    }
    Ok(packages)
}

/// Builds a package and returns where its programs are, with the names that they get.
fn build(toolchain: &Toolchain, package: Package) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let triple = toolchain.device.triple;
    let step = Step::begin([&[&*package.name], package.arguments].concat().join(" "), "building");
    let mut command = toolchain.cargo();
    command.args(["build", "--quiet", "--locked", "--profile", PROFILE, "--target", triple, "-p"]);
    run_shown(command.arg(&package.name).args(package.arguments))?;
    step.done();
    let built = target().join(triple).join(PROFILE);
    Ok(package.programs.into_iter().map(|(program, name)| (built.join(program), name)).collect())
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
