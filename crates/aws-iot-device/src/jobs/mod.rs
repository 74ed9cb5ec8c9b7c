//! Jobs: work that AWS IoT gives to a device, one after another (AWS IoT developer guide, "Jobs device MQTT API operations").

mod execution;

use std::time::Duration;

use aws_iot_mqtt::{Client, Event, Events, QoS, SubscribeOptions, Subscription, WhenUnread};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use execution::{Job, JobStatus, JobSummary, PendingJobs, StatusDetails};

use crate::error::Cause;
use crate::exchange::{Answer, Exchange, Request, UNREAD, discard};
use crate::{Error, RejectedErrorCode, name};

/// When AWS IoT is asked for the next job although it has announced none. Announcements are lost when AWS IoT throttles.
const RECHECK: Duration = Duration::from_secs(15 * 60);
/// When a request that may succeed later is made again, where no new connection is the occasion to.
const RETRY: Duration = Duration::from_secs(10);
/// How long one step of a job may take, in minutes (UpdateJobExecution, `stepTimeoutInMinutes`).
const STEP_MINUTES: std::ops::RangeInclusive<u64> = 1..=10_080;

/// The jobs of a thing. It has five of the connection's subscriptions.
///
/// ```no_run
/// # use aws_iot_mqtt::Client;
/// use aws_iot_device::{Jobs, StatusDetails};
/// # fn work(document: &serde_json::Value) -> Result<(), String> { Ok(()) }
/// # async fn run(client: &Client) -> Result<(), aws_iot_device::Error> {
/// let mut jobs = Jobs::new(client, "gw-1")?;
/// while let Some(job) = jobs.next().await? {
///     jobs.progress(&job, &StatusDetails::new().with("step", "1 of 2")).await?;
///     match work(&job.document) {
///         Ok(()) => jobs.succeed(&job, &StatusDetails::new()).await?,
///         Err(reason) => jobs.fail(&job, &StatusDetails::new().with("reason", reason)).await?,
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Jobs {
    /// `$aws/things/THING/jobs`.
    base: String,
    thing: String,
    step_minutes: Option<u64>,
    exchange: Exchange,
    events: Events,
    /// `None`: not subscribed yet, or the server has ended the subscription.
    announcements: Option<Subscription>,
}

impl Jobs {
    /// The jobs of this thing.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn new(client: &Client, thing: &str) -> Result<Self, Error> {
        let thing = name::checked(name::THING, thing)?;
        let base = format!("$aws/things/{thing}/jobs");
        let filters = ["+/accepted", "+/rejected", "+/+/accepted", "+/+/rejected"];
        let exchange = Exchange::new(client, filters.map(|filter| format!("{base}/{filter}")));
        Ok(Self { base, thing, step_minutes: None, exchange, events: client.events(), announcements: None })
    }

    /// How long an answer is waited for: 30 s unless said otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.exchange.set_timeout(timeout);
        self
    }

    /// How long a job may go without an update from this device before AWS IoT gives it the status TIMED_OUT: in whole minutes,
    /// 1 minute to 7 days. It counts anew with each update. Unless said here, only the time-outs of the job itself hold.
    ///
    /// # Errors
    /// The time is outside.
    pub fn step_timeout(mut self, timeout: Duration) -> Result<Self, Error> {
        let minutes = timeout.as_secs() / 60;
        if !STEP_MINUTES.contains(&minutes) {
            return Err(Error::Invalid {
                action: format!("set a step timeout of {} s", timeout.as_secs()),
                reason: "AWS IoT Jobs takes 1 minute to 7 days".to_owned(),
            });
        }
        self.step_minutes = Some(minutes);
        Ok(self)
    }

    /// Waits for the next job, and starts it. `None` when the client is at its end.
    ///
    /// A job that was started and not ended comes first, and again: after a restart of the program in the middle of a job, its
    /// [`Job::status_details`] say how far it had come. End each job with [`Self::succeed`], [`Self::fail`] or [`Self::reject`].
    ///
    /// It waits while there is no connection. It may be dropped and called again: a job that was started meanwhile comes again.
    ///
    /// # Errors
    /// AWS IoT refuses for good.
    pub async fn next(&mut self) -> Result<Option<Job>, Error> {
        loop {
            let retry = match self.announced_or_pending().await {
                Ok(Some(job)) => return Ok(Some(job)),
                Ok(None) => RECHECK,
                Err(error) if error.is_closed() => return Ok(None),
                Err(error) if error.is_transient() => RETRY,
                Err(error) => return Err(error),
            };
            let pause = tokio::time::sleep(retry);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    event = self.events.next() => match event {
                        // What was announced meanwhile is lost.
                        Some(Event::Resumed) => break,
                        Some(_) => {}
                        None => return Ok(None),
                    },
                    announcement = next(&mut self.announcements) => {
                        if announcement.is_none() {
                            self.announcements = None;
                        }
                        break;
                    }
                    () = &mut pause => break,
                }
            }
        }
    }

    /// Subscribes to announcements before it asks, so that no job falls in between. An announcement only wakes: what is
    /// next is asked for each time, so none can be missed, be they late, doubled or out of order.
    async fn announced_or_pending(&mut self) -> Result<Option<Job>, Error> {
        // They announce what is asked for now.
        if !discard(self.announcements.as_mut_slice()).await {
            self.announcements = None;
        }
        if self.announcements.is_none() {
            let failed = |source| Error::mqtt(format!("follow the jobs of '{}'", self.thing), source);
            let filter = format!("{}/notify-next", self.base);
            let options = SubscribeOptions::new(filter, QoS::AtLeastOnce).map_err(failed)?;
            let options = options.queue(UNREAD, WhenUnread::DropOldest);
            self.announcements = Some(self.exchange.client().subscribe_with(options).await.map_err(failed)?);
        }
        self.start_next().await
    }

    /// Starts the next job, or returns the one that is started and not ended. `None` when there is none.
    ///
    /// # Errors
    /// The request fails.
    pub async fn start_next(&mut self) -> Result<Option<Job>, Error> {
        let mut payload = Map::new();
        self.put_step_timeout(&mut payload);
        let action = format!("start the next job of '{}'", self.thing);
        let answer = self.ask("start-next", action.clone(), payload).await?;
        next_job(&action, &answer)
    }

    /// The jobs that are not ended.
    ///
    /// # Errors
    /// The request fails.
    pub async fn pending(&mut self) -> Result<PendingJobs, Error> {
        let action = format!("list the jobs of '{}'", self.thing);
        let answer = self.ask("get", action.clone(), Map::new()).await?;
        parse(&action, answer)
    }

    /// One job, with its document.
    ///
    /// # Errors
    /// There is none of that id, or the request fails.
    pub async fn describe(&mut self, job_id: &str) -> Result<Job, Error> {
        let job_id = name::checked(name::JOB, job_id)?;
        let action = format!("describe job '{job_id}'");
        let mut payload = Map::new();
        payload.insert("includeJobDocument".to_owned(), true.into());
        let mut answer = self.ask(&format!("{job_id}/get"), action.clone(), payload).await?;
        parse(&action, answer.get_mut("execution").map(Value::take).unwrap_or_default())
    }

    /// Says how far the job is: the program finds it in [`Job::status_details`] after a restart, and operators see it.
    ///
    /// # Errors
    /// The job was cancelled or has timed out meanwhile, the details are more than AWS IoT takes, or the request fails.
    pub async fn progress(&mut self, job: &Job, details: &StatusDetails) -> Result<(), Error> {
        self.update(job, JobStatus::InProgress, details).await
    }

    /// Ends the job: it is done.
    ///
    /// # Errors
    /// As for [`Self::progress`].
    pub async fn succeed(&mut self, job: &Job, details: &StatusDetails) -> Result<(), Error> {
        self.update(job, JobStatus::Succeeded, details).await
    }

    /// Ends the job: it could not be done. AWS IoT starts it anew where the job has retries.
    ///
    /// # Errors
    /// As for [`Self::progress`].
    pub async fn fail(&mut self, job: &Job, details: &StatusDetails) -> Result<(), Error> {
        self.update(job, JobStatus::Failed, details).await
    }

    /// Ends the job: this device does not take it, for example because the document is none for it.
    ///
    /// # Errors
    /// As for [`Self::progress`].
    pub async fn reject(&mut self, job: &Job, details: &StatusDetails) -> Result<(), Error> {
        self.update(job, JobStatus::Rejected, details).await
    }

    async fn update(&mut self, job: &Job, status: JobStatus, details: &StatusDetails) -> Result<(), Error> {
        let job_id = name::checked(name::JOB, &job.id)?;
        let action = format!("update job '{job_id}' to {status}");
        let mut payload = Map::new();
        payload.insert("status".to_owned(), status.to_string().into());
        payload.insert("executionNumber".to_owned(), job.execution_number.into());
        payload.insert("includeJobExecutionState".to_owned(), true.into());
        if let Some(details) = details.checked(&action)? {
            payload.insert("statusDetails".to_owned(), details);
        }
        if status == JobStatus::InProgress {
            self.put_step_timeout(&mut payload);
        }
        match self.ask(&format!("{job_id}/update"), action, payload).await {
            // This update arrived, and its answer was lost: it was sent a second time.
            Err(Error::JobRejected { status: Some(now), code, .. })
                if now == status && now != JobStatus::InProgress && code.is_at_end() =>
            {
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    fn put_step_timeout(&self, payload: &mut Map<String, Value>) {
        if let Some(minutes) = self.step_minutes {
            payload.insert("stepTimeoutInMinutes".to_owned(), minutes.into());
        }
    }

    async fn ask(&mut self, verb: &str, action: String, payload: Map<String, Value>) -> Result<Value, Error> {
        let request = Request::new(action.clone(), format!("{}/{verb}", self.base), payload);
        match self.exchange.ask(request).await? {
            Answer::Accepted(value) => Ok(value),
            Answer::Rejected(value) => Err(rejected(action, &value)),
        }
    }
}

pub(crate) fn rejected(action: String, value: &Value) -> Error {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let state = value.get("executionState").and_then(|state| state.get("status"));
    Error::JobRejected {
        action,
        code: RejectedErrorCode::from(text("code")),
        message: text("message").to_owned(),
        status: state.and_then(|status| serde_json::from_value(status.clone()).ok()),
    }
}

/// The answer to `start-next`: `None` where there is no job.
pub(crate) fn next_job(action: &str, answer: &Value) -> Result<Option<Job>, Error> {
    match answer.get("execution") {
        Some(Value::Object(execution)) if !execution.is_empty() => {
            parse(action, Value::Object(execution.clone())).map(Some)
        }
        _ => Ok(None),
    }
}

pub(crate) fn parse<T: DeserializeOwned>(action: &str, value: Value) -> Result<T, Error> {
    serde_json::from_value(value)
        .map_err(|error| Error::Answer { action: action.to_owned(), source: Cause::new(error) })
}

async fn next(subscription: &mut Option<Subscription>) -> Option<aws_iot_mqtt::Message> {
    match subscription {
        Some(subscription) => subscription.next().await,
        None => std::future::pending().await,
    }
}
