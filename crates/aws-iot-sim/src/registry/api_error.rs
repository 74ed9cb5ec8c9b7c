//! The errors of the control plane, with AWS's names and statuses (AWS IoT API reference).

use std::fmt;

/// An operation's refusal, in AWS's terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub(crate) struct ApiError {
    pub(crate) kind: ApiErrorKind,
    pub(crate) message: String,
    /// The id and the ARN of the resource that is in the way.
    pub(crate) resource: Option<(String, String)>,
}

/// Which of AWS's exceptions it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiErrorKind {
    AccessDenied,
    CertificateState,
    CertificateValidation,
    DeleteConflict,
    Forbidden,
    GatewayTimeout,
    InternalFailure,
    InvalidRequest,
    LimitExceeded,
    MalformedPolicy,
    MissingAuthenticationToken,
    RequestEntityTooLarge,
    ResourceAlreadyExists,
    ResourceNotFound,
    Throttling,
    UnknownOperation,
    VersionConflict,
    VersionsLimitExceeded,
}

impl ApiError {
    pub(crate) fn new(kind: ApiErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), resource: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ApiErrorKind::InvalidRequest, message)
    }

    pub(crate) fn not_found(what: impl fmt::Display) -> Self {
        Self::new(ApiErrorKind::ResourceNotFound, format!("{what} does not exist"))
    }

    pub(crate) fn already_exists(message: impl Into<String>, id: &str, arn: &str) -> Self {
        Self {
            kind: ApiErrorKind::ResourceAlreadyExists,
            message: message.into(),
            resource: Some((id.to_owned(), arn.to_owned())),
        }
    }
}

impl ApiErrorKind {
    /// The exception's name, as in the `x-amzn-errortype` header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDeniedException",
            Self::CertificateState => "CertificateStateException",
            Self::CertificateValidation => "CertificateValidationException",
            Self::DeleteConflict => "DeleteConflictException",
            Self::Forbidden => "ForbiddenException",
            Self::GatewayTimeout => "GatewayTimeoutException",
            Self::InternalFailure => "InternalFailureException",
            Self::InvalidRequest => "InvalidRequestException",
            Self::LimitExceeded => "LimitExceededException",
            Self::MalformedPolicy => "MalformedPolicyException",
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::RequestEntityTooLarge => "RequestEntityTooLargeException",
            Self::ResourceAlreadyExists => "ResourceAlreadyExistsException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::Throttling => "ThrottlingException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::VersionConflict => "VersionConflictException",
            Self::VersionsLimitExceeded => "VersionsLimitExceededException",
        }
    }

    /// The HTTP status.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::CertificateValidation | Self::InvalidRequest | Self::MalformedPolicy | Self::Throttling => {
                400
            }
            Self::AccessDenied | Self::Forbidden | Self::MissingAuthenticationToken => 403,
            Self::ResourceNotFound | Self::UnknownOperation => 404,
            Self::CertificateState => 406,
            Self::DeleteConflict
            | Self::ResourceAlreadyExists
            | Self::VersionConflict
            | Self::VersionsLimitExceeded => 409,
            Self::LimitExceeded => 410,
            Self::RequestEntityTooLarge => 413,
            Self::InternalFailure => 500,
            Self::GatewayTimeout => 504,
        }
    }
}

impl fmt::Display for ApiErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
