#![doc = include_str!("../README.md")]

mod commands;
mod credentials;
mod error;
mod exchange;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod jobs;
mod name;
mod provisioning;
mod rejected;
mod shadow;

pub use commands::{Command, CommandResult, Commands};
pub use credentials::{CredentialProvider, Credentials};
pub use error::{Cause, Error};
pub use jobs::{Job, JobStatus, JobSummary, Jobs, PendingJobs, StatusDetails};
pub use provisioning::{FleetProvisioning, IssuedCertificate, Registration};
pub use rejected::{RejectedErrorCode, ShadowErrorCode};
pub use shadow::{Delta, Deltas, Shadow, ShadowDocument, ShadowState, ShadowSync, ShadowUpdate};
