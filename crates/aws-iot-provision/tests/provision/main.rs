//! The library as an operator's program uses it: against the simulated AWS IoT Core, and against scripted answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod attachments;
mod local_core;
mod refusals;
mod support;
