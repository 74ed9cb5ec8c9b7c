//! The simulated module as its clients meet it: called directly, by OpenSC's pkcs11-tool, and through its command.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests that call a C interface, and that must fail loudly"
)]

mod attributes;
mod bench;
mod command;
mod costs;
mod faults;
mod general;
mod peers;
mod pkcs11_tool;
mod pkcs11_tool_versions;
mod quirk;
mod search;
mod sessions;
mod signatures;
mod versions;
mod versions_search;
