/// What was given is not what it should be. Nothing was sent anywhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum InputError {
    /// A name with characters, or of a length, that AWS does not take.
    #[error("{of} name {name:?} is not allowed; use 1 to {max} of a-z A-Z 0-9 {punctuation}")]
    Name {
        of: &'static str,
        name: String,
        punctuation: &'static str,
        /// Longest name in characters.
        max: usize,
    },
    /// Not the id of a certificate.
    #[error("{id:?} is no certificate id, which has 64 hexadecimal digits")]
    CertificateId { id: String },
    /// A policy that is not JSON.
    #[error("policy document: not valid JSON; correct the file")]
    PolicyNotJson(#[source] JsonError),
    /// JSON that is no policy.
    #[error("policy document: {reason}; see \"AWS IoT Core policies\" in AWS's developer guide")]
    Policy { reason: String },
    /// A policy that is too long.
    #[error(
        "policy document: {characters} characters without white space, AWS takes {max}; shorten it or split it"
    )]
    PolicyTooLong {
        /// Its characters, white space not counted.
        characters: usize,
        max: usize,
    },
    /// A prefix of topics by which devices are not kept apart.
    #[error(
        "topic prefix {prefix:?} is not usable; give levels without wildcards, one of them {{thing}}, such as \
         \"plant7/{{thing}}\""
    )]
    TopicPrefix { prefix: String },
    /// Not an AWS account's id.
    #[error(
        "account {account:?} is not usable; give the 12 digits of the AWS account id, such as 123456789012"
    )]
    Account { account: String },
    /// Not a region's name.
    #[error("region {region:?} is not usable; give an AWS region, such as ap-northeast-1")]
    Region { region: String },
    /// Not the ARN of an AWS IoT resource.
    #[error("{arn:?} is not the ARN of an AWS IoT resource (arn:PARTITION:iot:REGION:ACCOUNT:RESOURCE)")]
    Arn { arn: String },
}

/// Why JSON could not be read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JsonError(pub(crate) serde_json::Error);
