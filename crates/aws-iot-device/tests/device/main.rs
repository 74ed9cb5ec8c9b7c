//! The services of a device, against parts that nobody here wrote (ministack, AWS's device SDK for Python), and against a service
//! that follows a script, for what those do not do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod answers;
mod command_reports;
mod commands;
mod conditions;
mod credentials;
mod jobs;
mod provisioning;
mod shadow;
mod support;
mod sync;
