//! Everything that parses what comes from outside, as functions of bytes. They must not panic, whatever the bytes are.
//!
//! libFuzzer looks for bytes that make them panic (`fuzz_targets/`, by hand). The tests of se050-iot call them with the seeds in
//! `corpus/`, and with altered ones; what is behind no public function is called by its own crate's tests.

mod device;
#[cfg(feature = "operator")]
mod operator;

#[cfg(fuzzing)]
pub use aws_iot_device::fuzzing::answers;
#[cfg(fuzzing)]
pub use aws_iot_mqtt::fuzzing::{packets, proxy, records};
pub use device::{bundle, certificate, configuration, names, store, topics};
#[cfg(feature = "operator")]
pub use operator::{list, plan, policy};
#[cfg(fuzzing)]
pub use se050_key::fuzzing::attributes;
