#![doc = include_str!("../README.md")]

mod config;
mod error;
mod explain;
mod identity;
mod pem_files;
mod request;
mod resolver;
mod scheme;
mod signer;
mod versions;

pub use config::{ClientConfigBuilder, client_config};
pub use error::{Error, chip_failure, chip_failure_in, exit_status};
pub use identity::ClientIdentity;
pub use pem_files::{intermediates_from_pem_file, roots_from_pem_dir, roots_from_pem_file};
pub use versions::TlsVersions;
