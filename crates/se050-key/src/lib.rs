#![doc = include_str!("../README.md")]

mod certificate;
mod der_integer;
mod error;
mod key;
mod module;
mod object_id;
mod owner;
mod pin;
mod public_key;
#[allow(
    unsafe_code,
    reason = "PKCS#11 is a C interface, and cryptoki makes two of its calls in a way that costs the chip"
)]
mod raw;
mod scheme;
mod selector;
mod session;
pub mod stdout;
mod token;

pub use certificate::Certificate;
pub use error::{CallError, Error};
pub use key::Key;
pub use object_id::ObjectId;
pub use pin::Pin;
pub use public_key::{KeyKind, PublicKey};
pub use scheme::Scheme;
pub use selector::Selector;
pub use token::{Token, TokenBuilder, TokenInfo};
