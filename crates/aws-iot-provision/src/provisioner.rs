//! The client of AWS IoT Core's control plane, in one account and region. Retry and pages are the SDK's. Its throttling (adaptive
//! retry) is not enough: it knows all operations together, and begins only when others who use the account have been throttled too.
//! AWS limits each operation by itself, and so calls are spaced here for each operation. Measured in `docs/fleet.md`.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_iot::Client;
use aws_sdk_iot::config::retry::RetryConfig;
use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::account::{self, ArnScope};
use crate::call::{ANY_RESOURCE, Call, on, part};
use crate::error::Error;

/// The type must be said: left out, AWS answers with the legacy endpoint, whose server certificate is not from Amazon's
/// own roots (AWS IoT API reference, DescribeEndpoint).
const ENDPOINT_TYPE: &str = "iot:Data-ATS";

/// Ours: AWS allows about 10 calls a second for most operations ("AWS IoT Core endpoints and quotas"), and others may
/// be calling too.
pub const CALLS_PER_SECOND: f64 = 8.0;

/// Works on AWS IoT Core's control plane, in one account and region.
#[derive(Debug)]
pub struct Provisioner {
    pub(crate) client: Client,
    pub(crate) config: SdkConfig,
    /// Who is called, in the user's words.
    place: String,
    /// What follows the commands that are named to the user.
    pub(crate) command_options: String,
    pace: Pace,
    account: OnceCell<ArnScope>,
    endpoint: OnceCell<String>,
    /// Groups and types that things can have.
    pub(crate) usable: Known<()>,
    /// Documents by the policy's name.
    pub(crate) policies: Known<String>,
    /// Policies by thing group.
    pub(crate) group_policies: Known<Vec<String>>,
    /// ListPrincipalThingsV2 is missing here.
    pub(crate) without_v2: AtomicBool,
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
            place,
            command_options: String::new(),
            pace: Pace::default(),
            account: OnceCell::new(),
            endpoint: OnceCell::new(),
            usable: Known::default(),
            policies: Known::default(),
            group_policies: Known::default(),
            without_v2: AtomicBool::new(false),
        })
    }

    /// What follows the commands that errors and warnings name, so that they reach the same account when they are copied:
    /// ` --profile prod`, as the user gave it. The AWS CLI has the same options.
    #[must_use]
    pub fn with_command_options(self, options: &str) -> Self {
        Self { command_options: options.to_owned(), ..self }
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
        const ACTION: &str = "iot:DescribeEndpoint";
        let ask = || async {
            let sent = self.client.describe_endpoint().endpoint_type(ENDPOINT_TYPE).send();
            let answer = self.call(on(ACTION, "the device endpoint", ANY_RESOURCE), sent).await?;
            part(ACTION, "endpointAddress", answer.endpoint_address)
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

/// What was found to be there in this run: asked once a run, and not once a device. What is not there is asked for again. The lock
/// is held across the question, so that devices which begin together ask once.
#[derive(Debug, Default)]
pub(crate) struct Known<T>(tokio::sync::Mutex<HashMap<String, T>>);

impl<T: Clone> Known<T> {
    pub(crate) async fn get(
        &self,
        name: &str,
        ask: impl Future<Output = Result<Option<T>, Error>>,
    ) -> Result<Option<T>, Error> {
        let mut known = self.0.lock().await;
        if let Some(found) = known.get(name) {
            return Ok(Some(found.clone()));
        }
        let found = ask.await?;
        known.extend(found.clone().map(|found| (name.to_owned(), found)));
        Ok(found)
    }
}

/// So many calls a second for each operation.
#[derive(Debug, Default)]
struct Pace {
    /// Between two calls of one operation; none: as fast as they come.
    interval: Duration,
    /// When the next call of an operation may be made. Held for a moment only, never across a wait.
    next: Mutex<HashMap<&'static str, Instant>>,
}

impl Pace {
    /// What is not a positive number sets no limit.
    fn new(calls_per_second: f64) -> Self {
        let interval = Duration::try_from_secs_f64(calls_per_second.recip()).unwrap_or_default();
        Self { interval, next: Mutex::default() }
    }

    /// Waits for the turn of a call.
    async fn turn(&self, operation: &'static str) {
        let now = Instant::now();
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let next = next.entry(operation).or_insert(now);
            let at = (*next).max(now);
            *next = at.checked_add(self.interval).unwrap_or(at);
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time is tokio's own here, which stands still but for the sleeps.
    #[tokio::test(start_paused = true)]
    async fn the_rate_holds_and_each_operation_has_its_own() {
        let (pace, start) = (Pace::new(10.0), Instant::now());
        for _ in 0..21 {
            pace.turn("a").await;
        }
        assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
        let now = Instant::now();
        pace.turn("b").await;
        assert_eq!(now.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_rate_is_no_limit_and_no_panic() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
            Pace::new(rate).turn("a").await;
        }
    }
}
