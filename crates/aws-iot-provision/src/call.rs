//! A call to AWS as the user has to know it, and what its failure means.

use std::error::Error as StdError;
use std::fmt;
use std::time::SystemTime;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_iot::config::http::HttpResponse;
use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iot::operation::RequestId;
use aws_sdk_iot::primitives::{DateTime, DateTimeFormat};

use crate::error::Error;
use crate::name::CertificateId;

/// How much of an answer that is not AWS's is shown, in characters.
const SHOWN_CHARACTERS: usize = 200;

/// For calls that IAM knows only as a whole.
pub(crate) const ANY_RESOURCE: &str = "*";

/// AWS's code of an error for what is not there.
pub(crate) const NOT_FOUND: &str = "ResourceNotFoundException";

/// A call to AWS IoT's control plane, as the user has to know it.
#[derive(Debug)]
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
pub struct FailedCall {
    pub(crate) call: Call,
    /// Who was called: the control plane with its region or URL.
    pub(crate) place: String,
    /// AWS's code for the error.
    pub(crate) code: Option<String>,
    message: Option<String>,
    /// The id by which AWS's support finds the call.
    request_id: Option<String>,
    /// The `Date` of the answer: what the clock of whoever answered says.
    pub(crate) remote_time: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl FailedCall {
    /// Which policy denied it, and what to do about that.
    pub(crate) fn advice(&self) -> String {
        let message = self.message.as_deref().unwrap_or_default();
        let said_after = |words: &str| message.split_once(words)?.1.split_whitespace().next();
        // As AWS names them, since for some calls IAM knows another name than the API.
        let action = said_after("not authorized to perform: ").unwrap_or(self.call.action);
        let resource = said_after("on resource: ").unwrap_or(&self.call.resource);
        advice(message, action, resource)
    }

    /// What this machine's clock says, for an error about it.
    pub(crate) fn local_time(&self) -> String {
        let time = DateTime::from(SystemTime::now()).fmt(DateTimeFormat::HttpDate);
        time.unwrap_or_else(|_| "a time that cannot be written".to_owned())
    }
}

impl fmt::Display for FailedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_deref(), self.message.as_deref()) {
            (Some(code), Some(message)) => write!(f, "{code}: {message}")?,
            (Some(text), None) | (None, Some(text)) => f.write_str(text)?,
            (None, None) => match &self.cause {
                Some(cause) => write!(f, "{cause}")?,
                None => write!(f, "{} failed", self.call.action)?,
            },
        }
        match &self.request_id {
            Some(id) => write!(f, " (request id {id})"),
            None => Ok(()),
        }
    }
}

impl StdError for FailedCall {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        // Without an answer, the cause's own text is this error's.
        self.cause.as_deref().and_then(StdError::source)
    }
}

pub(crate) fn on(action: &'static str, subject: impl fmt::Display, resource: impl fmt::Display) -> Call {
    Call { action, subject: subject.to_string(), resource: resource.to_string() }
}

pub(crate) fn on_thing(action: &'static str, thing: impl fmt::Display) -> Call {
    on(action, format_args!("thing {thing}"), format_args!("thing/{thing}"))
}

pub(crate) fn on_policy(action: &'static str, policy: impl fmt::Display) -> Call {
    on(action, format_args!("policy {policy}"), format_args!("policy/{policy}"))
}

pub(crate) fn on_certificate(action: &'static str, id: &CertificateId) -> Call {
    on(action, format_args!("certificate {id}"), format_args!("cert/{id}"))
}

/// In the SDK's answers everything is optional; what AWS always sends is not.
pub(crate) fn part<T>(action: &'static str, missing: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or(Error::Incomplete { action, missing })
}

/// `None` for what AWS does not find.
pub(crate) fn unless_missing<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is(NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Call {
    /// What a failure of this call means to the user.
    pub(crate) fn failed<E>(self, place: &str, error: SdkError<E>) -> Error
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let code = error.code().map(str::to_owned);
        let kind = kind_of(&error, code.as_deref(), error.message(), error.request_id());
        let answered = matches!(error, SdkError::ServiceError(_));
        let answer = error.raw_response();
        let message = match answer {
            Some(answer) if code.is_none() && error.message().is_none() => Some(foreign(answer)),
            _ => error.message().map(printable),
        };
        let failed = Box::new(FailedCall {
            call: self,
            place: place.to_owned(),
            message,
            request_id: error.request_id().map(printable),
            remote_time: answer.and_then(|answer| answer.headers().get("date")).map(printable),
            // What AWS answered is all in code, message and request id: the SDK's own text would say it twice.
            cause: if answered && code.is_some() { None } else { error.into_source().ok() },
            code: code.as_deref().map(printable),
        });
        kind(failed)
    }
}

fn kind_of<E>(
    error: &SdkError<E>,
    code: Option<&str>,
    message: Option<&str>,
    request_id: Option<&str>,
) -> fn(Box<FailedCall>) -> Error
where
    E: StdError + Send + Sync + 'static,
{
    if is_about_credentials(error) {
        return Error::Credentials;
    }
    let answer = match error {
        SdkError::ServiceError(answer) => answer.raw(),
        // An answer that cannot be read as AWS's: a page of HTML, say.
        SdkError::ResponseError(answer) if (300..500).contains(&answer.raw().status().as_u16()) => {
            return Error::NotAws;
        }
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            return Error::Unreachable;
        }
        _ => return Error::Refused,
    };
    match code.unwrap_or_default() {
        // Signature Version 4 with a wrong date has no code of its own in AWS IoT: its message tells.
        "RequestTimeTooSkewed" | "RequestExpired" => Error::Clock,
        "InvalidSignatureException" | "SignatureDoesNotMatch" if is_about_time(message) => Error::Clock,
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "ExpiredTokenException"
        | "ExpiredToken"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException" => Error::NotAuthenticated,
        "OptInRequired" | "SubscriptionRequiredException" => Error::NotActivated,
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedException" | "ForbiddenException" => {
            Error::AccessDenied
        }
        "ThrottlingException" | "TooManyRequestsException" | "Throttling" | "RequestLimitExceeded" => {
            Error::Throttled
        }
        _ if answer.status().as_u16() == 429 => Error::Throttled,
        _ if answer.status().as_u16() >= 500 => Error::Unavailable,
        // AWS gives each of its answers a request id, and each refusal a code.
        "" if request_id.is_none() => Error::NotAws,
        "" if matches!(answer.status().as_u16(), 401 | 403) => Error::AccessDenied,
        _ => Error::Refused,
    }
}

fn is_about_time(message: Option<&str>) -> bool {
    message
        .is_some_and(|text| text.contains("Signature expired") || text.contains("Signature not yet current"))
}

/// What somebody else than AWS answered, in a line.
fn foreign(answer: &HttpResponse) -> String {
    let text = String::from_utf8_lossy(answer.body().bytes().unwrap_or_default()).into_owned();
    let title = text.split_once("<title>").and_then(|(_, rest)| Some(rest.split_once("</title>")?.0));
    let shown: String = title.unwrap_or(&text).chars().take(SHOWN_CHARACTERS).collect();
    format!("HTTP status {}: {:?}", answer.status(), shown.trim())
}

/// With control characters written out: what another machine sends must not steer the operator's terminal.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// The SDK has no kind of its own for this: the credential chain's error stands somewhere below the call's.
fn is_about_credentials(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| error.is::<CredentialsError>())
}

/// Policies that the operator usually cannot change, in AWS's words, with what they are called here.
const GUARDRAILS: [(&str, &str); 5] = [
    ("service control policy", "a service control policy (SCP) of the organization"),
    ("resource control policy", "a resource control policy (RCP) of the organization"),
    ("permissions boundary", "the permissions boundary of this user or role"),
    ("session policy", "the session policy of these temporary credentials"),
    ("vpc endpoint policy", "the policy of the VPC endpoint on the way"),
];

/// What to do about a call that AWS denied, as far as its message tells: `... is not authorized to perform: iot:CreateThing on
/// resource: ... with an explicit deny in a service control policy` ("Troubleshoot access denied error messages" in AWS's IAM user guide).
fn advice(message: &str, action: &str, resource: &str) -> String {
    let message = message.to_lowercase();
    let mut reasons =
        ["with an explicit deny in ", "because no "].iter().filter_map(|words| message.split_once(words));
    let reason = reasons.next().unwrap_or_default().1;
    if let Some((_, name)) = GUARDRAILS.iter().find(|(aws, _)| reason.contains(aws)) {
        return format!(
            "{name} does not let {action} through, and the operator's IAM policy cannot change that; ask whoever administers \
             it to allow {action} on {resource}"
        );
    }
    if message.contains("with an explicit deny") {
        return format!(
            "a Deny statement in one of the operator's policies covers {action} on {resource}, so allowing it elsewhere does \
             not help; it may have a condition, such as a login with MFA: meet the condition, or change that statement"
        );
    }
    format!(
        "allow {action} on {resource} in the operator's IAM policy (AWS's AWSIoTConfigAccess contains it)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_that_stands_in_the_way_is_told_by_its_kind() {
        const WHO: &str = "User: arn:aws:iam::123456789012:user/op is not authorized to perform: iot:CreateThing on resource: \
                           arn:aws:iot:us-east-1:123456789012:thing/dev1";
        let (not_allowed, denied) =
            ("in the operator's IAM policy (", "a Deny statement in one of the operator's");
        for (reason, says) in [
            ("", not_allowed),
            (" because no identity-based policy allows the iot:CreateThing action", not_allowed),
            (" with an explicit deny in an identity-based policy", denied),
            (" with an explicit deny", denied),
            (" with an explicit deny in a service control policy", GUARDRAILS[0].1),
            (" because no service control policy allows the iot:CreateThing action", GUARDRAILS[0].1),
            (" with an explicit deny in a permissions boundary", GUARDRAILS[2].1),
            (" because no session policy allows the iot:CreateThing action", GUARDRAILS[3].1),
            (" with an explicit deny in a VPC endpoint policy", GUARDRAILS[4].1),
        ] {
            let advice = advice(&format!("{WHO}{reason}"), "iot:CreateThing", "thing/dev1");
            assert!(advice.contains(says), "{reason}: {advice}");
            assert!(advice.contains("iot:CreateThing") && advice.contains("thing/dev1"), "{advice}");
            assert_eq!(advice.contains(not_allowed), says == not_allowed, "{advice}");
        }
        // The name of a thing is no reason.
        assert!(advice("denied for thing/service control policy", "a", "b").contains(not_allowed));
    }
}
