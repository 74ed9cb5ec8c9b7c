//! Other people's tools judge the image: skopeo, umoci, podman; and it is run, in a chroot under the emulator.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use tempfile::TempDir;

use super::description::{Description, ENTRYPOINT};
use super::{Made, abos, containerfile};
use crate::command::{installed, output_of};
use crate::cross::{ARMADILLO_G4, Artifact, Emulator, smoke_chip};
use crate::debian;
use crate::test::Counts;

/// Programs, and the Debian packages of the same names.
const JUDGES: [&str; 3] = ["skopeo", "umoci", "podman"];
/// Where NXP's module lies on a device: the default of our programs.
const MODULE: &str = "usr/lib/plug-and-trust/libsss_pkcs11.so";

/// Installs the judges that are missing, where that is possible.
fn install_judges() -> anyhow::Result<()> {
    let missing: Vec<&str> = JUDGES.into_iter().filter(|program| installed(&[program]).is_none()).collect();
    if missing.is_empty() || !rustix::process::geteuid().is_root() || installed(&["apt-get"]).is_none() {
        return Ok(());
    }
    debian::install(&missing)
}

pub(super) fn run(made: &Made, artifacts: &[Artifact]) -> anyhow::Result<Counts> {
    install_judges()?;
    let scratch = tempfile::tempdir()?;
    let mut counts = Counts::default();
    judge(&mut counts, "skopeo", "skopeo reads the image in both formats", || skopeo(made));
    judge(&mut counts, "umoci", "umoci unpacks the image", || umoci(made, artifacts, &scratch));
    judge(&mut counts, "podman", "podman loads the image, and builds the Containerfile upon it", || {
        podman(made, artifacts, &scratch)
    });
    let name = "the image runs in a chroot";
    if !made.complete {
        counts.skips.push(format!("{name}: without --base there is nothing to run on"));
    } else if !rustix::process::geteuid().is_root() {
        counts.skips.push(format!("{name}: only root may"));
    } else {
        counts.check(name, || chroot(made, &scratch));
    }
    Ok(counts)
}

/// A judge that is missing is a check skipped.
fn judge(counts: &mut Counts, program: &str, name: &str, check: impl FnOnce() -> anyhow::Result<()>) {
    if installed(&[program]).is_some() {
        counts.check(name, check);
    } else {
        counts.skips.push(format!("{name}: {program} is not installed"));
    }
}

fn skopeo(made: &Made) -> anyhow::Result<()> {
    for format in ["oci-archive", "docker-archive"] {
        let said = output_of(
            Command::new("skopeo").arg("inspect").arg(format!("{format}:{}", made.archive.display())),
        )?;
        let said: Value = serde_json::from_str(&said).context("skopeo inspect")?;
        let architecture = said.get("Architecture").and_then(Value::as_str);
        ensure!(
            architecture == Some(ARMADILLO_G4.architecture),
            "{format}: the architecture is {architecture:?}"
        );
        let version = said.pointer("/Labels/org.opencontainers.image.version").and_then(Value::as_str);
        ensure!(
            version == Some(env!("CARGO_PKG_VERSION")),
            "{format}: the label of the version is {version:?}"
        );
    }
    Ok(())
}

fn umoci(made: &Made, artifacts: &[Artifact], scratch: &TempDir) -> anyhow::Result<()> {
    let layout = scratch.path().join("layout");
    tar::Archive::new(fs::File::open(&made.archive)?).unpack(&layout)?;
    let bundle = scratch.path().join("bundle");
    let mut image = layout.into_os_string();
    image.push(format!(":{}", made.image.reference));
    output_of(Command::new("umoci").args(["unpack", "--rootless", "--image"]).arg(&image).arg(&bundle))?;
    for artifact in artifacts {
        let unpacked = fs::read(bundle.join("rootfs/usr/bin").join(&artifact.name))?;
        ensure!(unpacked == fs::read(&artifact.file)?, "{} is another one in the image", artifact.name);
    }
    Ok(())
}

/// In a storage of its own: the user's images stay as they are.
fn podman(made: &Made, artifacts: &[Artifact], scratch: &TempDir) -> anyhow::Result<()> {
    let podman = || {
        let mut command = Command::new("podman");
        command
            .arg("--root")
            .arg(scratch.path().join("storage"))
            .arg("--runroot")
            .arg(scratch.path().join("run"));
        command.args(["--storage-driver", "vfs"]);
        command
    };
    output_of(podman().args(["load", "--input"]).arg(&made.archive))?;
    let entrypoint_of = |image: &str| -> anyhow::Result<()> {
        let said = output_of(podman().args(["image", "inspect", image]))?;
        let said: Value = serde_json::from_str(&said).context("podman image inspect")?;
        let entrypoint = said.pointer("/0/Config/Entrypoint/0").and_then(Value::as_str);
        ensure!(entrypoint == Some(ENTRYPOINT), "podman sees the entrypoint {entrypoint:?} in {image}");
        Ok(())
    };
    entrypoint_of(&made.image.reference)?;
    let context = scratch.path().join("context");
    fs::create_dir(&context)?;
    containerfile::write_context(&context, artifacts, &Description::new(None))?;
    let base = format!("BASE={}", made.image.reference);
    output_of(podman().args(["build", "--build-arg", &base, "--tag", "localhost/built-upon"]).arg(&context))?;
    entrypoint_of("localhost/built-upon")
}

/// Layer upon layer as podman does it on the device, with the simulated chip's module where NXP's is.
fn chroot(made: &Made, scratch: &TempDir) -> anyhow::Result<()> {
    let root = scratch.path().join("root");
    fs::create_dir(&root)?;
    for layer in &made.image.layers {
        tar::Archive::new(MultiGzDecoder::new(Cursor::new(&layer.blob))).unpack(&root)?;
    }
    let emulator = Emulator::prepare(&ARMADILLO_G4)?;
    fs::copy(&emulator.qemu, root.join("emulator"))?;
    let chroot = installed(&["chroot"]).context("there is no chroot")?;
    let run = |program: &str, arguments: &[&str]| {
        output_of(
            Command::new(&chroot)
                .arg(&root)
                .args(["/emulator", "-cpu", ARMADILLO_G4.emulated_cpu, program])
                .args(arguments)
                .env_clear(),
        )
    };
    print!("      {}", run(ENTRYPOINT, &["--version"])?);
    print!("      {}", run(abos::APPLICATION, &["--version"])?);
    if let Some(chip) = smoke_chip() {
        install_chip(&chip, &root)?;
        let key = ["--key-label", "sss:100100F0"];
        run(ENTRYPOINT, &[&["cert", "export", "--output", "/data/device_cert.pem"], &key[..]].concat())?;
        let certificate = fs::read_to_string(root.join("data/device_cert.pem"))?;
        ensure!(
            certificate.starts_with("-----BEGIN CERTIFICATE-----"),
            "that is no certificate: {certificate}"
        );
        run(
            ENTRYPOINT,
            &[&["identity", "export", "--serial", "1", "--output", "/data/1.json"], &key[..]].concat(),
        )?;
        serde_json::from_str::<Value>(&fs::read_to_string(root.join("data/1.json"))?)
            .context("the bundle")?;
        println!("      certificate exported, bundle signed in the chip");
    } else {
        println!("      (no simulated chip for the device: `cargo xtask cross --smoke` makes one)");
    }
    Ok(())
}

/// A chip is a directory, found by where its module lies.
fn install_chip(chip: &Path, root: &Path) -> anyhow::Result<()> {
    let module = root.join(MODULE);
    let directory = module.parent().unwrap_or(root);
    fs::create_dir_all(directory)?;
    output_of(Command::new("cp").arg("-a").arg(chip.join(".")).arg(directory))?;
    Ok(())
}
