#![doc = include_str!("../README.md")]

mod arn;
mod calls;
mod certificate;
mod change;
mod client;
mod deprovision;
mod device;
mod error;
mod failed_call;
pub mod fleet;
mod grants;
mod iam;
mod input_error;
mod marker;
mod name;
mod pace;
mod plan;
mod policy;
mod provisioner;

pub use arn::ArnScope;
pub use certificate::CertificateId;
pub use change::{Action, Change, Subject};
pub use client::{ClientOptions, aws_client_config};
pub use deprovision::{Removal, RemovalPlan};
pub use device::{Attachment, Device, Rights, Settings, Status};
pub use device_identity::DeviceCertificate;
pub use error::Error;
pub use failed_call::FailedCall;
pub use grants::Grants;
pub use iam::operator_iam_policy;
pub use input_error::InputError;
pub use name::{PolicyName, ThingName};
pub use pace::CALLS_PER_SECOND;
pub use plan::Plan;
pub use policy::PolicyDocument;
pub use provisioner::{Provisioned, Provisioner};
