#![doc = include_str!("../README.md")]

mod bus;
mod call_error;
mod certificate;
mod error;
mod key;
mod lock;
mod module;
mod object_id;
mod opening;
mod outage;
mod pin;
mod public_key;
#[allow(unsafe_code, reason = "PKCS#11 is a C interface")]
mod raw;
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
mod uri;
mod worker;

pub use call_error::CallError;
pub use certificate::{Certificate, CertificateTime, StoredCertificate};
pub use error::{Error, RESTART_EXIT_STATUS};
pub use key::{Key, LONGEST_COMMON_NAME};
pub use lock::{ChipLock, Holder};
pub use module::ModuleFile;
pub use object_id::{ByteOrder, FactoryKey, ObjectId};
pub use pin::Pin;
pub use public_key::PublicKey;
#[cfg(any(test, fuzzing))]
pub use public_key::fuzzing;
pub use scheme::{KeyKind, Scheme};
pub use selector::Selector;
pub use token::{NXP_MODULE, Token, TokenInfo};
pub use token_builder::{BusCheck, Preflight, TokenBuilder};
pub(crate) use uri::ObjectType;
pub use uri::Pkcs11Uri;
