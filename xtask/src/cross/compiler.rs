//! What compiles C and links: zig, or the user's own cross compiler.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::device::Device;
use super::zig::Zig;
use crate::command::{installed, output_of};

pub(crate) struct Compiler {
    /// Tells one compiler from another.
    pub(crate) name: String,
    pub(crate) c: PathBuf,
    pub(crate) cpp: Option<PathBuf>,
    pub(crate) archiver: Option<PathBuf>,
    /// The libraries that a program may ask the device for.
    pub(crate) libraries: &'static [&'static str],
}

impl Compiler {
    pub(crate) fn zig(device: &Device) -> anyhow::Result<Self> {
        let zig = Zig::fetch()?;
        Ok(Self {
            name: format!("zig {}", zig.version),
            c: zig.wrapper("cc", device)?,
            cpp: Some(zig.wrapper("c++", device)?),
            archiver: Some(zig.wrapper("ar", device)?),
            libraries: &["libc.so"],
        })
    }

    /// `aarch64-linux-musl-gcc`: its `g++` and `ar` are found by their names, where they lie beside it.
    pub(crate) fn own(program: &Path, device: &Device) -> anyhow::Result<Self> {
        let c = if program.components().count() > 1 {
            std::path::absolute(program)?
        } else {
            let name = program.to_str().unwrap_or_default();
            installed(&[name]).with_context(|| format!("--linker {name}: no such program in PATH"))?
        };
        ensure!(c.is_file(), "--linker {}: no such file", c.display());
        let said = output_of(std::process::Command::new(&c).arg("--version"))
            .with_context(|| format!("--linker {}", c.display()))?;
        let version = said.lines().next().unwrap_or("an unknown compiler");
        println!("linker: {} ({version})", c.display());
        Ok(Self {
            name: version.to_owned(),
            cpp: sibling(&c, "g++").or_else(|| sibling(&c, "clang++")).or_else(|| sibling(&c, "c++")),
            archiver: sibling(&c, "ar").or_else(|| sibling(&c, "gcc-ar")),
            c,
            libraries: device.libraries,
        })
    }
}

/// Another tool of the same cross compiler: `x-gcc` has `x-ar` beside it.
fn sibling(program: &Path, tool: &str) -> Option<PathBuf> {
    let name = program.file_name()?.to_str()?;
    let prefix = ["gcc", "clang", "cc"].iter().find_map(|ending| name.strip_suffix(ending))?;
    Some(program.with_file_name(format!("{prefix}{tool}"))).filter(|file| file.is_file())
}
