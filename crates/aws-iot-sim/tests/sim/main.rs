//! The simulator as devices and operators meet it: by bytes, by mosquitto's clients, by Eclipse paho, and by the AWS CLI.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed step must fail its test"
)]

mod api_faults;
mod aws_cli;
mod broker_faults;
mod certificate_life;
mod cloud;
mod connecting;
mod control_plane;
mod delivery;
mod expiry;
mod groups_and_types;
mod mosquitto;
mod paho;
mod policy_variables;
mod program;
mod rules;
mod services;
mod sessions;
mod support;
