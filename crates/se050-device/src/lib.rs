#![doc = include_str!("../README.md")]

#[cfg(feature = "clap")]
mod args;
mod device;
mod exit;
mod token;

#[cfg(feature = "clap")]
pub use args::{DeviceArgs, TlsVersion};
pub use device::{Device, DeviceOptions};
pub use exit::{exit, verdict};
pub use token::{KeyAndCertificate, TokenArgs};
