//! What is built for the device: `se050-iot` without the operator's half, and every example of the workspace.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;

use super::toolchain::Toolchain;
use crate::command::{output_of, run_shown};
use crate::root::{cargo, root, target};
use crate::step::Step;

/// Small first; see the root's Cargo.toml.
const PROFILE: &str = "dist";

/// A package, and cargo's arguments for its device build.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) programs: Vec<String>,
    pub(crate) arguments: Vec<&'static str>,
}

/// Everything that goes onto the device.
pub(crate) fn packages() -> anyhow::Result<Vec<Package>> {
    let metadata = output_of(cargo().args(["metadata", "--no-deps", "--locked", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let all =
        metadata.get("packages").and_then(Value::as_array).context("cargo metadata lists no packages")?;
    let mut packages = Vec::new();
    for package in all {
        let text = |name: &str| package.get(name).and_then(Value::as_str).unwrap_or_default();
        let is_example = text("manifest_path").starts_with(&*root().join("examples").to_string_lossy());
        if is_example || text("name") == "se050-iot" {
            let arguments = if is_example { vec![] } else { vec!["--no-default-features"] };
            packages.push(Package { name: text("name").to_owned(), programs: programs(package), arguments });
        }
    }
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(packages)
}

/// Builds a package and returns where its programs are.
///
/// One cargo run each: built together, the packages would get each other's features.
pub(crate) fn build(toolchain: &Toolchain, package: &Package) -> anyhow::Result<Vec<PathBuf>> {
    let step = Step::begin(&package.name, "building");
    let mut command = toolchain.cargo();
    command
        .args([
            "build",
            "--quiet",
            "--locked",
            "--profile",
            PROFILE,
            "--target",
            toolchain.device.triple,
            "-p",
        ])
        .arg(&package.name)
        .args(&package.arguments);
    run_shown(&mut command)?;
    step.done();
    Ok(package.programs.iter().map(|program| built(toolchain).join(program)).collect())
}

/// Builds the simulated chip's module for the device and returns where it is.
pub(crate) fn simulated_module(toolchain: &Toolchain) -> anyhow::Result<PathBuf> {
    let step = Step::begin("se050-sim", "building its PKCS#11 module");
    let mut command = toolchain.cargo();
    command
        .args(["build", "--quiet", "--locked", "--profile", PROFILE, "--target", toolchain.device.triple])
        .args(["-p", "se050-sim", "--lib"]);
    run_shown(&mut command)?;
    step.done();
    Ok(built(toolchain).join("libse050_sim.so"))
}

fn built(toolchain: &Toolchain) -> PathBuf {
    target().join(toolchain.device.triple).join(PROFILE)
}

fn programs(package: &Value) -> Vec<String> {
    let targets = package.get("targets").and_then(Value::as_array).into_iter().flatten();
    let is_program = |target: &&Value| {
        target
            .get("kind")
            .and_then(Value::as_array)
            .is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"))
    };
    targets.filter(is_program).filter_map(|target| Some(target.get("name")?.as_str()?.to_owned())).collect()
}
