#![doc = include_str!("../README.md")]

#[cfg(feature = "clap")]
mod args;
mod device;
mod exit;
#[cfg(feature = "clap")]
mod log;
mod options;
#[cfg(feature = "signal")]
mod stop;
mod token;

#[cfg(feature = "clap")]
pub use args::DeviceArgs;
pub use device::{Device, DeviceSettings};
pub use exit::{chain, exit, exit_status, failure_log, module_log, verdict};
#[cfg(feature = "clap")]
pub use log::{LogArgs, Verbosity};
pub use options::DeviceOptions;
#[cfg(feature = "signal")]
pub use stop::{Stop, StopSignal};
pub use token::{KeyAndCertificate, TokenArgs};
