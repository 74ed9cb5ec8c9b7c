//! The clients that are compared, and the broker that all of them are measured with.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use test_peers::{Mosquitto, Pki, TlsVersion};

/// Where the programs lie that the measurements start.
pub(crate) struct Programs {
    /// Built by cargo in release mode; the client programs are in `examples`.
    pub(crate) directory: PathBuf,
    /// A Python that has awsiotsdk, boto3 and the AWS CLI beside it.
    pub(crate) python: PathBuf,
}

/// A client of the publishing benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Ours,
    AwsSdk,
    Rumqttc,
}

impl Programs {
    pub(crate) fn example(&self, name: &str) -> PathBuf {
        self.directory.join("examples").join(name)
    }

    /// A script of `peers/`, to be run by Python.
    pub(crate) fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name));
        command
    }

    /// The client's program with the arguments that say where the broker is.
    pub(crate) fn client(&self, client: Client, broker: &Broker) -> Command {
        let mut command = match client {
            Client::Ours => Command::new(self.example("ours")),
            Client::Rumqttc => Command::new(self.example("rumqttc")),
            Client::AwsSdk => self.script("aws_sdk.py"),
        };
        command.args(["--port", &broker.mosquitto.port().to_string()]);
        for file in ["ca", "cert", "key"] {
            command.arg(format!("--{file}")).arg(broker.file(file));
        }
        command
    }
}

/// mosquitto, and a client certificate that it lets in.
pub(crate) struct Broker {
    pub(crate) mosquitto: Mosquitto,
    pub(crate) pki: Pki,
    directory: tempfile::TempDir,
}

impl Broker {
    pub(crate) fn start(version: TlsVersion) -> anyhow::Result<Self> {
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
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.pem"))
    }
}
