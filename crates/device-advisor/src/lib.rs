#![doc = include_str!("../README.md")]

mod any_client;
mod backoff;
mod cases;
mod connection;
mod credentials;
mod device;
pub mod devices;
mod judge;
mod packet;
mod table;
mod verdict;

pub use cases::{CASES, Case};
pub use device::Device;
pub use table::{Row, Table, run, side_by_side};
pub use verdict::{Finding, Verdict};
