#![doc = include_str!("../README.md")]

mod arn;
mod calls;
mod certificate;
mod client;
mod device;
mod error;
mod failed_call;
mod input_error;
mod name;
mod policy;
mod provisioner;
mod step;

pub use arn::ArnScope;
pub use certificate::{CertificateId, DeviceCertificate};
pub use client::{ClientOptions, aws_client_config};
pub use device::{Attachment, Device};
pub use error::Error;
pub use failed_call::FailedCall;
pub use input_error::InputError;
pub use name::{PolicyName, ThingName};
pub use policy::PolicyDocument;
pub use provisioner::{Provisioned, Provisioner};
pub use step::{Outcome, Step, Subject};
