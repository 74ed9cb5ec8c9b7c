//! Checks of the image: skopeo reads it, podman loads it and builds on it, and it is run in a chroot under the emulator.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::containerfile::{DATA, Description, ENTRYPOINT, VERSION};
use super::podman::Podman;
use super::{Made, abos, build, containerfile, swu};
use crate::command::{installed, output_of};
use crate::cross::{Device, Emulator, smoke_chip};
use crate::files::{make_directory, read};
use crate::test::Counts;

/// Programs for these checks, each with its Debian package.
pub(crate) const NEEDED: [(&str, &str); 6] = [
    ("podman", "podman"),
    ("skopeo", "skopeo"),
    ("swupdate", "swupdate"),
    ("cpio", "cpio"),
    ("openssl", "openssl"),
    ("qemu-aarch64-static", "qemu-user-static"),
];
/// Where NXP's module lies on a device: the default of our programs.
const MODULE: &str = "usr/lib/plug-and-trust/libsss_pkcs11.so";

pub(super) fn run(made: &Made<'_>) -> anyhow::Result<Counts> {
    let (description, mut counts) = (&made.description, Counts::default());
    let mut check = |name: &str, needs: &[&str], check: &dyn Fn() -> anyhow::Result<()>| match needs
        .iter()
        .find(|program| installed(&[program]).is_none())
    {
        Some(missing) => counts.skips.push(format!("{name}: {missing} is not installed")),
        None => counts.check(name, check),
    };
    check("skopeo reads the image", &["skopeo"], &|| skopeo(made));
    check("SWUpdate reads a SWU of the image", &["swupdate", "cpio", "openssl"], &|| {
        swu::check(&made.directory, &made.archive)
    });
    check("podman loads the image, and builds on it", &["podman"], &|| podman(made));
    check("the Containerfile of the base installs the maker's package", &["podman"], &|| {
        base(&made.directory, description.device)
    });
    check("the same programs give the same bytes", &["podman"], &|| reproducible(made));
    check("what is no base is refused with the reason", &["podman"], &|| refused(description));
    let name = "the image runs in a chroot";
    if made.base.is_none() {
        counts.skips.push(format!("{name}: without --base there is nothing to run on"));
    } else if !rustix::process::geteuid().is_root() {
        counts.skips.push(format!("{name}: only root may"));
    } else {
        counts.check(name, || chroot(made));
    }
    Ok(counts)
}

fn skopeo(made: &Made<'_>) -> anyhow::Result<()> {
    let archive = format!("docker-archive:{}", made.archive.display());
    let said = output_of(Command::new("skopeo").args(["inspect", &archive]))?;
    let said: Value = serde_json::from_str(&said).context("skopeo inspect")?;
    let architecture = said.get("Architecture").and_then(Value::as_str);
    ensure!(
        architecture == Some(made.description.device.architecture),
        "the architecture is {architecture:?}"
    );
    let version = said.pointer("/Labels/org.opencontainers.image.version").and_then(Value::as_str);
    ensure!(version == Some(VERSION), "the label of the version is {version:?}");
    Ok(())
}

/// As on the device: the archive is loaded by its tag, and the container's configuration names that tag.
fn podman(made: &Made<'_>) -> anyhow::Result<()> {
    let description = &made.description;
    let podman = Podman::new(description.device)?;
    let loaded = podman.load(&made.archive)?.context("podman does not take the archive")?;
    let reference = description.reference();
    ensure!(loaded == reference, "podman calls it {loaded}, the configuration {reference}");
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
    containerfile::write_context(context.path(), description)?;
    podman.build(context.path(), Some(&loaded), "localhost/built-upon")?;
    entrypoint("localhost/built-upon")?;
    let root = tempfile::tempdir()?;
    podman.unpack(&loaded, root.path())?;
    for artifact in description.artifacts {
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
        make_directory(copy.parent().context("a file has a directory")?)?;
        fs::copy(file, copy)?;
    }
    let (bin, module) = (stand_in.join("usr/bin"), stand_in.join(MODULE));
    make_directory(&bin)?;
    make_directory(module.parent().context("a file has a directory")?)?;
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

fn reproducible(made: &Made<'_>) -> anyhow::Result<()> {
    let again = tempfile::tempdir()?;
    let archive = again.path().join("again.tar");
    build(made.base.as_deref(), &made.description, &archive)?;
    ensure!(read(&made.archive)? == read(&archive)?, "two builds of the same programs differ");
    Ok(())
}

fn refused(description: &Description<'_>) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let no_archive = directory.path().join("no-archive");
    fs::write(&no_archive, "no archive")?;
    let no_musl = directory.path().join("no-musl");
    fs::create_dir(&no_musl)?;
    fs::write(no_musl.join("file"), "")?;
    let missing = directory.path().join("missing");
    for (base, reason) in [(&no_archive, "neither"), (&no_musl, "need musl"), (&missing, "no such file")] {
        let built = build(Some(base), description, &directory.path().join("image.tar"));
        let error = built.err().with_context(|| format!("{} was taken as a base", base.display()))?;
        ensure!(format!("{error:#}").contains(reason), "{error:#}");
    }
    Ok(())
}

/// The root file system as the container sees it, with the simulated chip's module where NXP's is.
fn chroot(made: &Made<'_>) -> anyhow::Result<()> {
    let device = made.description.device;
    let scratch = tempfile::tempdir()?;
    let root = scratch.path();
    let podman = Podman::new(device)?;
    let loaded = podman.load(&made.archive)?.context("podman does not take the archive")?;
    podman.unpack(&loaded, root)?;
    let emulator = Emulator::prepare(device)?;
    fs::copy(&emulator.qemu, root.join("emulator"))?;
    let chroot = installed(&["chroot"]).context("there is no chroot")?;
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(&chroot);
        command.arg(root).args(["/emulator", "-cpu", device.emulated_cpu, program]);
        output_of(command.args(arguments).env_clear())
    };
    print!("      {}", run(ENTRYPOINT, &["--version"])?);
    print!("      {}", run(abos::APPLICATION, &["--version"])?);
    let Some(chip) = smoke_chip(device) else {
        println!("      (no simulated chip for the device: `cargo xtask cross --smoke` makes one)");
        return Ok(());
    };
    // A chip is a directory, found by where its module lies.
    let module = root.join(MODULE);
    let directory = module.parent().context("a file has a directory")?;
    make_directory(directory)?;
    output_of(Command::new("cp").arg("-a").arg(chip.join(".")).arg(directory))?;
    let export = |what: &str, file: &str, more: &[&str]| {
        let key = ["--key-label", "sss:100100F0", "--output"];
        run(ENTRYPOINT, &[&[what, "export"], &key[..], &[&format!("{DATA}/{file}")], more].concat())?;
        anyhow::Ok(fs::read_to_string(root.join("data").join(file))?)
    };
    let certificate = export("cert", "device_cert.pem", &[])?;
    ensure!(certificate.starts_with("-----BEGIN CERTIFICATE-----"), "that is no certificate: {certificate}");
    let bundle = export("identity", "1.json", &["--serial", "1"])?;
    serde_json::from_str::<Value>(&bundle).context("the bundle")?;
    println!("      certificate exported, bundle signed in the chip");
    Ok(())
}
