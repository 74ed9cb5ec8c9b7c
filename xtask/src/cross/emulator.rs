//! The device's stand-in: qemu for the processor, and a root file system in the shape of Alpine's.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::device::{Device, workshop};
use crate::command::{Step, installed};
use crate::debian;
use crate::demo::typed;
use crate::files::empty_directory;
use crate::root::shown;

/// Its musl (1.2.3) is older than zig's: what runs on it runs on the newer ones, too.
const SUITE: &str = "bookworm";
/// A module for the wrong C library, and the package of it.
const GLIBC_MODULE: (&str, &str) = ("usr/lib/softhsm/libsofthsm2.so", "libsofthsm2");

pub(crate) struct Emulator {
    pub(crate) qemu: PathBuf,
    pub(crate) root: PathBuf,
    device: &'static Device,
}

impl Emulator {
    /// Installs qemu where it is missing, and unpacks musl and busybox for the device's processor, without installing them.
    pub(crate) fn prepare(device: &'static Device) -> anyhow::Result<Self> {
        if installed(&device.emulators).is_none() {
            debian::install(&["qemu-user-static"])?;
        }
        let qemu = installed(&device.emulators)
            .with_context(|| format!("{} is not installed", device.emulators.join(" or ")))?;
        let root = workshop().join(format!("root-{}", device.debian));
        if !root.exists() {
            let what = format!("musl and busybox of Debian {SUITE} ({})", device.debian);
            let step = Step::begin("root file system", what);
            let partial = root.with_added_extension("partial");
            empty_directory(&partial)?;
            let scratch = workshop().join(format!("apt-{}", device.debian));
            debian::unpack(SUITE, device.debian, &["musl", "busybox-static"], &scratch, &partial)?;
            shape_as_alpine(&partial).context("the root file system")?;
            fs::rename(&partial, &root).with_context(|| format!("cannot make {}", root.display()))?;
            step.done();
        }
        Ok(Self { qemu, root, device })
    }

    /// How cargo or a person runs a program of the device.
    pub(crate) fn runner(&self) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        vec![path(&self.qemu), "-cpu".into(), self.device.emulated_cpu.into(), "-L".into(), path(&self.root)]
    }

    /// A program of the device, to be run.
    pub(crate) fn program(&self, file: &Path) -> Command {
        let mut command = typed::program(&self.qemu);
        command.args(["-cpu", self.device.emulated_cpu, "-L", &shown(&self.root), &shown(file)]);
        command
    }

    /// A PKCS#11 module for the right processor and the wrong C library.
    pub(crate) fn glibc_module(&self) -> anyhow::Result<PathBuf> {
        let (file, package) = GLIBC_MODULE;
        let directory = workshop().join(format!("glibc-{}", self.device.debian));
        if !directory.join(file).exists() {
            let scratch = workshop().join(format!("apt-{}", self.device.debian));
            debian::unpack(SUITE, self.device.debian, &[package], &scratch, &directory)?;
        }
        Ok(directory.join(file))
    }
}

/// What a container with Alpine has, as far as our programs meet it: loader, shell, and a few files in /etc.
fn shape_as_alpine(root: &Path) -> anyhow::Result<()> {
    for directory in ["etc", "tmp", "bin", "dev", "proc", "data"] {
        fs::create_dir_all(root.join(directory))?;
    }
    for program in ["sh", "ls", "cat", "id"] {
        let link = root.join("bin").join(program);
        if link.symlink_metadata().is_err() {
            symlink("busybox", link)?;
        }
    }
    let files = [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("etc/group", "root:x:0:\n"),
        ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        ("etc/os-release", "ID=stand-in\nPRETTY_NAME=\"musl and busybox, in the shape of Alpine\"\n"),
    ];
    for (file, text) in files {
        fs::write(root.join(file), text)?;
    }
    Ok(())
}
