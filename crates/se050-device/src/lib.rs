#![doc = include_str!("../README.md")]

#[cfg(feature = "clap")]
mod args;
mod device;
mod exit;
mod token;

#[cfg(feature = "clap")]
pub use args::{DeviceArgs, TlsVersion};
pub use device::{Device, DeviceOptions, DeviceSettings};
pub use exit::{chain, exit, verdict};
pub use token::{KeyAndCertificate, TokenArgs};
