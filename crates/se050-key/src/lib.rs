#![doc = include_str!("../README.md")]

mod bus;
mod call_error;
mod certificate;
mod der_integer;
mod error;
mod key;
mod lock;
mod login;
mod lookup;
mod module;
mod module_file;
#[allow(unsafe_code, reason = "the C library's standard output, and the handler of a crash in the module")]
pub mod module_log;
mod object_id;
mod options;
mod outage;
mod pin;
mod preflight;
mod preset;
mod public_key;
#[allow(unsafe_code, reason = "PKCS#11 is a C interface")]
mod raw;
mod read;
mod recovery;
mod report;
mod scheme;
mod selector;
mod session;
#[allow(unsafe_code, reason = "whether standard output was closed is seen only before Rust's runtime starts")]
pub mod stdout;
mod token;
mod token_info;
mod uri;
mod verdict;
mod watchdog;
mod worker;

pub use call_error::CallError;
pub use certificate::{Certificate, CertificateTime, StoredCertificate};
pub use error::Error;
pub use key::Key;
pub use lock::Holder;
pub use module_file::ModuleFile;
pub use object_id::ObjectId;
pub use pin::Pin;
pub use preflight::{BusCheck, Preflight};
pub use preset::FactoryKey;
pub use public_key::PublicKey;
pub use report::Report;
pub use scheme::{KeyKind, Scheme};
pub use selector::Selector;
pub use token::{NXP_MODULE, Token, TokenBuilder};
pub use token_info::{ByteOrder, TokenInfo};
pub(crate) use uri::ObjectType;
pub use uri::Pkcs11Uri;
pub use verdict::RESTART_EXIT_STATUS;
pub use watchdog::TokenState;
