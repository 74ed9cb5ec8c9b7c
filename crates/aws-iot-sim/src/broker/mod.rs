//! The message broker: MQTT 5 over mutual TLS, with AWS IoT Core's rules.

mod connect;
mod counters;
mod delivery;
mod handshake;
mod hub;
mod link;
mod member;
mod membership;
mod publish;
mod session;
mod subscribe;
mod topic;
mod wire;

pub(crate) use counters::Counters;
pub(crate) use handshake::{Broker, listen};
pub(crate) use hub::Hub;
