//! The parts that nobody here wrote, as the tests start them: mosquitto, SoftHSM2, OpenSC, OpenSSL, tinyproxy, the
//! AWS CLI, moto, ministack, Python.
//!
//! Each part lives in a temporary directory of its own and ends with its value, so tests run in parallel.
//! A part that is not installed gives `None`, after the skip was written down (see [`skip`]).
//!
//! This crate is for tests: where a part that *is* installed does not do its work, it panics with what the part said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken test set-up must fail its test"
)]

mod aws_cli;
#[allow(clippy::indexing_slicing, reason = "indices are computed from the lengths, and a test may panic")]
mod fuzz;
mod keys;
mod ministack;
mod mosquitto;
mod moto;
mod openssl_server;
mod p11_kit;
mod pki;
mod port;
mod program;
mod python;
mod running;
mod skip;
mod softhsm;
mod template;
mod tinyproxy;

pub use aws_cli::{AwsCli, aws_cli};
pub use fuzz::fuzz;
pub use keys::{KeyKind, PrivateKeyFile};
pub use ministack::Ministack;
pub use mosquitto::{Mosquitto, TlsVersion};
pub use moto::Moto;
pub use openssl_server::OpensslServer;
pub use p11_kit::{P11_KIT_ADDRESS, p11_kit_client};
pub use pki::{Issued, Pki};
pub use port::{CLOSED_PORT, unused_port};
pub use program::{c_compiler, output_of, program, this_program};
pub use python::{python, venv_program};
pub use running::{Lines, Running};
pub use skip::skip;
pub use softhsm::{SoftHsm, TOKEN_LABEL, USER_PIN};
pub use template::PROVISIONING_TEMPLATE;
pub use tinyproxy::Tinyproxy;
