#![doc = include_str!("../README.md")]

mod budget;
mod bus;
mod call_error;
mod certificate;
mod der_integer;
mod error;
mod holder;
mod key;
mod link;
mod lock;
mod login;
mod lookup;
mod module;
mod object_id;
mod outage;
mod owner;
mod pin;
mod preset;
mod public_key;
mod pulse;
#[allow(
    unsafe_code,
    reason = "PKCS#11 is a C interface, and cryptoki makes two of its calls in a way that costs the chip"
)]
mod raw;
mod read;
mod registry;
mod report;
mod scheme;
mod selector;
mod session;
pub mod stdout;
mod target;
mod token;
mod uri;
mod verdict;

pub use call_error::CallError;
pub use certificate::{Certificate, CertificateTime, StoredCertificate};
pub use error::Error;
pub use holder::Holder;
pub use key::Key;
pub use lookup::ByteOrder;
pub use object_id::ObjectId;
pub use pin::Pin;
pub use preset::FactoryKey;
pub use public_key::{KeyKind, PublicKey};
pub use pulse::OwnerState;
pub use report::{Cost, FactoryObject, Report, RsaPssCost, SessionState};
pub use scheme::Scheme;
pub use selector::Selector;
pub use token::{NXP_MODULE, SessionPolicy, Token, TokenBuilder, TokenInfo};
pub use uri::{ObjectType, Pkcs11Uri};
pub use verdict::RESTART_EXIT_STATUS;
