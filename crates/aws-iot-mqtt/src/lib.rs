#![doc = include_str!("../README.md")]

mod builder;
mod cause;
mod client;
mod codec;
mod connection;
mod error;
mod filter;
mod hint;
mod limits;
mod message;
mod reason;
pub mod roots;
mod session;
mod subscription;
mod topic;

pub use builder::Builder;
pub use cause::Cause;
pub use client::Client;
pub use error::{Error, Stage};
pub use filter::Filter;
pub use limits::Limits;
pub use message::{Message, QoS};
pub use reason::ReasonCode;
pub use subscription::Subscription;
pub use topic::Topic;
