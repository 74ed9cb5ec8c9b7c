#![doc = include_str!("../README.md")]

mod config;
mod error;
mod explain;
mod identity;
mod provider;
mod roots;
mod scheme;
mod signer;

pub use config::{ClientConfigBuilder, TlsVersions, client_config};
pub use error::{Error, chip_failure, exit_status};
pub use explain::Explanation;
pub use identity::ClientIdentity;
pub use provider::default_provider;
pub use roots::roots_from_pem_file;
pub use {rustls, se050_key};
