#![doc = include_str!("../README.md")]

mod builder;
mod client;
mod clock;
mod codec;
mod connection;
mod error;
mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod limits;
mod message;
mod message_queue;
mod outbox;
mod proxy;
mod reason;
mod reconnect;
mod session;
mod statistics;
mod subscription;
mod topic;

pub use builder::Builder;
pub use client::{Client, DisconnectReason};
pub use error::{Cause, Error, Stage};
pub use event::{Event, Events};
pub use limits::Limits;
pub use message::{Message, Payload, PayloadFormat, Properties, Publication, QoS, Will};
pub use message_queue::{Messages, WhenUnread};
#[cfg(feature = "durable")]
pub use outbox::durable;
pub use outbox::{OfflineQos0, OutboxOptions, Receipt, WhenFull};
pub use proxy::Proxy;
pub use reason::ReasonCode;
pub use reconnect::{Reconnect, Verdict};
pub use statistics::Statistics;
pub use subscription::{RetainHandling, SubscribeOptions, Subscription};
pub use topic::{Filter, Topic};
/// The crates whose types are part of this one's API.
pub use {bytes, rustls};

/// The certificate authorities that AWS IoT Core's servers are signed by.
pub mod roots {
    pub use crate::connection::amazon;
}
