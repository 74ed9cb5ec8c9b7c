use crate::certificate::CertificateId;
use crate::configuration::ConfigurationError;
use crate::failed_call::FailedCall;
use crate::input_error::InputError;
use crate::name::{PolicyName, ThingName};

/// Why a device was not registered, or not wholly. Repeating the registration is safe: it goes on where it stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No region is configured.
    #[error("AWS client: no region is configured; give one by option, AWS_REGION or `aws configure`")]
    NoRegion,
    /// The AWS configuration of this machine, or an option, cannot be used.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// No credentials were found, or their source failed.
    #[error(
        "AWS client: no usable credentials for {}; set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
         or run `aws configure` or `aws sso login`",
        .0.action()
    )]
    Credentials(#[source] FailedCall),
    /// AWS does not accept the credentials.
    #[error(
        "{} does not accept the credentials for {}; check that they are valid and not expired (`aws sts get-caller-identity` \
         with the same profile), and this machine's clock",
        .0.place(), .0.action()
    )]
    NotAuthenticated(#[source] FailedCall),
    /// This machine's clock differs too much from AWS's.
    #[error(
        "{} refused {}, because this machine's clock is wrong: it says {}{}; set the clock (NTP) and run it again",
        .0.place(), .0.action(), .0.local_time(),
        .0.remote_time().map(|time| format!(", the answer says {time}")).unwrap_or_default()
    )]
    Clock(#[source] FailedCall),
    /// The account or the region is not activated.
    #[error(
        "{} refused {}, because the account or this region is not activated for AWS IoT; enable the region in the account's \
         settings, finish the account's sign-up, or use another region",
        .0.place(), .0.action()
    )]
    NotActivated(#[source] FailedCall),
    /// Something else than AWS answered.
    #[error(
        "{} for {}: the answer does not come from AWS; probably a proxy or firewall on the way refused it: ask its \
         administrator to let this host through, and check HTTPS_PROXY, NO_PROXY and the endpoint URL if one is set",
        .0.place(), .0.action()
    )]
    NotAws(#[source] FailedCall),
    /// The operator lacks a permission.
    #[error(
        "{} denied {} for {}; {}",
        .0.place(), .0.action(), .0.subject(), .0.denial().advice(.0.denied_action(), .0.denied_resource())
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
    /// The certificate is registered in another status than is wanted.
    #[error(
        "certificate {id} is registered but {status}, and was left as it is, since somebody may have meant it; if it is to be \
         {wanted}: `aws iot update-certificate --certificate-id {id} --new-status {wanted}`"
    )]
    CertificateStatus {
        /// The certificate.
        id: CertificateId,
        /// Its status in AWS's words.
        status: String,
        /// The status that was asked for.
        wanted: &'static str,
    },
    /// The certificate is attached to another thing.
    #[error(
        "certificate {id} belongs to {others} already, and nothing was changed; if that device was renamed or replaced, \
         deprovision it first; if several things shall have the certificate, register each of them as shared (--shared)"
    )]
    CertificateElsewhere {
        /// The certificate.
        id: CertificateId,
        /// The other things.
        others: String,
    },
    /// The thing exists with another type.
    #[error(
        "thing {thing} exists with {found} instead of the type {wanted}, and nothing was changed; choose another name, or ask for that type"
    )]
    ThingType {
        /// The thing.
        thing: ThingName,
        /// What it has.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The policy has as many versions as AWS keeps, and all of them came back when they were deleted.
    #[error(
        "policy {policy} has as many versions as AWS keeps, and others are making new ones; run it again"
    )]
    PolicyVersions {
        /// The policy.
        policy: PolicyName,
    },
    /// Something that is to be taken away was not made by this program.
    #[error(
        "{what} was not made by se050-iot, and nothing was changed; look at it, and say --force if it is to go all the same"
    )]
    NotMadeHere {
        /// What it is.
        what: String,
    },
}

impl Error {
    /// Whether the same may succeed later, without anybody doing anything about it.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Throttled(_) | Self::Unreachable(_) | Self::Unavailable(_))
    }
}
