//! The program as people run it: against mosquitto and the local AWS IoT Core, with keys in the simulated chip and SoftHSM2.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod certificates;
mod how_to;
mod mosquitto;
mod outside_application;
mod p11_kit;
mod selecting;
mod stopping;
