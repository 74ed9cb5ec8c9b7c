//! Compiler, linker and standard library together: a cargo that builds for the device.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::ToolchainOptions;
use super::compiler::Compiler;
use super::device::{Device, workshop};
use super::rustc::Rustc;
use super::standard_library::StandardLibrary;
use super::zig::quoted;
use crate::root::{cargo, root, target};

pub(crate) struct Toolchain {
    pub(crate) device: &'static Device,
    pub(crate) compiler: Compiler,
    pub(crate) rustc: Rustc,
    /// What stands between cargo and rustc.
    wrapper: PathBuf,
    /// Which standard library, for cargo to notice when it becomes another one.
    standard_library: String,
}

impl Toolchain {
    /// Makes everything ready that is not yet.
    pub(crate) fn prepare(device: &'static Device, options: &ToolchainOptions) -> anyhow::Result<Self> {
        let rustc = Rustc::ask()?;
        let compiler = match &options.linker {
            Some(program) => Compiler::own(program, device)?,
            None => Compiler::zig(device)?,
        };
        let standard_library = StandardLibrary::provide(&rustc, device, options)?;
        let wrapper = workshop().join("rustc");
        write_program(&wrapper, &wrapper_script(device, &standard_library))?;
        let standard_library = match standard_library {
            StandardLibrary::Toolchain => "toolchain".to_owned(),
            StandardLibrary::Built(_) => "built".to_owned(),
        };
        Ok(Self { device, compiler, rustc, wrapper, standard_library })
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
        let toolchain = format!("{},{}", self.compiler.name, self.standard_library).replace(' ', "_");
        command
            .env(
                format!("CARGO_TARGET_{name}_RUSTFLAGS"),
                format!("-Ctarget-feature=-crt-static -Cmetadata={toolchain}"),
            )
            .env(format!("CARGO_TARGET_{name}_LINKER"), &self.compiler.c)
            .env("RUSTC_WRAPPER", &self.wrapper)
            .env(format!("CC_{triple}"), &self.compiler.c)
            .env(format!("CFLAGS_{triple}"), c_flags())
            .env("CC_SHELL_ESCAPED_FLAGS", "1");
        if let Some(cpp) = &self.compiler.cpp {
            command.env(format!("CXX_{triple}"), cpp);
        }
        if let Some(archiver) = &self.compiler.archiver {
            command.env(format!("AR_{triple}"), archiver);
        }
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
fn wrapper_script(device: &Device, standard_library: &StandardLibrary) -> String {
    let mut arguments = String::new();
    if let StandardLibrary::Built(sysroot) = standard_library {
        arguments = format!(" --sysroot {}", quoted(sysroot));
    }
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
