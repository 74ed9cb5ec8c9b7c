//! The calls, one function each: what is asked, and which of AWS's answers are not failures.

mod attachments;
mod certificates;
mod pages;
mod policies;
mod retry;
mod settling;
mod things;

use std::fmt;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_iot::Client;
use aws_sdk_iot::config::retry::RetryConfig;
use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};
use tokio::sync::OnceCell;

pub(crate) use attachments::AttachedThing;
pub(crate) use certificates::{FoundCertificate, RegisteredCertificate};
pub(crate) use settling::pauses;
pub(crate) use things::FoundThing;

use crate::certificate::CertificateId;
use crate::error::Error;
use crate::failed_call::{Call, is_throttled, is_transient};
use crate::name::{PolicyName, ThingName};
use crate::pace::Pace;

/// The type must be said: left out, AWS answers with the legacy endpoint, whose server certificate is not from Amazon's
/// own roots (AWS IoT API reference, DescribeEndpoint).
const ENDPOINT_TYPE: &str = "iot:Data-ATS";

/// For calls that IAM knows only as a whole.
const ANY_RESOURCE: &str = "*";

/// Most that AWS puts on one page (AWS IoT API reference: `maxResults` and `pageSize` of the lists that are used here).
const PAGE: i32 = 250;

/// What the AWS SDK does too, where nothing else is configured.
const DEFAULT_ATTEMPTS: u32 = 3;

#[derive(Debug, Clone)]
pub(crate) struct ControlPlane {
    client: Client,
    /// Who is called, in the user's words.
    place: Arc<str>,
    /// How often one call is tried, at most.
    attempts: u32,
    pace: Pace,
    /// One for an account and region: asked for once.
    endpoint: Arc<OnceCell<String>>,
}

impl ControlPlane {
    pub(crate) fn new(config: &SdkConfig) -> Result<Self, Error> {
        let region = config.region().ok_or(Error::NoRegion)?;
        let place = match config.endpoint_url() {
            Some(url) => format!("AWS IoT control plane at {url}"),
            None => format!("AWS IoT control plane in {region}"),
        };
        let attempts = config.retry_config().map_or(DEFAULT_ATTEMPTS, RetryConfig::max_attempts);
        // Each attempt is ours: throttling has to slow down everybody who makes the same call, not this one alone.
        let client = aws_sdk_iot::config::Builder::from(config).retry_config(RetryConfig::disabled()).build();
        Ok(Self {
            client: Client::from_conf(client),
            place: place.into(),
            attempts,
            pace: Pace::default(),
            endpoint: Arc::default(),
        })
    }

    pub(crate) fn paced(mut self, pace: Pace, attempts: u32) -> Self {
        self.pace = pace;
        // What the environment allows (AWS_MAX_ATTEMPTS=1) still bounds it downwards.
        if self.attempts > 1 {
            self.attempts = self.attempts.max(attempts);
        }
        self
    }

    /// Who is called.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// The host name where devices connect.
    pub(crate) async fn describe_endpoint(&self) -> Result<String, Error> {
        self.endpoint.get_or_try_init(|| self.ask_for_endpoint()).await.cloned()
    }

    async fn ask_for_endpoint(&self) -> Result<String, Error> {
        let call = on("iot:DescribeEndpoint", "the device endpoint", ANY_RESOURCE);
        let request = self.client.describe_endpoint().endpoint_type(ENDPOINT_TYPE);
        match self.send(&call, || request.clone().send()).await {
            Ok(answer) => part(&call, "endpointAddress", answer.endpoint_address),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// Makes the call when its turn has come, and again where that may help. Every call can be made again: that it took
    /// effect and only its answer was lost shows as "exists already" or "not found", which the callers understand.
    async fn send<T, E, F>(&self, call: &Call, attempt: impl Fn() -> F) -> Result<T, SdkError<E>>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata,
    {
        let mut attempts = 1;
        loop {
            self.pace.turn(call.action).await;
            let result = attempt().await;
            let error = match result {
                Err(error) if is_throttled(&error) => {
                    self.pace.throttled(call.action);
                    error
                }
                Err(error) if is_transient(&error) => error,
                other => {
                    self.pace.answered(call.action);
                    return other;
                }
            };
            if attempts >= self.attempts {
                return Err(error);
            }
            tracing::debug!(action = call.action, attempts, code = error.code(), "trying again");
            tokio::time::sleep(retry::pause(attempts)).await;
            attempts += 1;
        }
    }
}

fn on(action: &'static str, subject: impl fmt::Display, resource: impl fmt::Display) -> Call {
    Call { action, subject: subject.to_string(), resource: resource.to_string() }
}

fn on_thing(action: &'static str, thing: &ThingName) -> Call {
    on(action, format_args!("thing {thing}"), format_args!("thing/{thing}"))
}

fn on_policy(action: &'static str, policy: &PolicyName) -> Call {
    on(action, format_args!("policy {policy}"), format_args!("policy/{policy}"))
}

fn on_certificate(action: &'static str, id: &CertificateId) -> Call {
    on(action, format_args!("certificate {id}"), format_args!("cert/{id}"))
}

/// In the SDK's answers everything is optional; what AWS always sends is not.
fn part<T>(call: &Call, missing: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or(Error::Incomplete { action: call.action, missing })
}

/// Whether AWS answered with that error. For a call that takes something away, "not found" means that it is gone.
fn is<E: ProvideErrorMetadata>(error: &SdkError<E>, code: &str) -> bool {
    error.code() == Some(code)
}

const NOT_FOUND: &str = "ResourceNotFoundException";

const DELETE_CONFLICT: &str = "DeleteConflictException";
