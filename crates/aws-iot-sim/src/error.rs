//! What can go wrong when the simulator starts.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The simulator could not start, or refused what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The account id is not one.
    #[error("account id {0:?} must be twelve digits")]
    Account(String),
    /// A port could not be opened.
    #[error("aws-iot-sim cannot listen on port {port}: is another program using it? Port 0 takes a free one")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the simulator's directory could not be written.
    #[error("aws-iot-sim cannot write {}: choose another directory", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The throwaway certificates or the TLS configuration could not be made.
    #[error("aws-iot-sim cannot set up TLS")]
    Tls(#[source] Cause),
    /// The simulator's own thread or runtime could not be started.
    #[error("aws-iot-sim cannot start its thread")]
    Thread(#[source] io::Error),
    /// The registry refused a resource, with AWS's name for the reason.
    #[error("aws-iot-sim's registry refuses the device")]
    Refused(#[source] Cause),
    /// The broker does not take a message of the cloud side.
    #[error("aws-iot-sim does not take the message")]
    Message(#[source] Cause),
}

/// The error of another crate, which is not part of this crate's interface.
#[derive(Debug)]
pub struct Cause(Box<dyn std::error::Error + Send + Sync>);

impl Error {
    pub(crate) fn tls(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Tls(Cause(Box::new(error)))
    }

    pub(crate) fn message(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Message(Cause(Box::new(error)))
    }

    pub(crate) fn refused(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Refused(Cause(Box::new(error)))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
