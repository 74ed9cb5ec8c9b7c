//! SoftHSM2: a PKCS#11 token in software, with one initialised token in a directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::program::{output_of, program};

/// The label of the one token.
pub const TOKEN_LABEL: &str = "throwaway";
/// The PIN of the one token: for tests, so it is no secret.
pub const USER_PIN: &str = "1234";

/// One SoftHSM2 token; its directory ends with this value.
pub struct SoftHsm {
    module: PathBuf,
    util: PathBuf,
    pkcs11_tool: PathBuf,
    directory: TempDir,
}

impl SoftHsm {
    /// A new token, or `None` after writing down the skip.
    pub fn new() -> Option<Self> {
        let util = program("softhsm2-util")?;
        let pkcs11_tool = program("pkcs11-tool")?;
        let Some(module) = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"]
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.is_file())
        else {
            crate::skip("libsofthsm2.so is not installed");
            return None;
        };
        // The tests of the crates next to the chip run on the device's C library, too (`cargo xtask cross --smoke`).
        if cfg!(target_env = "musl") && Path::new("/etc/debian_version").exists() {
            crate::skip("Debian's SoftHSM2 is a module for glibc, and this program is for musl");
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let tokens = directory.path().join("tokens");
        fs::create_dir(&tokens).expect("a directory");
        let configuration = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        fs::write(directory.path().join("softhsm2.conf"), configuration).expect("a file");
        let token = Self { module, util, pkcs11_tool, directory };
        output_of(token.command(&token.util).args([
            "--init-token",
            "--free",
            "--label",
            TOKEN_LABEL,
            "--so-pin",
            USER_PIN,
            "--pin",
            USER_PIN,
        ]));
        Some(token)
    }

    /// The PKCS#11 module.
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// The environment variable that leads the module to this token. SoftHSM2 reads it once in a process.
    pub fn environment(&self) -> (&'static str, PathBuf) {
        ("SOFTHSM2_CONF", self.directory.path().join("softhsm2.conf"))
    }

    /// Puts a private key (PKCS#8 in a PEM file) and its public key into the token. `id` is in hexadecimal.
    pub fn import_key(&self, key: &Path, label: &str, id: &str) {
        let mut command = self.command(&self.util);
        command.arg("--import").arg(key).args(["--token", TOKEN_LABEL, "--pin", USER_PIN]);
        output_of(command.args(["--label", label, "--id", id]));
    }

    /// Puts a certificate (DER) into the token. `id` is in hexadecimal.
    pub fn import_certificate(&self, certificate: &[u8], label: &str, id: &str) {
        let file = self.directory.path().join(format!("{id}.der"));
        fs::write(&file, certificate).expect("a file");
        let mut command = self.command(&self.pkcs11_tool);
        command
            .arg("--module")
            .arg(&self.module)
            .args(["--login", "--pin", USER_PIN, "--write-object"])
            .arg(&file);
        output_of(command.args(["--type", "cert", "--label", label, "--id", id]));
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let (name, value) = self.environment();
        command.env(name, value);
        command
    }
}
