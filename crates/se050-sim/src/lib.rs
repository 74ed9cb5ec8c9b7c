#![doc = include_str!("../README.md")]

mod chip;
mod error;
mod i2c_shim;
mod module;
#[allow(unsafe_code, reason = "PKCS#11's C interface: the pointers are the client's")]
mod pkcs11;

pub use chip::{Calls, Chip, Fault, Latency, ShortEcdsa, Version};
pub use error::{Cause, Error};
pub use i2c_shim::I2cShim;
pub use module::WOULD_CRASH;
