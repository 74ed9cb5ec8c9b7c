//! podman, with a storage of its own: the user's images stay as they are.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::command::{installed, output_of};
use crate::cross::Device;
use crate::debian;

pub(super) struct Podman {
    storage: TempDir,
    /// What images are for.
    device: &'static Device,
}

impl Podman {
    /// Installs podman where it is missing and that is possible.
    pub(super) fn new(device: &'static Device) -> anyhow::Result<Self> {
        if installed(&["podman"]).is_none() {
            debian::install(&["podman"])?;
        }
        Ok(Self { storage: tempfile::tempdir()?, device })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        command.arg("--root").arg(self.storage.path().join("storage"));
        command.arg("--runroot").arg(self.storage.path().join("run"));
        // Works everywhere, also in a container, and without root.
        command.args(["--storage-driver", "vfs"]);
        command
    }

    /// `podman build --quiet`, with more options to be given, and the context.
    fn build_command(&self, reference: &str) -> Command {
        let mut command = self.command();
        command.args(["build", "--quiet", "--isolation", "chroot", "--pull=never", "--tag", reference]);
        command
    }

    /// Builds a context for the device. The same context gives the same image: the clock is left out of it.
    pub(super) fn build(&self, context: &Path, base: Option<&str>, reference: &str) -> anyhow::Result<()> {
        let mut command = self.build_command(reference);
        command.args(["--timestamp", "0", "--platform", self.device.platform]);
        command.args(base.map(|base| format!("--build-arg=BASE={base}")));
        output_of(command.arg(context)).context("podman build").map(drop)
    }

    /// Builds with another Containerfile, for this PC: what it runs while building runs here.
    pub(super) fn build_here(
        &self,
        context: &Path,
        file: &str,
        base: Option<&str>,
        reference: &str,
    ) -> anyhow::Result<()> {
        let mut command = self.build_command(reference);
        command.args(base.map(|base| format!("--build-arg=ALPINE={base}")));
        output_of(command.arg("--file").arg(context.join(file)).arg(context))
            .context("podman build")
            .map(drop)
    }

    /// Writes an image as a docker archive with its tag: `podman load` and mkswu read that.
    pub(super) fn save(&self, reference: &str, archive: &Path) -> anyhow::Result<()> {
        if archive.exists() {
            std::fs::remove_file(archive)?;
        }
        let mut command = self.command();
        command.args(["save", "--quiet", "--format", "docker-archive", "--output"]).arg(archive);
        output_of(command.arg(reference)).context("podman save").map(drop)
    }

    /// Loads an image from an archive, docker's or OCI's, and returns its name. `None` where the file is no image.
    pub(super) fn load(&self, archive: &Path) -> anyhow::Result<Option<String>> {
        let output = self.command().args(["load", "--quiet", "--input"]).arg(archive).output();
        let output = output.context("podman does not start")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let name = said.lines().find_map(|line| line.strip_prefix("Loaded image: "));
        let Some(name) = name.filter(|_| output.status.success()) else { return Ok(None) };
        let architecture = self.inspect(name, "{{.Architecture}}")?;
        ensure!(
            architecture == self.device.architecture,
            "it is for {architecture}, not for {}",
            self.device.architecture
        );
        Ok(Some(name.to_owned()))
    }

    /// What `podman image inspect` says of one thing, in its own format language.
    pub(super) fn inspect(&self, reference: &str, format: &str) -> anyhow::Result<String> {
        let said = output_of(self.command().args(["image", "inspect", "--format", format, reference]))?;
        Ok(said.trim().to_owned())
    }

    /// Unpacks the image's root file system into a directory, as a container would see it.
    pub(super) fn unpack(&self, reference: &str, into: &Path) -> anyhow::Result<()> {
        // podman wants a command even for what is never started.
        let container = output_of(self.command().args(["create", reference, "/bin/sh"]))?;
        let archive = self.storage.path().join("root.tar");
        output_of(self.command().args(["export", "--output"]).arg(&archive).arg(container.trim()))?;
        output_of(Command::new("tar").arg("-xpf").arg(&archive).arg("-C").arg(into)).map(drop)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // Not root's files alone: podman maps users where it runs without root.
        let _ = self.command().args(["system", "reset", "--force"]).output();
    }
}
