#![doc = include_str!("../README.md")]

mod config;
mod error;
mod identity;
mod roots;
mod scheme;
mod signer;

pub use config::client_config;
pub use error::{Error, chip_failure};
pub use identity::ClientIdentity;
pub use roots::roots_from_pem_file;
