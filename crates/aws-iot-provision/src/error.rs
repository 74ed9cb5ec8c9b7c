use crate::certificate::CertificateId;
use crate::failed_call::FailedCall;
use crate::input_error::InputError;
use crate::name::PolicyName;

/// Why a device was not registered, or not wholly. Repeating the registration is safe: it goes on where it stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No region is configured.
    #[error("AWS client: no region is configured; give one by option, AWS_REGION or `aws configure`")]
    NoRegion,
    /// No credentials were found, or their source failed.
    #[error(
        "AWS client: no usable credentials for {}; set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
         or run `aws configure` or `aws sso login`",
        .0.action()
    )]
    Credentials(#[source] FailedCall),
    /// AWS does not accept the credentials.
    #[error(
        "{} does not accept the credentials for {}; check that they are valid and not expired, and this machine's clock",
        .0.place(), .0.action()
    )]
    NotAuthenticated(#[source] FailedCall),
    /// The operator lacks a permission.
    #[error(
        "{} denied {} for {}; allow {} on {} in the operator's IAM policy (AWS's AWSIoTConfigAccess contains it)",
        .0.place(), .0.action(), .0.subject(), .0.action(), .0.resource()
    )]
    AccessDenied(#[source] FailedCall),
    /// Too many calls.
    #[error("{} throttled {} for {}; wait a minute and run it again", .0.place(), .0.action(), .0.subject())]
    Throttled(#[source] FailedCall),
    /// No answer at all.
    #[error(
        "{} gave no answer to {}; check network, proxy (HTTPS_PROXY), region and endpoint URL, and run it again",
        .0.place(), .0.action()
    )]
    Unreachable(#[source] FailedCall),
    /// A fault on AWS's side, or something else than AWS answered.
    #[error(
        "{} did not answer {} for {} properly; run it again later, and check the endpoint URL if one is set",
        .0.place(), .0.action(), .0.subject()
    )]
    Unavailable(#[source] FailedCall),
    /// Any other refusal.
    #[error("{} refused {} for {}", .0.place(), .0.action(), .0.subject())]
    Refused(#[source] FailedCall),
    /// AWS's answer lacks what it should have, or cannot be read.
    #[error(
        "AWS IoT's answer to {action} has no {missing}; if an endpoint URL is set, check what is behind it"
    )]
    Incomplete {
        /// The IAM name of the call.
        action: &'static str,
        /// What is not there.
        missing: &'static str,
    },
    /// The thing's ARN cannot be understood.
    #[error("AWS IoT's answer to iot:CreateThing cannot be understood")]
    Arn(#[source] InputError),
    /// A policy of that name exists and says something else.
    #[error(
        "policy {policy} exists with another document, and was left as it is; choose another policy name, or give the \
         existing document (`aws iot get-policy --policy-name {policy}`)"
    )]
    PolicyDiffers {
        /// The policy.
        policy: PolicyName,
    },
    /// The certificate is registered, but not for use.
    #[error(
        "certificate {id} is registered but {status}, so the device could not connect, and it was left as it is; if it \
         is to be used: `aws iot update-certificate --certificate-id {id} --new-status ACTIVE`"
    )]
    CertificateNotActive {
        /// The certificate.
        id: CertificateId,
        /// Its status in AWS's words.
        status: String,
    },
}
