//! Where the project lies, and its cargo.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::command::output_of;

/// The project's root directory.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Where cargo builds, which cargo itself knows best: environment and configuration files may name another place.
pub(crate) fn target() -> PathBuf {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| asked_of_cargo().unwrap_or_else(|| root().join("target"))).clone()
}

fn asked_of_cargo() -> Option<PathBuf> {
    let output = metadata().output().ok()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).ok()?;
    Some(metadata.get("target_directory")?.as_str()?.into())
}

/// The packages of the workspace, as `cargo metadata` describes them.
pub(crate) fn packages() -> anyhow::Result<Vec<Value>> {
    let mut metadata: Value = serde_json::from_str(&output_of(&mut metadata())?).context("cargo metadata")?;
    match metadata.get_mut("packages").map(Value::take) {
        Some(Value::Array(packages)) => Ok(packages),
        _ => bail!("cargo metadata lists no packages"),
    }
}

/// The names of a package's targets of that kind: `bin`, `lib`.
pub(crate) fn targets(package: &Value, kind: &str) -> Vec<String> {
    let targets = package.get("targets").and_then(Value::as_array).into_iter().flatten();
    let is_of_kind = |target: &&Value| {
        target
            .get("kind")
            .and_then(Value::as_array)
            .is_some_and(|kinds| kinds.iter().any(|other| other == kind))
    };
    targets.filter(is_of_kind).filter_map(|target| Some(target.get("name")?.as_str()?.to_owned())).collect()
}

fn metadata() -> Command {
    let mut command = cargo();
    command.args(["metadata", "--no-deps", "--locked", "--format-version", "1"]);
    command
}

/// The cargo that runs this program, in the project's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // `cargo run` sets them for this program. ring's build script watches them, so that ring and all that needs it would be built
    // anew whenever `cargo xtask` follows a plain `cargo test`.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
            command.env_remove(name);
        }
    }
    command
}

/// Builds something for this PC.
pub(crate) fn cargo_build(arguments: &[&str]) -> anyhow::Result<()> {
    let status =
        cargo().args(["build", "--locked"]).args(arguments).status().context("cargo does not start")?;
    ensure!(
        status.success(),
        "cargo build failed; what it says is above. A C compiler is needed (Debian: apt-get install gcc)"
    );
    Ok(())
}

/// A path as it is shown: from the project's root.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_started_without_what_cargo_said_of_this_program() {
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let command = cargo();
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME"] {
            assert!(command.get_envs().any(|(key, value)| key == name && value.is_none()), "{name}");
        }
    }
}
