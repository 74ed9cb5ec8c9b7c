//! `cargo xtask image`: the programs as a container image that `podman load` on the Armadillo takes, made without a daemon.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::cross::{self, ARMADILLO_G4, Artifact, Emulator};
use crate::root::{shown, target};
use crate::test::Counts;

mod abos;
mod archive;
mod base;
mod check;
mod containerfile;
mod description;
mod layer;
#[cfg(test)]
mod tests;

use archive::Image;
use base::Base;
use description::Description;
use layer::Layer;

#[derive(Args)]
pub(crate) struct ImageOptions {
    /// The image to build on: a directory with a root file system, a tar archive of one, or an OCI archive
    #[arg(long, value_name = "DIR|TAR")]
    base: Option<PathBuf>,
    /// The I2C bus that the chip is on
    #[arg(long, value_name = "NODE", default_value = "/dev/i2c-1")]
    i2c: String,
    /// The group that may use that node (a number): the container then runs as an ordinary user of that group, not as root
    #[arg(long, value_name = "GID")]
    i2c_group: Option<u32>,
    /// Then have the image judged by skopeo, umoci and podman, and run it in a chroot under an emulator
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

/// For `cargo xtask test --cross`: the image on the emulator's root file system, judged by all there is.
pub(crate) fn check_on_the_emulator(artifacts: &[Artifact]) -> anyhow::Result<Counts> {
    let options = ImageOptions {
        base: Some(Emulator::prepare(&ARMADILLO_G4)?.root),
        i2c: "/dev/i2c-1".into(),
        i2c_group: None,
        check: true,
        cross: cross::ToolchainOptions { linker: None, no_rustup: true },
    };
    check::run(&make(&options, artifacts)?, artifacts)
}

/// What was written.
struct Made {
    archive: PathBuf,
    image: Image,
    /// Whether there is a root file system in it: without one it holds our files only, and cannot run by itself.
    complete: bool,
}

fn make(options: &ImageOptions, artifacts: &[Artifact]) -> anyhow::Result<Made> {
    println!("== image");
    let directory = target().join("image");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let description = Description::new(options.i2c_group);
    let base = match &options.base {
        Some(path) => {
            Base::read(path, &ARMADILLO_G4).with_context(|| format!("--base {}", path.display()))?
        }
        None => Base::default(),
    };
    let complete = options.base.is_some();
    let image = Image::new(base, Layer::of_programs(artifacts)?, &description);
    let archive = directory.join(format!("{}-{}.tar", description.name, description.version));
    let bytes = image.archive()?;
    fs::write(&archive, &bytes).with_context(|| format!("cannot write {}", archive.display()))?;
    println!("{:>9} bytes  {}  {}", bytes.len(), cross::sha256(&bytes), shown(&archive));
    println!(
        "{:>9} bytes of that are our programs; the image is {}",
        image.own_layer_size(),
        description.reference()
    );
    write(&directory.join("se050-iot.conf"), &abos::configuration(&description, &options.i2c)?)?;
    if !complete {
        containerfile::write_context(&directory, artifacts, &description)?;
        println!(
            "There is no --base, so the image holds our programs and no root file system: it cannot run by itself. Build on yours \
             with --base, or with {}/Containerfile.",
            shown(&directory)
        );
    }
    Ok(Made { archive, image, complete })
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("written: {}", shown(file));
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
