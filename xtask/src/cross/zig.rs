//! zig as C compiler and linker: one download from PyPI that brings musl and works the same on every PC.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::device::{Device, workshop};
use crate::command::output_of;
use crate::root::root;
use crate::step::Step;

/// The version and the hashes of its wheels.
const REQUIREMENTS: &str = include_str!("../../zig-requirements.txt");

pub(crate) struct Zig {
    pub(crate) version: &'static str,
    program: PathBuf,
}

impl Zig {
    /// Fetches zig, unless it is there.
    pub(crate) fn fetch() -> anyhow::Result<Self> {
        let version = pinned_version()?;
        let directory = workshop().join(format!("zig-{version}"));
        let name = format!("zig {version}");
        if directory.exists() {
            println!("{name}: there");
        } else {
            let step = Step::begin(&name, "fetching it from PyPI (100 MB)");
            fetch_into(&directory)
                .with_context(|| format!("cannot fetch {name}: it needs PyPI, or a mirror of it that pip knows; or give your own cross compiler with --linker"))?;
            step.done();
        }
        let program = directory.join("ziglang/zig");
        ensure!(
            program.is_file(),
            "{} is missing: remove {} and try again",
            program.display(),
            directory.display()
        );
        Ok(Self { version, program })
    }

    /// The wrapper through which rustc and C libraries use a part of zig: `cc`, `c++` or `ar`.
    pub(crate) fn wrapper(&self, part: &str, device: &Device) -> anyhow::Result<PathBuf> {
        // The version is in the name, since cargo links again when the linker's name changes, and only then.
        let directory = workshop().join(format!("zig-{}-{}", self.version, device.zig_target));
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let file = directory.join(part);
        let call = match part {
            "ar" => "ar \"$@\"".to_owned(),
            // -dynamic: without it zig links musl statically, and a static program cannot load a module.
            // -fno-sanitize=undefined: zig's default for C; its runtime is not linked here.
            part => format!(
                "{part} -target {} -mcpu={} -dynamic -fno-sanitize=undefined \"$@\"",
                device.zig_target, device.zig_cpu
            ),
        };
        let script = format!(
            r#"#!/bin/sh
# Written by `cargo xtask cross`.
export ZIG_GLOBAL_CACHE_DIR={cache} ZIG_LOCAL_CACHE_DIR={cache}
left=$#
while [ "$left" -gt 0 ]; do
    argument=$1
    shift
    left=$((left - 1))
    case $argument in
    # zig brings its own libc and compiler runtime, and spells target and processor in its own way.
    -lgcc | -lc | --target=* | -m64 | -march=armv* | -mfpu=* | -mfloat-abi=*) continue ;;
    # zig's unwinder stands in for gcc's, so that the device needs no libgcc_s.
    -lgcc_s | -lgcc_eh) argument=-lunwind ;;
    esac
    set -- "$@" "$argument"
done
exec {zig} {call}
"#,
            cache = quoted(&workshop().join("zig-cache")),
            zig = quoted(&self.program),
        );
        super::toolchain::write_program(&file, &script)?;
        Ok(file)
    }
}

fn pinned_version() -> anyhow::Result<&'static str> {
    let line = REQUIREMENTS.lines().find_map(|line| line.strip_prefix("ziglang=="));
    line.and_then(|rest| rest.split(' ').next()).context("xtask/zig-requirements.txt names no version")
}

/// With pip, which checks the hash; into another place first, so that an interrupted download is not taken for zig.
fn fetch_into(directory: &Path) -> anyhow::Result<()> {
    let partial = directory.with_added_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    let mut pip = pip()?;
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"])
        .args(["--only-binary", ":all:", "--target"])
        .arg(&partial)
        .arg("-r")
        .arg(root().join("xtask/zig-requirements.txt"));
    output_of(&mut pip)?;
    fs::rename(&partial, directory).with_context(|| format!("cannot make {}", directory.display()))
}

/// The machine's pip, or one in a virtual environment: Debian's Python has none.
fn pip() -> anyhow::Result<Command> {
    let mut module = Command::new("python3");
    module.args(["-m", "pip"]);
    if Command::new("python3")
        .args(["-m", "pip", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return Ok(module);
    }
    let venv = workshop().join("pip");
    output_of(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
        .context("Python with pip, or with venv, is needed (Debian: package python3-venv)")?;
    Ok(Command::new(venv.join("bin/pip")))
}

/// A path for a shell script.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
