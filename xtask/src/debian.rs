//! Debian's packages: installed where the tests need a program, or only unpacked where a file of one is enough.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::command::{installed, output_of, run_shown};
use crate::files::{empty_directory, make_directory, write};

const MIRROR: &str = "http://deb.debian.org/debian";
/// A download that fails is tried again.
const RETRIES: [&str; 2] = ["-o", "Acquire::Retries=5"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Whether packages can be installed here: on Debian, as root.
pub(crate) fn can_install() -> bool {
    rustix::process::geteuid().is_root() && installed(&["apt-get"]).is_some()
}

/// Installs packages, or says how to.
pub(crate) fn install(packages: &[&str]) -> anyhow::Result<()> {
    let names = packages.join(" ");
    if !can_install() {
        bail!(
            "these Debian packages are needed: as root, run\n\n    apt-get install --no-install-recommends {names}\n"
        );
    }
    println!("programs: installing {names}");
    // Debian starts a broker of its own as soon as mosquitto is installed; the tests start theirs themselves.
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1").args(RETRIES);
        command
    };
    run_shown(apt_get().args(["update", "-q"]))?;
    run_shown(apt_get().args(["install", "-q", "-y", "--no-install-recommends"]).args(packages))
}

/// Fetches packages of a suite and architecture and unpacks them into `into`; nothing is installed, and root is not needed.
///
/// apt checks the archive's signature and the packages' hashes as always, but works in directories of its own in `scratch`.
pub(crate) fn unpack(
    suite: &str,
    architecture: &str,
    packages: &[&str],
    scratch: &Path,
    into: &Path,
) -> anyhow::Result<()> {
    let downloads = scratch.join("downloads");
    empty_directory(&downloads)?;
    let configuration = private_apt(suite, architecture, scratch)?;
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", &configuration).current_dir(&downloads).args(RETRIES);
        command
    };
    let failed =
        || format!("cannot fetch {} of Debian {suite} ({architecture}) from {MIRROR}", packages.join(", "));
    output_of(apt_get().args(["update", "-q"])).with_context(failed)?;
    output_of(apt_get().args(["download", "-q"]).args(packages)).with_context(failed)?;
    make_directory(into)?;
    for package in fs::read_dir(&downloads)? {
        output_of(Command::new("dpkg-deb").arg("-x").arg(package?.path()).arg(into))?;
    }
    Ok(())
}

/// Writes apt's configuration for a foreign suite: the machine's own apt stays as it is.
fn private_apt(suite: &str, architecture: &str, scratch: &Path) -> anyhow::Result<PathBuf> {
    if installed(&["apt-get"]).is_none() || !Path::new(KEYRING).exists() {
        bail!("that takes apt and {KEYRING} (Debian; elsewhere: package debian-archive-keyring)");
    }
    for directory in ["lists/partial", "cache/archives/partial", "empty"] {
        make_directory(&scratch.join(directory))?;
    }
    write(&scratch.join("status"), "")?;
    write(&scratch.join("sources.list"), format!("deb [signed-by={KEYRING}] {MIRROR} {suite} main\n"))?;
    let here = scratch.display();
    let configuration = scratch.join("apt.conf");
    let text = format!(
        r#"Dir::State "{here}";
Dir::State::status "{here}/status";
Dir::State::lists "{here}/lists";
Dir::Cache "{here}/cache";
Dir::Etc::sourcelist "{here}/sources.list";
Dir::Etc::sourceparts "{here}/empty";
Dir::Etc::preferences "{here}/empty/none";
Dir::Etc::preferencesparts "{here}/empty";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "root";
Acquire::Languages "none";
"#
    );
    write(&configuration, text)?;
    Ok(configuration)
}
