//! File systems of their own, in a file. Only root can mount them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use test_peers::{output_of, program, skip};

pub(crate) struct Mounted {
    directory: TempDir,
    /// `loop0`, in which the kernel counts what was written.
    device: String,
}

impl Mounted {
    /// `None`, and a skip, where it cannot be mounted.
    pub(crate) fn new(kind: &str, bytes: u64) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skip(&format!("only root can mount a file system: {kind}"));
            return None;
        }
        let mkfs = program(&format!("mkfs.{kind}"))?;
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        fs::File::create(&image).unwrap().set_len(bytes).unwrap();
        output_of(Command::new(mkfs).arg("-q").arg(&image));
        fs::create_dir(directory.path().join("mounted")).unwrap();
        let found = Command::new("losetup").args(["--find", "--show"]).arg(&image).output().unwrap();
        let device = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        let target = directory.path().join("mounted");
        let mounted = found.status.success()
            && Command::new("mount").arg(&device).arg(&target).status().is_ok_and(|status| status.success());
        if !mounted {
            let _ = Command::new("losetup").arg("--detach").arg(&device).status();
            skip(&format!("{kind} cannot be mounted here: there is no loop device"));
            return None;
        }
        let device = device.trim_start_matches("/dev/").to_owned();
        Some(Self { directory, device })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("mounted")
    }

    /// A directory beside it, for what is not to be on it.
    pub(crate) fn beside(&self) -> &Path {
        self.directory.path()
    }

    /// Bytes that were written to the device since it was made (kernel: Documentation/block/stat.rst, field 7, sectors).
    pub(crate) fn bytes_written(&self) -> u64 {
        output_of(&mut Command::new("sync"));
        let stat = fs::read_to_string(format!("/sys/block/{}/stat", self.device)).unwrap();
        stat.split_whitespace().nth(6).unwrap().parse::<u64>().unwrap() * 512
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
        let _ = Command::new("losetup").arg("--detach").arg(format!("/dev/{}", self.device)).status();
    }
}
