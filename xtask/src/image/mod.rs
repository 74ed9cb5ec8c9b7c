//! `cargo xtask image`: the programs as a container image that `podman load` and mkswu take, built by podman.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::command::output_of;
use crate::cross::{self, ARMADILLO_G4, Artifact, DeviceName, Emulator};
use crate::files::{self, make_directory, read};
use crate::root::{shown, target};
use crate::test::{Counts, programs};

mod abos;
mod check;
mod containerfile;
mod podman;
mod sbom;
mod swu;

pub(crate) use check::NEEDED;
use containerfile::{Description, NAME, VERSION};
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
        programs::install_missing(&NEEDED)?;
        let counts = check::run(&made)?;
        counts.print_skips();
        return Ok(counts.conclude());
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
    let cross = cross::ToolchainOptions { device: DeviceName::G4, no_rustup: true };
    let options = ImageOptions::new(Some(Emulator::prepare(&ARMADILLO_G4)?.root), cross);
    check::run(&make(&options, artifacts)?)
}

/// What was written.
struct Made<'a> {
    description: Description<'a>,
    archive: PathBuf,
    /// The directory with everything beside it.
    directory: PathBuf,
    /// What it was built on. Without a base it holds our files only, and cannot run by itself.
    base: Option<PathBuf>,
}

fn make<'a>(options: &ImageOptions, artifacts: &'a [Artifact]) -> anyhow::Result<Made<'a>> {
    println!("== image");
    let device = options.cross.device.device();
    let directory = device.directory(target(), "image");
    make_directory(&directory)?;
    if let Some(registry) = &options.registry {
        ensure_reference(registry)?;
    }
    let description = Description::new(artifacts, device, options.i2c_group, options.registry.clone());
    let archive = directory.join(format!("{NAME}-{VERSION}.tar"));
    build(options.base.as_deref(), &description, &archive)?;
    let bytes = read(&archive)?;
    let (sum, reference) = (cross::sha256(&bytes), description.reference());
    println!("{:>9} bytes  {sum}  {}  ({reference})", bytes.len(), shown(&archive));
    let configuration = abos::configuration(&description, &options.i2c)?;
    write(&directory.join("se050-iot.conf"), &configuration)?;
    swu::write_descriptions(&directory, &description, &archive, &configuration)?;
    write(
        &archive.with_extension("cdx.json"),
        &sbom::document(&description).context("the bill of materials")?,
    )?;
    containerfile::write_base(&directory, device)?;
    if options.base.is_none() {
        containerfile::write_context(&directory, &description)?;
        println!(
            "There is no --base, so the image holds our programs and no root file system: it cannot run by itself. Build on yours \
             with --base, or with {}/Containerfile.",
            shown(&directory)
        );
    }
    Ok(Made { description, archive, directory, base: options.base.clone() })
}

/// Builds the image on that base and writes its archive.
fn build(base: Option<&Path>, description: &Description<'_>, archive: &Path) -> anyhow::Result<()> {
    let podman = Podman::new(description.device)?;
    let base =
        base.map(|path| prepare_base(&podman, path).with_context(|| format!("--base {}", path.display())));
    let base = base.transpose()?;
    let context = tempfile::tempdir()?;
    containerfile::write_context(context.path(), description)?;
    let reference = description.reference();
    podman.build(context.path(), base.as_deref(), &reference)?;
    if base.is_some() {
        // Without the loader that our programs name, none of them would start.
        let root = tempfile::tempdir()?;
        podman.unpack(&reference, root.path())?;
        let loader = description.device.loader;
        ensure!(
            root.path().join(loader.trim_start_matches('/')).symlink_metadata().is_ok(),
            "there is no {loader} in the base: our programs need musl (Alpine has it)"
        );
    }
    podman.save(&reference, archive)
}

/// The base as an image of podman: loaded from its archive, or made of a root file system.
fn prepare_base(podman: &Podman, path: &Path) -> anyhow::Result<String> {
    const IMAGE: &str = "localhost/base";
    ensure!(path.exists(), "there is no such file or directory");
    let context = tempfile::tempdir()?;
    let archive = context.path().join("rootfs.tar");
    if path.is_dir() {
        // Sorted, so that the same files give the same layer.
        let mut tar = Command::new("tar");
        output_of(tar.args(["--sort=name", "-cf"]).arg(&archive).arg("-C").arg(path).arg("."))?;
    } else if let Some(image) = podman.load(path)? {
        return Ok(image);
    } else {
        ensure!(
            output_of(Command::new("tar").arg("-tf").arg(path)).is_ok(),
            "it is neither a container image (docker or OCI archive) nor a tar archive of a root file system"
        );
        fs::copy(path, &archive)?;
    }
    files::write(&context.path().join("Containerfile"), "FROM scratch\nADD rootfs.tar /\n")?;
    podman.build(context.path(), None, IMAGE)?;
    Ok(IMAGE.to_owned())
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    files::write(file, text)?;
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
