use std::error::Error as StdError;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iot::operation::RequestId;

use crate::error::Error;

/// A call to AWS IoT's control plane, as the user has to know it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The IAM name of the action.
    pub(crate) action: &'static str,
    /// What the call is about, in words.
    pub(crate) subject: String,
    /// What an IAM policy has to name ("Actions, resources, and condition keys for AWS IoT" in AWS's Service
    /// Authorization Reference).
    pub(crate) resource: String,
}

/// A call to AWS that failed: which one, and what AWS said.
#[derive(Debug)]
pub struct FailedCall(Box<Inner>);

#[derive(Debug)]
struct Inner {
    call: Call,
    place: String,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl FailedCall {
    /// The IAM name of the action, such as `iot:CreateThing`.
    pub fn action(&self) -> &'static str {
        self.0.call.action
    }

    /// What the call was about, in words.
    pub fn subject(&self) -> &str {
        &self.0.call.subject
    }

    /// The resource that an IAM policy must name to allow the call.
    pub fn resource(&self) -> &str {
        &self.0.call.resource
    }

    /// The IAM action that is not allowed: as AWS names it, since for some calls IAM knows another name than the API.
    pub fn denied_action(&self) -> &str {
        self.said_after("not authorized to perform: ").unwrap_or(self.action())
    }

    /// The resource on which it is not allowed: as AWS names it, or as it is known here.
    pub fn denied_resource(&self) -> &str {
        self.said_after("on resource: ").unwrap_or(self.resource())
    }

    fn said_after(&self, words: &str) -> Option<&str> {
        self.message()?.split_once(words)?.1.split_whitespace().next()
    }

    /// Who was called: the control plane with its region or URL.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// AWS's code for the error.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// AWS's message.
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// The id by which AWS's support finds the call.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }
}

impl fmt::Display for FailedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code(), self.message()) {
            (Some(code), Some(message)) => write!(f, "{code}: {message}")?,
            (Some(text), None) | (None, Some(text)) => f.write_str(text)?,
            (None, None) => match &self.0.cause {
                Some(cause) => write!(f, "{cause}")?,
                None => write!(f, "{} failed", self.action())?,
            },
        }
        match self.request_id() {
            Some(id) => write!(f, " (request id {id})"),
            None => Ok(()),
        }
    }
}

impl StdError for FailedCall {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        // Without an answer, the cause's own text is this error's.
        self.0.cause.as_deref().and_then(StdError::source)
    }
}

impl Call {
    /// What a failure of this call means to the user.
    pub(crate) fn failed<E>(self, place: &str, error: SdkError<E>) -> Error
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let code = error.code().map(str::to_owned);
        let kind = kind_of(&error, code.as_deref());
        let answered = matches!(error, SdkError::ServiceError(_));
        let failed = FailedCall(Box::new(Inner {
            call: self,
            place: place.to_owned(),
            message: error.message().map(str::to_owned),
            request_id: error.request_id().map(str::to_owned),
            // What AWS answered is all in code, message and request id: the SDK's own text would say it twice.
            cause: if answered && code.is_some() { None } else { error.into_source().ok() },
            code,
        }));
        kind(failed)
    }
}

fn kind_of<E>(error: &SdkError<E>, code: Option<&str>) -> fn(FailedCall) -> Error
where
    E: StdError + Send + Sync + 'static,
{
    if is_about_credentials(error) {
        return Error::Credentials;
    }
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            Error::Unreachable
        }
        SdkError::ServiceError(answer) => match (code.unwrap_or_default(), answer.raw().status().as_u16()) {
            (
                "UnrecognizedClientException"
                | "InvalidClientTokenId"
                | "InvalidSignatureException"
                | "SignatureDoesNotMatch"
                | "ExpiredTokenException"
                | "ExpiredToken"
                | "RequestExpired"
                | "IncompleteSignatureException"
                | "MissingAuthenticationTokenException",
                _,
            ) => Error::NotAuthenticated,
            ("ThrottlingException" | "TooManyRequestsException", _) | (_, 429) => Error::Throttled,
            ("AccessDeniedException" | "UnauthorizedException" | "ForbiddenException", _)
            | (_, 401 | 403) => Error::AccessDenied,
            (_, 500..) => Error::Unavailable,
            _ => Error::Refused,
        },
        _ => Error::Refused,
    }
}

/// The SDK has no kind of its own for this: the credential chain's error stands somewhere below the call's.
fn is_about_credentials(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| error.is::<CredentialsError>())
}
