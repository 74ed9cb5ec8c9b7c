//! What can go wrong.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::jobs::JobStatus;
use crate::{RejectedErrorCode, ShadowErrorCode};

/// Why a request of the device was not carried out. Each says what was asked for.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name cannot be part of a topic.
    #[error("'{name}' is no {kind}: 1 to {longest} letters, digits and '{punctuation}' are allowed")]
    Name {
        /// What it should be.
        kind: &'static str,
        /// What it is.
        name: String,
        /// Which characters are allowed beside letters and digits.
        punctuation: &'static str,
        /// How long it may be.
        longest: usize,
    },
    /// A value does not keep to what AWS takes. Nothing was sent.
    #[error("cannot {action}: {item} has {actual}, and AWS IoT takes at most {limit} ({unit})")]
    TooLarge {
        /// What was to be done.
        action: String,
        /// What is too large.
        item: &'static str,
        /// How large it is.
        actual: usize,
        /// How large it may be.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// A value is not what AWS takes. Nothing was sent.
    #[error("cannot {action}: {reason}")]
    Invalid {
        /// What was to be done.
        action: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The request could not be sent, or its answers could not be subscribed to.
    #[error("cannot {action}")]
    Mqtt {
        /// What was to be done.
        action: String,
        /// Why not.
        source: Box<aws_iot_mqtt::Error>,
    },
    /// No answer came in time. Whether the request was carried out is not known.
    #[error("cannot {action}: no answer within {} s; {}", .after.as_secs_f32(), no_answer_hint(.offline.is_some()))]
    NoAnswer {
        /// What was to be done.
        action: String,
        /// How long was waited.
        after: Duration,
        /// Why there was no connection, where that is the reason.
        #[source]
        offline: Option<Box<aws_iot_mqtt::Error>>,
    },
    /// The answer is not what AWS's documentation says.
    #[error("cannot {action}: the answer cannot be understood")]
    Answer {
        /// What was to be done.
        action: String,
        /// What is wrong with it.
        source: Cause,
    },
    /// The application's own type cannot be written as JSON, or not be read from it.
    #[error("cannot {action}: the state does not fit the application's type")]
    State {
        /// What was to be done.
        action: String,
        /// What does not fit.
        source: Cause,
    },
    /// The Device Shadow service refused the request.
    #[error("cannot {action}: the Device Shadow service refused with {code}: {}{}", printable(.message), shadow_hint(.code))]
    ShadowRejected {
        /// What was to be done.
        action: String,
        /// Its code.
        code: ShadowErrorCode,
        /// Its words.
        message: String,
    },
    /// AWS IoT Jobs refused the request.
    #[error("cannot {action}: AWS IoT Jobs refused with {}: {}{}", printable(.code), printable(.message), Status(.status))]
    JobRejected {
        /// What was to be done.
        action: String,
        /// Its code.
        code: RejectedErrorCode,
        /// Its words.
        message: String,
        /// The status of the execution, where AWS tells it.
        status: Option<JobStatus>,
    },
    /// AWS IoT commands refused the request.
    #[error("cannot {action}: AWS IoT commands refused with {}: {}", printable(.code), printable(.message))]
    CommandRejected {
        /// What was to be done.
        action: String,
        /// Its code.
        code: RejectedErrorCode,
        /// Its words.
        message: String,
    },
    /// Fleet provisioning refused the request.
    #[error("cannot {action}: AWS IoT fleet provisioning refused with {} ({status}): {}{}", printable(.code), printable(.message), provisioning_hint(.code))]
    ProvisioningRejected {
        /// What was to be done.
        action: String,
        /// HTTP's status code for it.
        status: u64,
        /// AWS's code, such as `InvalidCertificateOwnershipToken`.
        code: String,
        /// Its words.
        message: String,
    },
    /// The credential provider refused the request.
    #[error("cannot {action}: the credential provider refused with HTTP status {status}: {}{}", printable(.message), credentials_hint(*.status))]
    CredentialsRefused {
        /// What was to be done.
        action: String,
        /// HTTP's status code.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The credential provider could not be reached.
    #[error("cannot {action}: no answer from {host}")]
    Https {
        /// What was to be done.
        action: String,
        /// Host and port.
        host: String,
        /// Why not.
        source: Cause,
    },
    /// The list of commands that have begun cannot be kept. Without it, a command could run twice.
    #[error("cannot keep the list of begun commands in {}", .path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Cause,
    },
}

impl Error {
    pub(crate) fn mqtt(action: impl Into<String>, source: aws_iot_mqtt::Error) -> Self {
        Self::Mqtt { action: action.into(), source: Box::new(source) }
    }

    /// Whether the client was at its end, because its program has disconnected it.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Mqtt { source, .. } if matches!(**source, aws_iot_mqtt::Error::Closed))
    }

    /// Whether the same request may succeed later: there was no answer, or AWS throttled or failed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Https { .. } => true,
            Self::Mqtt { source, .. } => matches!(**source, aws_iot_mqtt::Error::OperationTimeout { .. }),
            Self::ShadowRejected { code, .. } => code.is_transient(),
            Self::JobRejected { code, .. } | Self::CommandRejected { code, .. } => code.is_transient(),
            Self::ProvisioningRejected { status, .. } => *status == 429 || *status >= 500,
            Self::CredentialsRefused { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// Whether the shadow's version was another than the update named ([`ShadowErrorCode::Conflict`]).
    pub fn is_version_conflict(&self) -> bool {
        matches!(self, Self::ShadowRejected { code: ShadowErrorCode::Conflict, .. })
    }

    /// Whether there is no such shadow ([`ShadowErrorCode::NotFound`]).
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::ShadowRejected { code: ShadowErrorCode::NotFound, .. })
    }
}

/// An error of a library that this crate uses.
#[derive(Debug, Clone)]
pub struct Cause(Arc<dyn std::error::Error + Send + Sync>);

impl Cause {
    pub(crate) fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

struct Status<'a>(&'a Option<JobStatus>);

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |status| write!(f, " (the job is {status})"))
    }
}

/// What the other side wrote, on one line: control characters are escaped.
fn printable(text: impl fmt::Display) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { c.to_string() };
    text.to_string().chars().map(escaped).collect()
}

fn no_answer_hint(offline: bool) -> &'static str {
    if offline {
        "there is no connection"
    } else {
        "the policy probably does not allow iot:Receive on the answer's topic, or AWS IoT throttles; whether the request was \
         carried out is not known"
    }
}

fn shadow_hint(code: &ShadowErrorCode) -> &'static str {
    match code {
        ShadowErrorCode::Conflict => "; somebody else has changed it: get it, and update that version",
        ShadowErrorCode::PayloadTooLarge => {
            "; a shadow holds 8 KiB unless AWS has raised the account's quota"
        }
        ShadowErrorCode::TooManyRequests => "; send less at a time",
        _ => "",
    }
}

fn provisioning_hint(code: &str) -> &'static str {
    match code {
        "InvalidCertificateOwnershipToken" => "; the token is valid for an hour: begin anew",
        "InvalidCsr" => "; AWS IoT takes RSA keys of 2048 bits and more, and P-256, P-384 and P-521",
        _ => "",
    }
}

fn credentials_hint(status: u16) -> &'static str {
    match status {
        403 => {
            "; probably the certificate's policy does not allow iot:AssumeRoleWithCertificate on the role alias, the role does \
             not trust credentials.iot.amazonaws.com, or the certificate is not ACTIVE"
        }
        404 => "; probably the role alias does not exist in this account and region",
        _ => "",
    }
}
