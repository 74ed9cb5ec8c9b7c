//! The Rust compiler that is used, and what comes with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::command::{installed, output_of};
use crate::root::root;

/// A compiler's identity.
pub(crate) struct Rustc {
    /// 1.95.0
    pub(crate) release: String,
    /// The commit that it was built from: what a standard library has to match.
    pub(crate) commit: String,
    host: String,
    sysroot: PathBuf,
}

impl Rustc {
    pub(crate) fn ask() -> anyhow::Result<Self> {
        let said = output_of(rustc().arg("-vV"))?;
        let field = |name: &str| {
            let value = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.map(str::to_owned).with_context(|| format!("rustc -vV does not tell its {name}"))
        };
        let sysroot = output_of(rustc().args(["--print", "sysroot"]))?;
        Ok(Self {
            release: field("release")?,
            commit: field("commit-hash")?,
            host: field("host")?,
            sysroot: PathBuf::from(sysroot.trim_end()),
        })
    }

    /// Whether the compiler came with the standard library of that target.
    pub(crate) fn has_target(&self, triple: &str) -> bool {
        has_standard_library(&self.target_libraries(triple))
    }

    /// Where a toolchain keeps its component `rust-src`.
    pub(crate) fn own_sources(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib/src/rust/library")
    }

    /// LLVM's objcopy: part of every rustup toolchain, elsewhere a package of its own.
    pub(crate) fn objcopy(&self) -> anyhow::Result<Command> {
        let own = self.sysroot.join("lib/rustlib").join(&self.host).join("bin/rust-objcopy");
        if own.is_file() {
            let mut command = Command::new(own);
            // It finds its LLVM only when a program of rustup has started it.
            command.env("LD_LIBRARY_PATH", self.sysroot.join("lib"));
            return Ok(command);
        }
        installed(&["rust-objcopy", "llvm-objcopy"]).map(Command::new).context(
            "no objcopy to split off the symbols: install llvm-objcopy (Debian: package llvm), or use rustup's toolchain",
        )
    }

    fn target_libraries(&self, triple: &str) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(triple).join("lib")
    }
}

/// Whether a compiled standard library lies in that directory.
pub(crate) fn has_standard_library(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

fn rustc() -> Command {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.current_dir(root());
    command
}
