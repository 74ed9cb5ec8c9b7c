//! Handshakes with a key in the simulated chip and in SoftHSM2, judged by OpenSSL and by rustls' own server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod chip_trouble;
mod explaining;
mod files;
mod handshake;
mod openssl;
mod softhsm;
mod support;
