//! Compiler, linker and standard library together: a cargo that builds for the device.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::device::{Device, workshop};
use super::rustc::Rustc;
use super::zig::{Zig, quoted};
use super::{ToolchainOptions, standard_library};
use crate::root::{cargo, root, target};

pub(crate) struct Toolchain {
    pub(crate) device: &'static Device,
    zig: Zig,
    pub(crate) rustc: Rustc,
    /// What stands between cargo and rustc.
    wrapper: PathBuf,
    /// Which standard library, for cargo to notice when it becomes another one.
    standard_library: &'static str,
}

impl Toolchain {
    /// Makes everything ready that is not yet.
    pub(crate) fn prepare(device: &'static Device, options: &ToolchainOptions) -> anyhow::Result<Self> {
        let rustc = Rustc::ask()?;
        let zig = Zig::prepare(device)?;
        let sysroot = standard_library::provide(&rustc, device, options.no_rustup)?;
        let wrapper = workshop().join("rustc");
        write_program(&wrapper, &wrapper_script(device, sysroot.as_deref()))?;
        let standard_library = if sysroot.is_some() { "built" } else { "toolchain" };
        Ok(Self { device, zig, rustc, wrapper, standard_library })
    }

    /// A cargo in the project's root, to which `--target` is still to be told.
    pub(crate) fn cargo(&self) -> Command {
        let name = self.device.triple_in_variables();
        let triple = self.device.triple.replace('-', "_");
        let mut command = cargo();
        // An ambient one would take the place of the flags below, silently.
        for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"] {
            command.env_remove(variable);
        }
        // crt-static is musl's default in Rust, and a static program cannot load the PKCS#11 module. The metadata makes cargo
        // build again with another toolchain; nothing that is a path may stand here, since cargo hashes these flags into names.
        command
            .env(
                format!("CARGO_TARGET_{name}_RUSTFLAGS"),
                format!(
                    "-Ctarget-feature=-crt-static -Cmetadata=zig_{},{}",
                    self.zig.version, self.standard_library
                ),
            )
            .env(format!("CARGO_TARGET_{name}_LINKER"), &self.zig.c)
            .env("RUSTC_WRAPPER", &self.wrapper)
            .env(format!("CC_{triple}"), &self.zig.c)
            .env(format!("CFLAGS_{triple}"), c_flags())
            .env("CC_SHELL_ESCAPED_FLAGS", "1")
            .env(format!("CXX_{triple}"), &self.zig.cpp)
            .env(format!("AR_{triple}"), &self.zig.archiver);
        command
    }
}

/// Where cargo keeps the sources of other people's crates.
pub(crate) fn cargo_home() -> PathBuf {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .unwrap_or_else(|| std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(".cargo"))
}

/// Writes a program, unless it is there already.
pub(crate) fn write_program(file: &Path, text: &str) -> anyhow::Result<()> {
    if fs::read_to_string(file).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let written = || format!("cannot write {}", file.display());
    fs::write(file, text).with_context(written)?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).with_context(written)
}

/// Adds to rustc's arguments what differs from PC to PC: cargo does not see it, and so does not hash it into the programs.
fn wrapper_script(device: &Device, sysroot: Option<&Path>) -> String {
    let mut arguments = sysroot.map_or_else(String::new, |sysroot| format!(" --sysroot {}", quoted(sysroot)));
    for (from, to) in remapped() {
        arguments.push_str(&format!(" --remap-path-prefix {}={to}", quoted(&from)));
    }
    format!(
        r#"#!/bin/sh
# Written by `cargo xtask cross`.
case " $* " in
*" --target {} "*) exec "$@"{arguments} ;;
esac
exec "$@"
"#,
        device.triple
    )
}

/// The C compiler's part of the same.
fn c_flags() -> String {
    let flags = remapped().map(|(from, to)| format!("-ffile-prefix-map={}={to}", quoted(&from)));
    flags.join(" ")
}

/// The paths of this PC, and what stands for them in the programs. Where several fit, the last one counts.
fn remapped() -> [(PathBuf, &'static str); 3] {
    [(cargo_home(), "/cargo"), (root().to_owned(), "/project"), (target(), "/target")]
}
