//! How much a program logs, and the module's own log.

use std::fs::File;
use std::io;

use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;

/// How much to log. For `#[command(flatten)]`.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// How much to log, to standard error; from Info on, the PKCS#11 module's own log is shown, too
    #[arg(long, value_enum, ignore_case = true, help_heading = "Log")]
    pub verbosity: Option<Verbosity>,
    /// The same as --verbosity Info
    #[arg(long, short, conflicts_with = "verbosity", help_heading = "Log")]
    pub verbose: bool,
}

/// The log levels by the names of AWS's sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Verbosity {
    NoLogs,
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogArgs {
    /// The level, for tracing's subscribers: warnings, unless something else was asked for.
    pub fn level(&self) -> LevelFilter {
        self.level_or(LevelFilter::WARN)
    }

    /// The level, for a program that shows most of it by itself.
    pub fn level_or(&self, default: LevelFilter) -> LevelFilter {
        match self.verbosity {
            _ if self.verbose => LevelFilter::INFO,
            None => default,
            Some(Verbosity::NoLogs) => LevelFilter::OFF,
            Some(Verbosity::Fatal | Verbosity::Error) => LevelFilter::ERROR,
            Some(Verbosity::Warn) => LevelFilter::WARN,
            Some(Verbosity::Info) => LevelFilter::INFO,
            Some(Verbosity::Debug) => LevelFilter::DEBUG,
            Some(Verbosity::Trace) => LevelFilter::TRACE,
        }
    }

    /// Standard output, for the program alone: the PKCS#11 module's log goes to standard error, or is kept aside.
    ///
    /// # Errors
    /// The operating system gives no descriptor, pipe or thread.
    pub fn standard_output(&self) -> io::Result<File> {
        let output = se050_key::stdout::set_aside()?;
        if self.level() < LevelFilter::INFO {
            se050_key::stdout::keep_log()?;
        }
        Ok(output)
    }
}
