//! The message broker: MQTT 5 over mutual TLS, with AWS IoT Core's rules.

mod cloud;
mod connect;
mod connection;
mod counters;
mod delivery;
mod handshake;
mod hub;
mod message;
mod negotiation;
mod pace;
mod publish;
mod received;
mod services;
mod session;
mod session_handle;
mod subscribe;
mod topic;
mod transport;
mod will;
mod wire;

pub(crate) use cloud::{CloudFault, CloudMessage};
pub(crate) use counters::Counters;
pub(crate) use handshake::{Broker, listen};
pub(crate) use hub::Hub;
pub use received::Received;
