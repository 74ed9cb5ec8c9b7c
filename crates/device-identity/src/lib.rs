#![doc = include_str!("../README.md")]

mod bundle;
mod certificate;
mod chain;
mod check;
mod config;
mod error;
mod hex;
mod identity;
mod key;
mod proof;
mod signature;
mod statement;
mod text;
mod time;

pub use bundle::{Chip, IdentityBundle, Objects};
pub use certificate::DeviceCertificate;
pub use check::{Checked, Requirements};
pub use config::{DeviceConfig, KeyConfig};
pub use error::{CertificateError, CheckError, FileError, FormatError};
pub use identity::Identity;
pub use key::KeyKind;
pub use proof::{Proof, ProofScheme};
pub use statement::{InvalidText, Statement, Subject};
