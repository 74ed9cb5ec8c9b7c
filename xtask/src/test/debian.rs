//! The programs that the tests need, from Debian's packages.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

/// A file that a package brings, and the package.
const NEEDED: [(&str, &str); 6] = [
    ("softhsm2-util", "softhsm2"),
    ("pkcs11-tool", "opensc"),
    ("mosquitto", "mosquitto"),
    ("mosquitto_pub", "mosquitto-clients"),
    ("openssl", "openssl"),
    ("python3", "python3"),
];

/// Installs what is missing, where that is possible.
pub(crate) fn install_missing() -> anyhow::Result<()> {
    let mut missing: Vec<&str> =
        NEEDED.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect();
    if !has_venv() {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        println!("programs: all there");
        return Ok(());
    }
    let packages = missing.join(" ");
    if !rustix::process::geteuid().is_root() || !is_installed("apt-get") {
        bail!(
            "the tests need these Debian packages: as root, run\n\n    apt-get install --no-install-recommends {packages}\n"
        );
    }
    println!("programs: installing {packages}");
    apt_get(&["update", "-q"])?;
    let mut arguments = vec!["install", "-q", "-y", "--no-install-recommends"];
    arguments.extend(missing);
    apt_get(&arguments)
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    // Debian starts a broker of its own as soon as mosquitto is installed; the tests start theirs themselves.
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("RUNLEVEL", "1")
        .status()
        .context("apt-get does not start")?;
    ensure!(status.success(), "apt-get {} failed; what it says is above", arguments.join(" "));
    Ok(())
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(|directory| Path::new(directory).to_owned()))
        .any(|directory| directory.join(program).is_file())
}

/// Debian keeps part of Python's venv in a package of its own.
fn has_venv() -> bool {
    Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .output()
        .is_ok_and(|output| output.status.success())
}
