//! What is wrong with the operator's AWS configuration: found before the first call.

/// The AWS configuration of this machine, or an option of the command, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum ConfigurationError {
    /// The profile that was asked for is in none of the files.
    #[error(
        "AWS client: {asked_by} names the profile {profile:?}, and no such profile is in ~/.aws/config or ~/.aws/credentials \
         (AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE); {known}; correct the name, or run `aws configure --profile NAME`"
    )]
    UnknownProfile { asked_by: &'static str, profile: String, known: String },
    /// The profile's credentials need a code from an MFA device, which this program does not ask for.
    #[error(
        "AWS client: the profile {profile:?} asks for an MFA code (mfa_serial), and this program cannot ask for one; get temporary \
         credentials with the AWS CLI (version 2), and run this without --profile: \
         `eval \"$(aws configure export-credentials --profile {profile} --format env)\"`"
    )]
    ProfileNeedsMfa { profile: String },
    /// The files with profiles cannot be read.
    #[error("AWS client: cannot read the profiles in ~/.aws/config and ~/.aws/credentials; correct the file")]
    Profiles(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The region is no region's name.
    #[error(
        "AWS client: the region {region:?} from {source_name} is not usable; give one such as ap-northeast-1"
    )]
    Region { source_name: String, region: String },
}

/// Why credentials that were found are not sent. The credentials themselves are not in the text.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {part} has {count} character(s) that none can have, such as a line end or a space; write it again, \
     without what stands around it (a file with Windows line ends adds a carriage return)"
)]
pub(crate) struct UnusableCredentials {
    pub(crate) part: &'static str,
    pub(crate) count: usize,
}
