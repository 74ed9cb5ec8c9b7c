//! zig as C compiler and linker: one download from PyPI that brings musl and works the same on every PC.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::device::{Device, workshop};
use crate::command::output_of;
use crate::files::make_directory;
use crate::root::root;
use crate::test::python;

/// The version and the hashes of its wheels.
const PINS: &str = "xtask/zig.txt";

/// The programs through which rustc and C libraries use zig.
pub(crate) struct Zig {
    pub(crate) version: String,
    pub(crate) c: PathBuf,
    pub(crate) cpp: PathBuf,
    pub(crate) archiver: PathBuf,
}

impl Zig {
    /// Fetches zig, unless it is there, and writes its wrappers for the device.
    pub(crate) fn prepare(device: &Device) -> anyhow::Result<Self> {
        let pins = root().join(PINS);
        let text = fs::read_to_string(&pins).with_context(|| format!("cannot read {}", pins.display()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("ziglang=="));
        let version =
            line.and_then(|rest| rest.split(' ').next()).context(format!("{PINS} names no version"))?;
        let venv = workshop().join(format!("zig-{version}"));
        // 100 MB.
        python::install(&pins, &venv).with_context(|| format!("cannot fetch zig {version}"))?;
        let find = "import os, ziglang; print(os.path.dirname(ziglang.__file__))";
        let package = output_of(Command::new(venv.join("bin/python")).args(["-c", find]))?;
        let program = Path::new(package.trim_end()).join("zig");
        // The version is in the name, since cargo links again when the linker's name changes, and only then.
        let directory = workshop().join(format!("zig-{version}-{}", device.zig_target));
        make_directory(&directory)?;
        // -dynamic: without it zig links musl statically, and a static program cannot load a module.
        // -fno-sanitize=undefined: zig's default for C; its runtime is not linked here.
        let options = format!(
            "-target {} -mcpu={} -dynamic -fno-sanitize=undefined",
            device.zig_target, device.zig_cpu
        );
        let wrapper = |part: &str, options: &str| {
            let file = directory.join(part);
            super::toolchain::write_program(&file, &script(&program, part, options))?;
            anyhow::Ok(file)
        };
        Ok(Self {
            c: wrapper("cc", &options)?,
            cpp: wrapper("c++", &options)?,
            archiver: wrapper("ar", "")?,
            version: version.to_owned(),
        })
    }
}

/// A wrapper of one of zig's parts: `cc`, `c++` or `ar`.
fn script(zig: &Path, part: &str, options: &str) -> String {
    format!(
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
exec {zig} {part} {options} "$@"
"#,
        cache = quoted(&workshop().join("zig-cache")),
        zig = quoted(zig),
    )
}

/// A path for a shell script.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
