#![doc = include_str!("../README.md")]

mod admission;
mod arn;
mod broker;
mod control;
mod directory;
mod error;
mod faults;
mod limits;
mod policy;
mod registry;
mod sim;
mod statistics;
mod tls;

pub use error::{Cause, Error};
pub use faults::{Answer, ApiRefusal, Fault, Injection, UnknownFault};
pub use sim::{AwsIotSim, Builder};
pub use statistics::Statistics;
