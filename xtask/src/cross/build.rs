//! What is built for the device: `se050-iot` without the operator's half, and every example of the workspace. And `se050-iot` with that
//! half, as a program of its own name, for `up` on the device itself.

use std::path::PathBuf;

use serde_json::Value;

use super::toolchain::Toolchain;
use crate::command::run_shown;
use crate::root::{self, root, target, targets};
use crate::step::Step;

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
pub(crate) fn build(toolchain: &Toolchain, package: Package) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let built = cargo_build(toolchain, &package.name, package.arguments)?;
    Ok(package.programs.into_iter().map(|(program, name)| (built.join(program), name)).collect())
}

/// Builds the simulated chip's module for the device and returns where it is.
pub(crate) fn simulated_module(toolchain: &Toolchain) -> anyhow::Result<PathBuf> {
    Ok(cargo_build(toolchain, "se050-sim", &["--lib"])?.join("libse050_sim.so"))
}

/// Returns the directory of what was built.
fn cargo_build(toolchain: &Toolchain, package: &str, arguments: &[&str]) -> anyhow::Result<PathBuf> {
    let triple = toolchain.device.triple;
    let step = Step::begin([&[package], arguments].concat().join(" "), "building");
    let mut command = toolchain.cargo();
    command.args(["build", "--quiet", "--locked", "--profile", PROFILE, "--target", triple, "-p", package]);
    run_shown(command.args(arguments))?;
    step.done();
    Ok(target().join(triple).join(PROFILE))
}
