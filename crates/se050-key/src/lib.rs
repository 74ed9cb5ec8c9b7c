#![doc = include_str!("../README.md")]

mod bus;
mod call_error;
mod certificate;
mod certificate_file;
mod certificate_request;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod key;
mod lock;
mod lookup;
mod module;
mod object_id;
mod opening;
mod outage;
mod pin;
mod public_key;
#[allow(unsafe_code, reason = "PKCS#11 is a C interface")]
mod raw;
mod read;
mod recovery;
mod scheme;
mod selector;
mod session;
#[allow(
    unsafe_code,
    reason = "the C library's standard output, a look at it before Rust's runtime, the handler of a crash"
)]
pub mod stdout;
mod token;
mod token_builder;
mod token_info;
mod uri;
mod watchdog;
mod worker;

pub use call_error::CallError;
pub use certificate::{Certificate, CertificateTime};
pub use certificate_file::StoredCertificate;
pub use error::{Error, RESTART_EXIT_STATUS};
pub use key::Key;
pub use lock::{ChipLock, Holder};
pub use module::ModuleFile;
pub use object_id::{FactoryKey, ObjectId};
pub use pin::Pin;
pub use public_key::PublicKey;
pub use scheme::{KeyKind, Scheme};
pub use selector::Selector;
pub use token::{NXP_MODULE, Token};
pub use token_builder::{BusCheck, Preflight, TokenBuilder};
pub use token_info::{ByteOrder, TokenInfo};
pub(crate) use uri::ObjectType;
pub use uri::Pkcs11Uri;
