//! The broker that all clients are measured with.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use test_peers::{Mosquitto, Pki, TlsVersion};

/// mosquitto, and a client certificate that it lets in.
pub struct Broker {
    /// The broker.
    pub mosquitto: Mosquitto,
    /// Whoever it issues a certificate to is let in.
    pub pki: Pki,
    directory: tempfile::TempDir,
}

impl Broker {
    /// Starts it on a free port of loopback.
    ///
    /// # Errors
    /// mosquitto is not installed; a file cannot be written.
    pub fn start(version: TlsVersion) -> anyhow::Result<Self> {
        let pki = Pki::new();
        let mosquitto =
            Mosquitto::start_quiet(&pki.ca_pem(), version).context("mosquitto is not installed")?;
        let broker = Self { mosquitto, directory: tempfile::tempdir()?, pki };
        let client = broker.pki.client("bench");
        for (file, text) in [
            ("ca", broker.mosquitto.server_ca_pem()),
            ("cert", &client.certificate_pem),
            ("key", &client.key_pem),
        ] {
            std::fs::write(broker.file(file), text)?;
        }
        Ok(broker)
    }

    /// `ca`, `cert` or `key`, in PEM.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.pem"))
    }

    /// Tells a client program where the broker is, and who the client is.
    pub fn tell(&self, command: &mut Command) {
        command.args(["--port", &self.mosquitto.port().to_string()]);
        for file in ["ca", "cert", "key"] {
            command.arg(format!("--{file}")).arg(self.file(file));
        }
    }
}
