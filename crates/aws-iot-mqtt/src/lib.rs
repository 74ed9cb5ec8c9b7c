#![doc = include_str!("../README.md")]

mod acknowledgement;
mod builder;
mod cause;
mod client;
mod clock;
mod codec;
mod connection;
mod error;
mod event;
mod filter;
mod hint;
mod limits;
mod message;
mod message_queue;
mod outbox;
mod properties;
mod proxy;
mod publication;
mod reason;
mod receipt;
mod reconnect;
pub mod roots;
mod session;
mod stage;
mod statistics;
mod subscription;
mod topic;
mod verdict;
mod will;

pub use builder::Builder;
pub use cause::{Cause, Report};
pub use client::{Client, DisconnectReason};
pub use error::Error;
pub use event::{Event, Events};
pub use filter::Filter;
pub use limits::Limits;
pub use message::{Message, QoS};
pub use message_queue::WhenUnread;
#[cfg(feature = "durable")]
pub use outbox::durable;
pub use outbox::{OfflineQos0, OutboxOptions, WhenFull};
pub use properties::{PayloadFormat, Properties};
pub use proxy::Proxy;
pub use publication::{Payload, Publication};
pub use reason::ReasonCode;
pub use receipt::Receipt;
pub use reconnect::{AfterRefusals, Reconnect};
pub use stage::Stage;
pub use statistics::Statistics;
pub use subscription::{Messages, RetainHandling, SubscribeOptions, Subscription};
pub use topic::Topic;
pub use verdict::Verdict;
pub use will::Will;
/// The crates whose types are part of this one's API.
pub use {bytes, rustls};
