//! The key provider on simulated chips of every version, on SoftHSM2, and on the chip that `SE050_TEST_MODULE` names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod bench;
mod bus;
mod certificate_requests;
mod certificates;
mod costs;
mod every_answer;
mod hanging;

mod matrix;
mod modules;
mod outage;
mod preflight;
mod processes;
mod selecting;
mod signing;
mod softhsm;
