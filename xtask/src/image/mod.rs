//! `cargo xtask image`: the programs as a container image that `podman load` and mkswu take, built by podman.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::command::output_of;
use crate::cross::{self, ARMADILLO_G4, Artifact, Device, DeviceName, Emulator};
use crate::root::{shown, target};
use crate::test::Counts;

mod abos;
mod check;
mod containerfile;
mod description;
mod mkswu;
mod podman;
mod sbom;
mod swu;

use containerfile::{Base, ROOT_FILE_SYSTEM};
use description::Description;
use podman::Podman;

/// The I2C bus that the chip is on, if nothing else is said.
const I2C: &str = "/dev/i2c-1";

#[derive(Args)]
pub(crate) struct ImageOptions {
    /// What to build on: an image in an archive (docker or OCI), a tar archive of a root file system, or a directory with one
    #[arg(long, value_name = "TAR|DIR")]
    base: Option<PathBuf>,
    /// The I2C bus that the chip is on
    #[arg(long, value_name = "NODE", default_value = I2C)]
    i2c: String,
    /// The group that may use that node (a number): the container then runs as an ordinary user of that group, not as root
    #[arg(long, value_name = "GID")]
    i2c_group: Option<u32>,
    /// Where the image will be pushed to and the devices pull it from, such as registry.example.com/devices
    #[arg(long, value_name = "REGISTRY/PATH")]
    registry: Option<String>,
    /// Then check it: skopeo reads it, podman loads it and builds on it, it runs in a chroot under an emulator
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    cross: cross::ToolchainOptions,
}

pub(crate) fn run(options: &ImageOptions) -> anyhow::Result<ExitCode> {
    let artifacts = cross::build(&options.cross)?;
    let made = make(options, &artifacts)?;
    if options.check {
        let counts = check::run(&made, &artifacts)?;
        counts.print_skips();
        println!("{}", counts.line());
        return Ok(if counts.all_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    Ok(ExitCode::SUCCESS)
}

impl ImageOptions {
    /// Those of a command line that names nothing else.
    fn new(base: Option<PathBuf>, cross: cross::ToolchainOptions) -> Self {
        Self { base, i2c: I2C.to_owned(), i2c_group: None, registry: None, check: false, cross }
    }
}

/// The programs, built now, and an image of them alone, which weighs what they weigh.
pub(crate) fn build_alone(cross: &cross::ToolchainOptions) -> anyhow::Result<()> {
    make(&ImageOptions::new(None, cross.clone()), &cross::build(cross)?).map(drop)
}

/// For `cargo xtask test --cross`: the image on the emulator's root file system, checked by all there is.
pub(crate) fn check_on_the_emulator(artifacts: &[Artifact]) -> anyhow::Result<Counts> {
    let cross = cross::ToolchainOptions { device: DeviceName::G4, linker: None, no_rustup: true };
    let options = ImageOptions::new(Some(Emulator::prepare(&ARMADILLO_G4)?.root), cross);
    check::run(&make(&options, artifacts)?, artifacts)
}

/// What was written.
struct Made {
    archive: PathBuf,
    /// The directory with everything beside it.
    directory: PathBuf,
    reference: String,
    /// What it is for.
    device: &'static Device,
    /// What it was built on. Without a base it holds our files only, and cannot run by itself.
    base: Option<PathBuf>,
}

fn make(options: &ImageOptions, artifacts: &[Artifact]) -> anyhow::Result<Made> {
    println!("== image");
    let device = options.cross.device.device();
    let directory = device.directory(target(), "image");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    if let Some(registry) = &options.registry {
        ensure_reference(registry)?;
    }
    let description = Description::new(options.i2c_group, options.registry.as_deref());
    let reference = description.reference();
    let archive = directory.join(description.archive());
    build(options.base.as_deref(), artifacts, &description, device, &archive)?;
    let bytes = fs::read(&archive).with_context(|| format!("cannot read {}", archive.display()))?;
    println!("{:>9} bytes  {}  {}  ({reference})", bytes.len(), cross::sha256(&bytes), shown(&archive));
    let configuration = abos::configuration(&description, &options.i2c)?;
    write(&directory.join("se050-iot.conf"), &configuration)?;
    mkswu::write(&directory, &description, &configuration)?;
    let bill = archive.with_extension("cdx.json");
    sbom::write(&bill, artifacts, &description, device).context("the bill of materials")?;
    println!("written: {}", shown(&bill));
    containerfile::write_base(&directory, device)?;
    if options.base.is_none() {
        containerfile::write_context(&directory, artifacts, &description, device, Base::Image)?;
        println!(
            "There is no --base, so the image holds our programs and no root file system: it cannot run by itself. Build on yours \
             with --base, or with {}/Containerfile.",
            shown(&directory)
        );
    }
    Ok(Made { archive, directory, reference, device, base: options.base.clone() })
}

/// Builds the image on that base and writes its archive.
fn build(
    base: Option<&Path>,
    artifacts: &[Artifact],
    description: &Description,
    device: &'static Device,
    archive: &Path,
) -> anyhow::Result<()> {
    let podman = Podman::new(device)?;
    let context = tempfile::tempdir()?;
    let (kind, image) = match base {
        None => (Base::Image, None),
        Some(path) => prepare_base(&podman, path, context.path())
            .with_context(|| format!("--base {}", path.display()))?,
    };
    containerfile::write_context(context.path(), artifacts, description, device, kind)?;
    let reference = description.reference();
    podman.build(context.path(), image.as_deref(), &reference)?;
    if base.is_some() {
        ensure_loader(&podman, &reference, device)?;
    }
    podman.save(&reference, archive)
}

/// An image is loaded; a root file system is put into the context.
fn prepare_base(podman: &Podman, path: &Path, context: &Path) -> anyhow::Result<(Base, Option<String>)> {
    ensure!(path.exists(), "there is no such file or directory");
    let root_file_system = context.join(ROOT_FILE_SYSTEM);
    if path.is_dir() {
        // Sorted, so that the same files give the same layer.
        output_of(
            Command::new("tar")
                .args(["--sort=name", "-cf"])
                .arg(&root_file_system)
                .arg("-C")
                .arg(path)
                .arg("."),
        )?;
    } else if let Some(image) = podman.load(path)? {
        return Ok((Base::Image, Some(image)));
    } else if output_of(Command::new("tar").arg("-tf").arg(path)).is_err() {
        bail!(
            "it is neither a container image (docker or OCI archive) nor a tar archive of a root file system"
        );
    } else {
        fs::copy(path, &root_file_system)?;
    }
    Ok((Base::RootFileSystem, None))
}

/// Without the loader that our programs name, none of them would start.
fn ensure_loader(podman: &Podman, reference: &str, device: &Device) -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    podman.unpack(reference, root.path())?;
    let loader = root.path().join(device.loader.trim_start_matches('/'));
    ensure!(
        loader.symlink_metadata().is_ok(),
        "there is no {} in the base: our programs need musl (Alpine has it)",
        device.loader
    );
    Ok(())
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("written: {}", shown(file));
    Ok(())
}

/// As podman takes it before the image's name.
fn ensure_reference(registry: &str) -> anyhow::Result<()> {
    let plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "/._-:".contains(letter);
    ensure!(
        registry.contains('.') && registry.chars().all(plain) && !registry.ends_with('/'),
        "--registry {registry:?}: a host and a path such as registry.example.com/devices are needed"
    );
    Ok(())
}

/// Settings end up in files that other programs read line by line.
fn ensure_plain(what: &str, text: &str) -> anyhow::Result<()> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    ensure!(
        text.starts_with("/dev/") && text.chars().all(plain),
        "{what} {text:?}: a device node such as /dev/i2c-1 is needed"
    );
    Ok(())
}
