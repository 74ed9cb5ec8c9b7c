//! The clients that are compared.

use std::path::{Path, PathBuf};
use std::process::Command;

use benchmarks::Broker;

/// Where the programs lie that the measurements start.
pub(crate) struct Programs {
    /// Built by cargo in release mode.
    pub(crate) directory: PathBuf,
    /// The same in the profile of what goes to devices.
    pub(crate) dist: PathBuf,
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
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
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
            Client::Ours => Command::new(self.program("ours")),
            Client::Rumqttc => Command::new(self.program("rumqttc")),
            Client::AwsSdk => self.script("aws_sdk.py"),
        };
        broker.tell(&mut command);
        command
    }
}
