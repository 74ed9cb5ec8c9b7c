//! Checks of the image: skopeo reads it, podman loads it and builds on it, and it is run in a chroot under the emulator.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::containerfile::Base;
use super::description::{Description, ENTRYPOINT};
use super::podman::Podman;
use super::{Made, abos, build, containerfile, swu};
use crate::command::{installed, output_of};
use crate::cross::{Artifact, Device, Emulator, smoke_chip};
use crate::debian;
use crate::test::Counts;

/// Where NXP's module lies on a device: the default of our programs.
const MODULE: &str = "usr/lib/plug-and-trust/libsss_pkcs11.so";

pub(super) fn run(made: &Made, artifacts: &[Artifact]) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    let root = rustix::process::geteuid().is_root();
    if installed(&["skopeo"]).is_none() && debian::can_install() {
        debian::install(&["skopeo"])?;
    }
    if installed(&["skopeo"]).is_some() {
        counts.check("skopeo reads the image", || skopeo(made));
    } else {
        counts.skips.push("skopeo reads the image: skopeo is not installed".into());
    }
    let name = "SWUpdate reads a SWU of the image";
    if swu::NEEDED.iter().any(|program| installed(&[program]).is_none()) && debian::can_install() {
        debian::install(&swu::NEEDED)?;
    }
    if let Some(missing) = swu::NEEDED.iter().find(|program| installed(&[program]).is_none()) {
        counts.skips.push(format!("{name}: {missing} is not installed"));
    } else {
        counts.check(name, || swu::check(&made.directory, &Description::new(None, None)));
    }
    counts.check("podman loads the image, and builds on it", || podman(made, artifacts));
    counts.check("the Containerfile of the base installs the maker's package", || {
        base(&made.directory, made.device)
    });
    counts.check("the same programs give the same bytes", || reproducible(made, artifacts));
    counts.check("what is no base is refused with the reason", || refused(artifacts, made.device));
    let name = "the image runs in a chroot";
    if made.base.is_none() {
        counts.skips.push(format!("{name}: without --base there is nothing to run on"));
    } else if !root {
        counts.skips.push(format!("{name}: only root may"));
    } else {
        counts.check(name, || chroot(made, &tempfile::tempdir()?));
    }
    Ok(counts)
}

fn skopeo(made: &Made) -> anyhow::Result<()> {
    let archive = format!("docker-archive:{}", made.archive.display());
    let said = output_of(Command::new("skopeo").args(["inspect", &archive]))?;
    let said: Value = serde_json::from_str(&said).context("skopeo inspect")?;
    let architecture = said.get("Architecture").and_then(Value::as_str);
    ensure!(architecture == Some(made.device.architecture), "the architecture is {architecture:?}");
    let version = said.pointer("/Labels/org.opencontainers.image.version").and_then(Value::as_str);
    ensure!(version == Some(env!("CARGO_PKG_VERSION")), "the label of the version is {version:?}");
    Ok(())
}

/// As on the device: the archive is loaded by its tag, and the container's configuration names that tag.
fn podman(made: &Made, artifacts: &[Artifact]) -> anyhow::Result<()> {
    let device = made.device;
    let podman = Podman::new(device)?;
    let loaded = podman.load(&made.archive)?.context("podman does not take the archive")?;
    ensure!(loaded == made.reference, "podman calls it {loaded}, the configuration {}", made.reference);
    let configuration = fs::read_to_string(made.directory.join("se050-iot.conf"))?;
    ensure!(
        configuration.lines().any(|line| line == format!("set_image {loaded}")),
        "se050-iot.conf does not name {loaded}"
    );
    let entrypoint = |image: &str| -> anyhow::Result<()> {
        let said = podman.inspect(image, "{{json .Config.Entrypoint}}")?;
        ensure!(said == format!("[{ENTRYPOINT:?}]"), "podman sees the entrypoint {said} in {image}");
        Ok(())
    };
    entrypoint(&loaded)?;
    let context = tempfile::tempdir()?;
    containerfile::write_context(
        context.path(),
        artifacts,
        &Description::new(None, None),
        device,
        Base::Image,
    )?;
    podman.build(context.path(), Some(&loaded), "localhost/built-upon")?;
    entrypoint("localhost/built-upon")?;
    let root = tempfile::tempdir()?;
    podman.unpack(&loaded, root.path())?;
    for artifact in artifacts {
        let unpacked = fs::read(root.path().join("usr/bin").join(&artifact.name))?;
        ensure!(unpacked == fs::read(&artifact.file)?, "{} is another one in the image", artifact.name);
    }
    Ok(())
}

/// On a stand-in for Alpine: this PC's shell, and an `apk` that notes what it is asked for.
fn base(directory: &Path, device: &'static Device) -> anyhow::Result<()> {
    let context = tempfile::tempdir()?;
    let stand_in = context.path().join("alpine");
    let libraries = output_of(Command::new("ldd").arg("/bin/sh"))?;
    let libraries = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    for file in ["/bin/sh"].into_iter().chain(libraries) {
        let copy = stand_in.join(file.trim_start_matches('/'));
        fs::create_dir_all(copy.parent().context("a file has a directory")?)?;
        fs::copy(file, copy)?;
    }
    let (bin, module) = (stand_in.join("usr/bin"), stand_in.join(MODULE));
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(module.parent().context("a file has a directory")?)?;
    let apk = format!(
        "#!/bin/sh\necho \"$@\" >/asked; for key in /etc/apk/keys/*; do echo \"$key\" >>/asked; done; : >/{MODULE}\n"
    );
    fs::write(bin.join("apk"), apk)?;
    fs::set_permissions(bin.join("apk"), fs::Permissions::from_mode(0o755))?;
    fs::create_dir(context.path().join("keys"))?;
    fs::write(context.path().join("keys/atmark-1.rsa.pub"), "a key")?;
    fs::write(context.path().join("Containerfile.stand-in"), "FROM scratch\nCOPY alpine/ /\n")?;
    fs::copy(directory.join("Containerfile.base"), context.path().join("Containerfile.base"))?;
    let podman = Podman::new(device)?;
    podman.build_here(context.path(), "Containerfile.stand-in", None, "localhost/stand-in")?;
    podman.build_here(context.path(), "Containerfile.base", Some("localhost/stand-in"), "localhost/base")?;
    let root = tempfile::tempdir()?;
    podman.unpack("localhost/base", root.path())?;
    let asked = fs::read_to_string(root.path().join("asked"))?;
    for wanted in ["add ", "--repository https://", " plug-and-trust\n", "/etc/apk/keys/atmark-1.rsa.pub\n"] {
        ensure!(asked.contains(wanted), "apk was not asked for {wanted:?} but: {asked}");
    }
    Ok(())
}

fn reproducible(made: &Made, artifacts: &[Artifact]) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let archives = [1, 2].map(|number| directory.path().join(format!("{number}.tar")));
    for archive in &archives {
        build(made.base.as_deref(), artifacts, &Description::new(None, None), made.device, archive)?;
    }
    let [first, second] = archives.map(fs::read);
    ensure!(first? == second?, "two builds of the same programs differ");
    Ok(())
}

fn refused(artifacts: &[Artifact], device: &'static Device) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let no_archive = directory.path().join("no-archive");
    fs::write(&no_archive, "no archive")?;
    let no_musl = directory.path().join("no-musl");
    fs::create_dir(&no_musl)?;
    fs::write(no_musl.join("file"), "")?;
    let missing = directory.path().join("missing");
    for (base, reason) in [(&no_archive, "neither"), (&no_musl, "need musl"), (&missing, "no such file")] {
        let archive = directory.path().join("image.tar");
        let built = build(Some(base), artifacts, &Description::new(None, None), device, &archive);
        let error = built.err().with_context(|| format!("{} was taken as a base", base.display()))?;
        ensure!(format!("{error:#}").contains(reason), "{error:#}");
    }
    Ok(())
}

/// The root file system as the container sees it, with the simulated chip's module where NXP's is.
fn chroot(made: &Made, scratch: &TempDir) -> anyhow::Result<()> {
    let device = made.device;
    let root = scratch.path().join("root");
    fs::create_dir(&root)?;
    let podman = Podman::new(device)?;
    let loaded = podman.load(&made.archive)?.context("podman does not take the archive")?;
    podman.unpack(&loaded, &root)?;
    let emulator = Emulator::prepare(device)?;
    fs::copy(&emulator.qemu, root.join("emulator"))?;
    let chroot = installed(&["chroot"]).context("there is no chroot")?;
    let run = |program: &str, arguments: &[&str]| {
        output_of(
            Command::new(&chroot)
                .arg(&root)
                .args(["/emulator", "-cpu", device.emulated_cpu, program])
                .args(arguments)
                .env_clear(),
        )
    };
    print!("      {}", run(ENTRYPOINT, &["--version"])?);
    print!("      {}", run(abos::APPLICATION, &["--version"])?);
    if let Some(chip) = smoke_chip(device) {
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
