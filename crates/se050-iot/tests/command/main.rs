//! The command as people type it: against the simulated chip and SoftHSM2, aws-iot-sim, moto and ministack; the end state is read
//! back with the AWS CLI.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod cert_export;
mod command_results;
#[cfg(feature = "completions")]
mod completions;
mod doctor;
mod fuzzing;
mod identity;
mod json;
mod module_log;
mod objects;
mod outbox;
mod output;
mod publishing;
mod selecting;
mod serve;
mod shared_options;
mod subscribing;
mod support;
mod terminal;

#[cfg(feature = "provision")]
mod credentials;
#[cfg(feature = "provision")]
mod deprovision;
#[cfg(feature = "provision")]
mod device_services;
#[cfg(feature = "provision")]
mod doctor_operator;
#[cfg(feature = "provision")]
mod fleet;
#[cfg(feature = "provision")]
mod help;
#[cfg(feature = "provision")]
mod interrupted;
#[cfg(feature = "provision")]
mod lists;
#[cfg(feature = "provision")]
mod ministack;
#[cfg(feature = "provision")]
mod one_device;
#[cfg(feature = "provision")]
mod options;
#[cfg(feature = "provision")]
mod plans;
#[cfg(feature = "provision")]
mod policies;
#[cfg(feature = "provision")]
mod printed;
#[cfg(feature = "provision")]
mod registry;
#[cfg(feature = "provision")]
mod round_trip;
#[cfg(feature = "provision")]
mod up;
