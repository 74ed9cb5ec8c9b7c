//! Rust's standard library for the device: the toolchain's, rustup's, or built once from its sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use super::device::{Device, workshop};
use super::rustc::{Rustc, has_standard_library};
use crate::command::{Step, installed, output_of};
use crate::debian;
use crate::files::{empty_directory, make_directory};
use crate::root::cargo;

/// Names the sources: a directory `library`, or a tar archive of one.
const SOURCES: &str = "XTASK_RUST_SRC";

/// The suites of Debian that carry a recent Rust, the steadiest first.
const SUITES: [&str; 3] = ["trixie-backports", "testing", "unstable"];

/// Provides the library. Where rustc does not find it by itself, this returns the directory that takes the place of the toolchain's.
pub(crate) fn provide(rustc: &Rustc, device: &Device, no_rustup: bool) -> anyhow::Result<Option<PathBuf>> {
    let triple = device.triple;
    if rustc.has_target(triple) {
        println!("standard library: the toolchain's");
        return Ok(None);
    }
    // A compiler takes the libraries of its own commit and no others.
    let built = workshop().join(format!("std-{}-{:.12}", rustc.release, rustc.commit));
    if has_standard_library(&libraries_of(&built, triple)) {
        println!("standard library: there, built from source");
        return Ok(Some(built));
    }
    if !no_rustup && rustup_adds(triple) && rustc.has_target(triple) {
        return Ok(None);
    }
    let sources = sources(rustc)?;
    let step =
        Step::begin("standard library", format!("building it from {}, once (a minute)", sources.display()));
    build(rustc, triple, &sources, &built).with_context(|| {
        format!(
            "cannot build Rust {}'s standard library from {}: are these the sources of that version?",
            rustc.release,
            sources.display()
        )
    })?;
    step.done();
    Ok(Some(built))
}

/// Asks rustup; where it cannot (no rustup, no way out), the library is built.
fn rustup_adds(triple: &str) -> bool {
    if installed(&["rustup"]).is_none() {
        println!("standard library: no rustup here");
        return false;
    }
    let step = Step::begin("standard library", format!("rustup target add {triple}"));
    match output_of(Command::new("rustup").args(["target", "add", triple])) {
        Ok(_) => {
            step.done();
            true
        }
        Err(error) => {
            println!("standard library: rustup cannot add it, so it will be built from source. {error:#}");
            false
        }
    }
}

/// The sources of the compiler's standard library: named, of the toolchain, or Debian's.
fn sources(rustc: &Rustc) -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os(SOURCES) {
        let named = std::path::absolute(named)?;
        return named_sources(&named).with_context(|| format!("{SOURCES}={}", named.display()));
    }
    if is_library(&rustc.own_sources()) {
        return Ok(rustc.own_sources());
    }
    let unpacked = workshop().join(format!("rust-src-{}", rustc.release));
    if let Some(library) = library_below(&unpacked) {
        return Ok(library);
    }
    let mut failures = Vec::new();
    for suite in SUITES {
        let step = Step::begin(
            "rust-src",
            format!("fetching version {} from Debian {suite} (45 MB)", rustc.release),
        );
        let scratch = workshop().join(format!("apt-{suite}"));
        let package = format!("rust-src={}+*", rustc.release);
        match debian::unpack(suite, "amd64", &[&package], &scratch, &unpacked) {
            Ok(()) => {
                step.done();
                return library_below(&unpacked).context("Debian's rust-src holds no library/");
            }
            Err(error) => {
                println!("rust-src: not there");
                failures.push(format!("{error:#}"));
            }
        }
    }
    bail!(
        "the sources of Rust {}'s standard library are not to be had. Let rustup add the target (without --no-rustup), or its \
         component rust-src, or name the sources: {SOURCES}=PATH, where PATH is their directory library/, or a tar archive \
         of it. Debian's package was tried in {}:\n{}",
        rustc.release,
        SUITES.join(", "),
        failures.join("\n")
    )
}

/// What the environment variable names, unpacked.
fn named_sources(path: &Path) -> anyhow::Result<PathBuf> {
    ensure!(path.exists(), "there is no such file or directory");
    let mut directory = path.to_owned();
    if path.is_file() {
        directory = workshop().join("rust-src-named");
        empty_directory(&directory)?;
        output_of(Command::new("tar").arg("-xf").arg(path).arg("-C").arg(&directory))?;
    }
    library_below(&directory).context("there is no library/sysroot/Cargo.toml below it")
}

/// The directory `library`: the path itself, or where archives and packages keep it.
fn library_below(path: &Path) -> Option<PathBuf> {
    let mut places = vec![path.to_owned(), path.join("library"), path.join("lib/rustlib/src/rust/library")];
    for above in [path.to_owned(), path.join("usr/src")] {
        let entries = fs::read_dir(above).into_iter().flatten().filter_map(Result::ok);
        places.extend(entries.map(|entry| entry.path().join("library")));
    }
    places.into_iter().find(|place| is_library(place))
}

fn is_library(path: &Path) -> bool {
    path.join("sysroot/Cargo.toml").is_file()
}

fn build(rustc: &Rustc, triple: &str, sources: &Path, into: &Path) -> anyhow::Result<()> {
    // What an interrupted run left, perhaps of other sources, goes.
    let scratch = into.with_added_extension("build");
    empty_directory(&scratch)?;
    let flags = [
        "-Zforce-unstable-if-unmarked".to_owned(),
        "-Cembed-bitcode=yes".to_owned(),
        // The same names as in rustup's: backtraces do not tell whose PC it was, and builds can be compared.
        format!("--remap-path-prefix={}=/rustc/{}/library", sources.display(), rustc.commit),
        format!("--remap-path-prefix={}=/cargo", super::toolchain::cargo_home().display()),
    ];
    let mut command = cargo();
    command.current_dir(sources).args(["build", "--quiet", "--release", "--locked", "--no-default-features"]);
    command.args(["--features", "panic-unwind,backtrace", "--target", triple, "--target-dir"]).arg(&scratch);
    command.arg("--manifest-path").arg(sources.join("sysroot/Cargo.toml"));
    // For this step only: elsewhere it would switch nightly code on in ordinary crates.
    command.env("RUSTC_BOOTSTRAP", "1").env("__CARGO_DEFAULT_LIB_METADATA", "xtask");
    output_of(command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")))?;
    let (libraries, place) = (scratch.join("libraries"), libraries_of(into, triple));
    empty_directory(&libraries)?;
    for entry in fs::read_dir(scratch.join(triple).join("release/deps"))? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|ending| ending == "rlib") {
            fs::copy(entry.path(), libraries.join(entry.file_name()))?;
        }
    }
    // Beside those of other devices.
    make_directory(&place)?;
    fs::rename(&libraries, &place).with_context(|| format!("cannot make {}", place.display()))?;
    // Ten times the result's size, and of no more use.
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))
}

fn libraries_of(sysroot: &Path, triple: &str) -> PathBuf {
    sysroot.join("lib/rustlib").join(triple).join("lib")
}
