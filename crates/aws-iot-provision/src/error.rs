use crate::call::FailedCall;
use crate::client::ConfigurationError;
use crate::name::{CertificateId, PolicyName, ThingName};

/// Why a device was not registered, or not wholly. Repeating the registration is safe: it goes on where it stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what its variant is, and names its fields")]
pub enum Error {
    #[error("AWS client: no region is configured; give one by option, AWS_REGION or `aws configure`")]
    NoRegion,
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error(
        "AWS client: no usable credentials for {}; set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
         or run `aws configure` or `aws sso login`",
        .0.call.action
    )]
    Credentials(#[source] Box<FailedCall>),
    #[error(
        "{} does not accept the credentials for {}; check that they are valid and not expired (`aws sts get-caller-identity` \
         with the same profile), and this machine's clock",
        .0.place, .0.call.action
    )]
    NotAuthenticated(#[source] Box<FailedCall>),
    #[error(
        "{} refused {}, because this machine's clock is wrong: it says {}{}; set the clock (NTP) and run it again",
        .0.place, .0.call.action, .0.local_time(),
        .0.remote_time.as_ref().map(|time| format!(", the answer says {time}")).unwrap_or_default()
    )]
    Clock(#[source] Box<FailedCall>),
    #[error(
        "{} refused {}, because the account or this region is not activated for AWS IoT; enable the region in the account's \
         settings, finish the account's sign-up, or use another region",
        .0.place, .0.call.action
    )]
    NotActivated(#[source] Box<FailedCall>),
    #[error(
        "{} for {}: the answer does not come from AWS; probably a proxy or firewall on the way refused it: ask its \
         administrator to let this host through, and check HTTPS_PROXY, NO_PROXY and the endpoint URL if one is set",
        .0.place, .0.call.action
    )]
    NotAws(#[source] Box<FailedCall>),
    #[error(
        "{} denied {} for {}; {}",
        .0.place, .0.call.action, .0.call.subject, .0.advice()
    )]
    AccessDenied(#[source] Box<FailedCall>),
    #[error("{} throttled {} for {}; wait a minute and run it again", .0.place, .0.call.action, .0.call.subject)]
    Throttled(#[source] Box<FailedCall>),
    #[error(
        "{} gave no answer to {}; check network, proxy (HTTPS_PROXY), region and endpoint URL, and run it again",
        .0.place, .0.call.action
    )]
    Unreachable(#[source] Box<FailedCall>),
    #[error(
        "{} did not answer {} for {} properly; run it again later, and check the endpoint URL if one is set",
        .0.place, .0.call.action, .0.call.subject
    )]
    Unavailable(#[source] Box<FailedCall>),
    #[error("{} refused {} for {}", .0.place, .0.call.action, .0.call.subject)]
    Refused(#[source] Box<FailedCall>),
    #[error(
        "AWS IoT's answer to {action} has no {missing}; if an endpoint URL is set, check what is behind it"
    )]
    Incomplete {
        /// The IAM name of the call.
        action: &'static str,
        missing: &'static str,
    },
    #[error("AWS IoT's answer to iot:CreateThing cannot be understood")]
    Arn(#[source] InputError),
    #[error(transparent)]
    Policy(InputError),
    #[error(
        "{found} is not {wanted}, and nothing was changed; check AWS_PROFILE, the credentials, the region and the endpoint URLs"
    )]
    OtherAccount { found: String, wanted: String },
    #[error("{what} {reason}; nothing was changed")]
    Unusable { what: String, reason: String },
    #[error("attributes of thing {thing}: {reason}; nothing was changed")]
    Attributes { thing: ThingName, reason: String },
    #[error(
        "certificate {id} is registered and {status}; it was left as it is, because {because}. To make it {wanted}: {remedy}"
    )]
    CertificateStatus {
        id: CertificateId,
        status: String,
        because: &'static str,
        wanted: &'static str,
        remedy: String,
    },
    #[error(
        "certificate {id} belongs to the thing {} already, and nothing was changed; if that device was renamed or replaced, \
         remove it first: `se050-iot remove --thing-name {}{options}`; if several things are to have the certificate, register \
         each of them with --shared",
        others.join(", "),
        others.first().map_or("NAME", String::as_str)
    )]
    CertificateElsewhere { id: CertificateId, others: Vec<String>, options: String },
    #[error(
        "thing {thing} has another certificate already: {others}; nothing was changed. If this device has another one's name by \
         mistake, find out which is which; if it takes the place of the old one, --replace detaches and deactivates the old \
         certificate; if the thing shall have both, --add"
    )]
    OtherCertificates { thing: ThingName, others: String },
    #[error(
        "thing {thing} exists with {found} instead of the type {wanted}, and nothing was changed; choose another name, or ask for that type"
    )]
    ThingType { thing: ThingName, found: String, wanted: String },
    #[error(
        "thing {thing} {what}; register it first (`se050-iot provision`), or check name, account and region"
    )]
    NotRegistered { thing: ThingName, what: &'static str },
    #[error("certificate {id} is not registered in this account and region; check id, account and region")]
    NoCertificate { id: String },
    #[error("thing {thing} has several certificates: {certificates}; say which one with --certificate-id ID")]
    WhichCertificate { thing: ThingName, certificates: String },
    #[error(
        "{what} was not made by se050-iot, and nothing was changed; look at it, and say --force if it is to go all the same"
    )]
    NotMadeHere { what: String },
    #[error(
        "policy {policy} has five versions, as many as AWS keeps, and nothing was changed; --delete-oldest-version deletes version \
         {oldest} for the new one (it cannot be gone back to then)"
    )]
    PolicyVersions { policy: PolicyName, oldest: String },
    #[error(
        "the account is no longer as it was when the plan was made, which does not have: {steps}; nothing was changed. Make a new plan"
    )]
    Stale { steps: String },
    #[error("{} changed while {} for {} was under way; run it again", .0.place, .0.call.action, .0.call.subject)]
    Changed(#[source] Box<FailedCall>),
    /// Under another id than the SHA-256 of its DER; not on AWS itself, but some simulations do so.
    #[error("the certificate is registered already, as {id}")]
    RegisteredAs { id: CertificateId },
}

impl Error {
    /// Whether AWS refused the call with that code.
    pub(crate) fn is(&self, code: &str) -> bool {
        matches!(self, Self::Refused(call) if call.code.as_deref() == Some(code))
    }

    /// Whether this call does not exist there, or is not allowed, while others may be.
    pub(crate) fn is_about_the_call(&self) -> bool {
        match self {
            Self::Refused(call) => call.code.as_deref() != Some("InvalidRequestException"),
            Self::NotAuthenticated(call) => {
                call.code.as_deref() == Some("MissingAuthenticationTokenException")
            }
            Self::AccessDenied(_) | Self::NotAws(_) => true,
            Self::Unavailable(call) => call.code.is_none(),
            _ => false,
        }
    }

    /// The refusal means that the plan is no longer right.
    pub(crate) fn into_changed(self) -> Self {
        match self {
            Self::Refused(call) => Self::Changed(call),
            other => other,
        }
    }

    /// Whether it would go wrong with every device in the same way.
    pub(crate) fn stops_everything(&self) -> bool {
        self.is("MalformedPolicyException")
            || matches!(
                self,
                Self::NoRegion
                    | Self::Configuration(_)
                    | Self::Clock(_)
                    | Self::NotActivated(_)
                    | Self::NotAws(_)
                    | Self::Credentials(_)
                    | Self::NotAuthenticated(_)
                    | Self::AccessDenied(_)
                    | Self::OtherAccount { .. }
                    | Self::Unusable { .. }
                    | Self::Policy(_)
            )
    }
}

/// What was given is not what it should be. Nothing was sent anywhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what its variant is, and names its fields")]
pub enum InputError {
    #[error("{of} name {name:?} is not allowed; use 1 to {max} of a-z A-Z 0-9 {punctuation}")]
    Name {
        of: &'static str,
        name: String,
        punctuation: &'static str,
        /// Longest name in characters.
        max: usize,
    },
    #[error("{id:?} is no certificate id, which has 64 hexadecimal digits")]
    CertificateId { id: String },
    #[error("policy document: not valid JSON; correct the file")]
    PolicyNotJson(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("policy document: {reason}; see \"AWS IoT Core policies\" in AWS's developer guide")]
    Policy { reason: String },
    #[error(
        "policy document: {characters} characters without white space, AWS takes {max}; shorten it or split it"
    )]
    PolicyTooLong {
        /// Its characters, white space not counted.
        characters: usize,
        max: usize,
    },
    #[error(
        "topic prefix {prefix:?} is not usable; give levels without wildcards, one of them {{thing}}, such as \
         \"plant7/{{thing}}\""
    )]
    TopicPrefix { prefix: String },
    #[error(
        "account {account:?} is not usable; give the 12 digits of the AWS account id, such as 123456789012"
    )]
    Account { account: String },
    #[error("region {region:?} is not usable; give an AWS region, such as ap-northeast-1")]
    Region { region: String },
    #[error("{arn:?} is not the ARN of an AWS IoT resource (arn:PARTITION:iot:REGION:ACCOUNT:RESOURCE)")]
    Arn { arn: String },
}
