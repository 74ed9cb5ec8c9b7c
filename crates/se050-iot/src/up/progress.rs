//! How far `up` has come, for the error that ends it.

use std::fmt;
use std::path::Path;

/// A part of the work.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage<'a> {
    /// Key and certificate.
    Chip,
    /// Which account it is, and what is to be changed there.
    Account,
    /// The changes in the account.
    Registration,
    /// The device configuration.
    Configuration,
    /// Connection and message.
    Message {
        /// The device configuration.
        config: &'a Path,
    },
}

/// What is done so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    done: Vec<String>,
    /// The changes in the account, until all of them are made.
    changes: Vec<String>,
}

impl Progress {
    /// A whole step; it stands for the single changes before it.
    pub(super) fn done(&mut self, what: String) {
        self.changes.clear();
        self.done.push(what);
    }

    /// A part of a step.
    pub(super) fn changed(&mut self, what: String) {
        self.changes.push(what);
    }

    /// The result, with what is done so far where it is an error.
    pub(super) fn at<T>(&self, stage: Stage<'_>, result: anyhow::Result<T>) -> anyhow::Result<T> {
        result.map_err(|error| {
            let done = [&self.done[..], &self.changes[..]].concat().join("; ");
            let done = if done.is_empty() { "nothing".to_owned() } else { done };
            error.context(format!(
                "`up` ended at step {stage}; done so far: {done}. Once the cause is gone, run the same command again: it goes on from \
                 there{}",
                stage.check()
            ))
        })
    }
}

impl Stage<'_> {
    /// The command that looks closer.
    fn check(&self) -> String {
        match self {
            Self::Chip => ". To check the chip: se050-iot doctor --chip".to_owned(),
            Self::Message { config } => {
                let config = config.display().to_string();
                format!(
                    ". To check the connection: se050-iot doctor --config {}",
                    crate::shell::quoted(&config)
                )
            }
            _ => String::new(),
        }
    }
}

impl fmt::Display for Stage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chip => "1 of 5, reading the chip",
            Self::Account => "2 of 5, asking AWS",
            Self::Registration => "3 of 5, the registration",
            Self::Configuration => "4 of 5, the device configuration",
            Self::Message { .. } => "5 of 5, the first message",
        })
    }
}
