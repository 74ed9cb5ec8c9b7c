//! The client as applications use it: against mosquitto, the simulated AWS IoT Core, and servers that follow a script.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test may panic"
)]

#[cfg(feature = "durable")]
mod abuse;
mod aws_faults;
mod aws_iot_sim;
#[cfg(feature = "durable")]
mod durable;
mod features;
mod misbehaving;
mod mosquitto;
mod nothing_lost;
mod proxy;
mod roots;
mod server_certificate;
mod server_trouble;
mod sessions;
mod signer;
mod starting;
mod support;
mod trying_again;
mod unreachable;
mod validity;
