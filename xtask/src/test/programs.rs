//! The programs that the tests need, from Debian's packages.

use std::process::Command;

use crate::command::installed;
use crate::debian;

/// No program but a module of Python, which Debian keeps in a package of its own.
const VENV: &str = "venv";

/// What the tests need: a program, and Debian's package of it.
pub(crate) const NEEDED: &[(&str, &str)] = &[
    ("softhsm2-util", "softhsm2"),
    ("pkcs11-tool", "opensc"),
    ("p11tool", "gnutls-bin"),
    ("mosquitto", "mosquitto"),
    ("mosquitto_pub", "mosquitto-clients"),
    ("openssl", "openssl"),
    // With its client module, and the library that `se050-iot serve` speaks its protocol with.
    ("p11-kit", "p11-kit"),
    ("python3", "python3"),
    (VENV, "python3-venv"),
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
pub(crate) fn install_missing(needed: &[(&str, &'static str)]) -> anyhow::Result<()> {
    let missing = needed.iter().filter(|(program, _)| !is_there(program));
    let missing: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if missing.is_empty() {
        println!("programs: all there");
    } else if debian::can_install() {
        return debian::install(&missing);
    } else {
        println!("programs: the tests that need these Debian packages are skipped: {}", missing.join(" "));
    }
    Ok(())
}

fn is_there(program: &str) -> bool {
    if program == VENV {
        let import = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
        return import.is_ok_and(|output| output.status.success());
    }
    installed(&[program]).is_some()
}
