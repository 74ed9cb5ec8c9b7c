#![doc = include_str!("../README.md")]

mod admission;
mod arn;
mod broker;
mod builder;
mod control;
mod credential_provider;
mod directory;
mod error;
mod faults;
mod limits;
pub mod policy;
mod registry;
mod server;
mod sim;
mod statistics;
mod tls;

pub use broker::Received;
pub use builder::Builder;
pub use error::{Cause, Error};
pub use faults::{Answer, ApiRefusal, Fault, Injection, UnknownFault};
pub use sim::AwsIotSim;
pub use statistics::Statistics;
