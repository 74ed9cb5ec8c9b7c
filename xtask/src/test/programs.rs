//! The programs that the tests need, from Debian's packages.

use std::process::Command;

use crate::command::installed;
use crate::debian;

/// A file that a package brings, and the package.
const NEEDED: &[(&str, &str)] = &[
    ("softhsm2-util", "softhsm2"),
    ("pkcs11-tool", "opensc"),
    ("p11tool", "gnutls-bin"),
    ("mosquitto", "mosquitto"),
    ("mosquitto_pub", "mosquitto-clients"),
    ("openssl", "openssl"),
    // With its client module, and the library that `se050-iot serve` speaks its protocol with.
    ("p11-kit", "p11-kit"),
    ("python3", "python3"),
    ("tinyproxy", "tinyproxy-bin"),
    ("strace", "strace"),
    // Counts instructions.
    ("valgrind", "valgrind"),
    // File systems for the durable outbox's tests.
    ("mkfs.ext4", "e2fsprogs"),
    ("mkfs.btrfs", "btrfs-progs"),
];

/// Installs what is missing on Debian as root. Elsewhere it says what is missing: the tests that need it are skipped.
///
/// # Errors
/// The installation fails.
pub(crate) fn install_missing() -> anyhow::Result<()> {
    let mut missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| installed(&[program]).is_none())
        .map(|(_, package)| *package)
        .collect();
    if !has_venv() {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        println!("programs: all there");
        return Ok(());
    }
    if debian::can_install() {
        return debian::install(&missing);
    }
    println!("programs: the tests that need these Debian packages are skipped: {}", missing.join(" "));
    Ok(())
}

/// Debian keeps part of Python's venv in a package of its own.
fn has_venv() -> bool {
    Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .output()
        .is_ok_and(|output| output.status.success())
}
