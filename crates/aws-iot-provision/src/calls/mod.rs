//! What is asked of AWS, one function a question. Nothing here writes: the calls that do stand in `step/run.rs`. Retry and
//! pages are the SDK's.

mod attachments;
mod policies;
mod things;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aws_config::SdkConfig;
use aws_sdk_iot::Client;
use aws_sdk_iot::config::retry::RetryConfig;
use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};
use tokio::sync::{Mutex, OnceCell};

pub(crate) use attachments::AttachedThing;
pub(crate) use things::FoundThing;

use crate::account;
use crate::arn::ArnScope;
use crate::certificate::CertificateId;
use crate::error::Error;
use crate::failed_call::Call;
use crate::name::PolicyName;
use crate::pace::Pace;

/// The type must be said: left out, AWS answers with the legacy endpoint, whose server certificate is not from Amazon's
/// own roots (AWS IoT API reference, DescribeEndpoint).
const ENDPOINT_TYPE: &str = "iot:Data-ATS";

/// For calls that IAM knows only as a whole.
pub(crate) const ANY_RESOURCE: &str = "*";

/// Most that AWS puts on one page (AWS IoT API reference: `maxResults` and `pageSize` of the lists that are used here).
const PAGE: i32 = 250;

/// AWS's code of an error for what is not there.
pub(crate) const NOT_FOUND: &str = "ResourceNotFoundException";

/// Works on AWS IoT Core's control plane, in one account and region. Clones share their pace.
#[derive(Debug, Clone)]
pub struct Provisioner {
    pub(crate) client: Client,
    pub(crate) config: SdkConfig,
    /// Who is called, in the user's words.
    place: Arc<str>,
    /// What follows the commands that are named to the user.
    pub(crate) command_options: Arc<str>,
    pace: Pace,
    account: Arc<OnceCell<ArnScope>>,
    /// One for an account and region: asked for once.
    endpoint: Arc<OnceCell<String>>,
    /// Groups, types and policies that were found to be there in this run: asked once a run, and not once a device. What is
    /// not there is asked for again. Held across the question, so that devices which begin together ask once.
    shared: Arc<Mutex<Shared>>,
    /// ListPrincipalThingsV2 is missing here.
    without_v2: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Shared {
    groups: Vec<String>,
    types: Vec<String>,
    policies: HashMap<PolicyName, String>,
    group_policies: HashMap<String, Vec<String>>,
}

impl Provisioner {
    /// For the account and region of this configuration (see [`aws_client_config`]).
    ///
    /// [`aws_client_config`]: crate::aws_client_config
    ///
    /// # Errors
    /// [`Error::NoRegion`]. Credentials are looked for by the first call.
    pub fn new(config: &SdkConfig) -> Result<Self, Error> {
        let region = config.region().ok_or(Error::NoRegion)?;
        let place = match account::endpoint_of(config, "IoT") {
            Some(url) => format!("AWS IoT control plane at {url}"),
            None => format!("AWS IoT control plane in {region}"),
        };
        Ok(Self {
            client: Client::new(config),
            config: config.clone(),
            place: place.into(),
            command_options: "".into(),
            pace: Pace::default(),
            account: Arc::default(),
            endpoint: Arc::default(),
            shared: Arc::default(),
            without_v2: Arc::default(),
        })
    }

    /// What follows the commands that errors and warnings name, so that they reach the same account when they are copied:
    /// ` --profile prod`, as the user gave it. The AWS CLI has the same options.
    #[must_use]
    pub fn with_command_options(self, options: &str) -> Self {
        Self { command_options: options.into(), ..self }
    }

    /// So many calls a second of each operation, and so many attempts at each call; the SDK slows all of them down when AWS
    /// throttles. What the environment allows (`AWS_MAX_ATTEMPTS=1`) still holds.
    #[must_use]
    pub fn paced(self, calls_per_second: f64, attempts: u32) -> Self {
        let configured = self.config.retry_config().map_or(attempts, RetryConfig::max_attempts);
        let attempts = if configured == 1 { 1 } else { configured.max(attempts) };
        let retry = RetryConfig::adaptive().with_max_attempts(attempts);
        let client = aws_sdk_iot::config::Builder::from(&self.config).retry_config(retry).build();
        Self { client: Client::from_conf(client), pace: Pace::new(calls_per_second), ..self }
    }

    /// Who is called, in words: the control plane with its region or URL.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The account, region and partition that the credentials are for: AWS is asked once.
    ///
    /// # Errors
    /// The call may fail.
    pub async fn scope(&self) -> Result<&ArnScope, Error> {
        self.account.get_or_try_init(|| account::ask(&self.config)).await
    }

    /// Refuses credentials of another account than this one.
    ///
    /// # Errors
    /// [`Error::OtherAccount`], and the call may fail.
    pub async fn require_account(&self, account: &str) -> Result<(), Error> {
        let scope = self.scope().await?;
        if scope.account() == account {
            return Ok(());
        }
        let found = format!("account {}, to which the credentials belong,", scope.account());
        Err(Error::OtherAccount { found, wanted: format!("account {account}") })
    }

    /// The host name where devices connect (`iot:Data-ATS`): AWS is asked once.
    ///
    /// # Errors
    /// The call may fail.
    pub async fn endpoint(&self) -> Result<String, Error> {
        let ask = || async {
            let call = on("iot:DescribeEndpoint", "the device endpoint", ANY_RESOURCE);
            let sent = self.client.describe_endpoint().endpoint_type(ENDPOINT_TYPE).send();
            part("iot:DescribeEndpoint", "endpointAddress", self.call(call, sent).await?.endpoint_address)
        };
        self.endpoint.get_or_try_init(ask).await.cloned()
    }

    /// Makes the call when its turn has come.
    pub(crate) async fn call<T, E>(
        &self,
        call: Call,
        sent: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Result<T, Error>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        self.pace.turn(call.action).await;
        sent.await.map_err(|error| call.failed(&self.place, error))
    }
}

/// `None` for what AWS does not find.
pub(crate) fn unless_missing<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is(NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
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
