/// What was given is not what it should be. Nothing was sent anywhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A name with characters, or of a length, that AWS does not take.
    #[error("{of} name {name:?} is not allowed; use 1 to {max} of a-z A-Z 0-9 {punctuation}")]
    Name {
        /// What was to be named.
        of: &'static str,
        /// The name as given.
        name: String,
        /// What is allowed besides letters and digits.
        punctuation: &'static str,
        /// Longest name in characters.
        max: usize,
    },
    /// Something else than a certificate.
    #[error("device certificate: found {found}; give the file that `se050-iot cert export` wrote")]
    NotACertificate {
        /// What was found in its place.
        found: String,
    },
    /// More than one certificate.
    #[error(
        "device certificate: found {count} certificates; give the device's own alone, without its issuers"
    )]
    SeveralCertificates {
        /// How many there are.
        count: usize,
    },
    /// A private key, alone or beside a certificate.
    #[error(
        "device certificate: the file holds a private key, which is not wanted here; give the certificate alone"
    )]
    PrivateKey,
    /// Not well-formed PEM.
    #[error("device certificate: cannot read the PEM; export it again with `se050-iot cert export`")]
    Pem(#[source] PemError),
    /// A policy that is not JSON.
    #[error("policy document: not valid JSON; correct the file")]
    PolicyNotJson(#[source] JsonError),
    /// JSON that is no policy.
    #[error(
        "policy document: no \"Statement\" in it; see \"AWS IoT Core policies\" in AWS's developer guide"
    )]
    PolicyWithoutStatement,
    /// A policy that is too long.
    #[error(
        "policy document: {characters} characters without white space, AWS takes {max}; shorten it or split it"
    )]
    PolicyTooLong {
        /// Its characters, white space not counted.
        characters: usize,
        /// What AWS takes.
        max: usize,
    },
    /// Not the ARN of an AWS IoT resource.
    #[error("{arn:?} is not the ARN of an AWS IoT resource (arn:PARTITION:iot:REGION:ACCOUNT:RESOURCE)")]
    Arn {
        /// The text as given.
        arn: String,
    },
}

/// Why PEM could not be read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct PemError(pub(crate) pem::PemError);

/// Why JSON could not be read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JsonError(pub(crate) serde_json::Error);
