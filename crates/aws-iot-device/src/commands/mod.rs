//! Commands: what an operator wants a device to do now (AWS IoT developer guide, "AWS IoT Device Management commands").

mod command;
pub(crate) mod journal;

use std::path::Path;
use std::time::Duration;

use aws_iot_mqtt::{Client, Message, QoS, SubscribeOptions};
use serde_json::Value;
use tokio::task::JoinSet;

pub use command::{Command, CommandResult};
use journal::{Entry, Journal};

use crate::exchange::{Answer, Exchange, Request};
use crate::{Error, RejectedErrorCode, name};

/// The pause before a refused update is sent once more, which grows each time ("AWS IoT commands troubleshooting": DataConflict
/// wants retries with exponential backoff).
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How often an update is sent in all when AWS IoT refuses it for reasons that may pass.
const ATTEMPTS: u32 = 5;

/// The commands of a thing: receives them, runs each once, and reports how it went. It has two of the connection's subscriptions,
/// and the ones of [`Self::subscriptions`].
///
/// Which commands have begun is kept in a file. So a command that AWS IoT delivers twice runs once, and one that was under way when
/// the program or the device failed is reported as FAILED, and not run again.
///
/// AWS IoT's answers to two reports of one execution look the same. Where the answer to an earlier report may still come, the result
/// is reported again, until as many answers have come that one of them is to the result.
///
/// ```no_run
/// # use std::{sync::Arc, time::Duration};
/// # use aws_iot_mqtt::{Client, rustls::ClientConfig};
/// use aws_iot_device::{CommandResult, Commands};
/// # async fn device(endpoint: &str, tls: Arc<ClientConfig>) -> Result<(), Box<dyn std::error::Error>> {
/// // Given to the builder of a persistent session, so that AWS IoT keeps commands while the device is away.
/// let builder = Client::builder(endpoint, "gw-1", tls).persistent_session(Duration::from_secs(24 * 3600));
/// let client = Commands::subscriptions("gw-1")?.into_iter().fold(builder, |builder, options| builder.subscribe(options)).start()?;
/// let mut messages = client.messages().ok_or("the messages are read elsewhere")?;
/// let mut commands = Commands::open(&client, "gw-1", "commands.journal")?;
/// commands.report_unfinished().await?;
/// while let Some(message) = messages.next().await {
///     commands
///         .handle(&message, |command| async move {
///             println!("{:?}", command.payload);
///             CommandResult::succeeded()
///         })
///         .await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Commands {
    /// `$aws/commands/things/THING/executions`.
    base: String,
    exchange: Exchange,
    journal: Journal,
}

impl Commands {
    /// The subscriptions that bring commands, JSON and others, for [`aws_iot_mqtt::Builder::subscribe`]. Their messages are acknowledged by
    /// [`Self::handle`], once the command is in the file.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn subscriptions(thing: &str) -> Result<Vec<SubscribeOptions>, Error> {
        let base = base(thing)?;
        let options = ["+/request/json", "+/request"].map(|filter| {
            let options = SubscribeOptions::new(format!("{base}/{filter}"), QoS::AtLeastOnce);
            let failed = |source| Error::mqtt(format!("receive commands for '{thing}'"), source);
            Ok(options.map_err(failed)?.manual_acknowledgement())
        });
        options.into_iter().collect()
    }

    /// The commands of this thing, with the file that says which have begun. One process at a time may have it.
    ///
    /// # Errors
    /// [`Error::Name`], or [`Error::Journal`].
    pub fn open(client: &Client, thing: &str, journal: impl AsRef<Path>) -> Result<Self, Error> {
        let base = base(thing)?;
        let filters = ["accepted", "rejected"].map(|outcome| format!("{base}/+/response/{outcome}/json"));
        Ok(Self { base, exchange: Exchange::new(client, filters), journal: Journal::open(journal.as_ref())? })
    }

    /// How long an answer is waited for: 30 s unless said otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.exchange.set_timeout(timeout);
        self
    }

    /// Reports the commands that an earlier run of the program has left: FAILED where they had not ended, else what their end was.
    /// To be called once, before the first command.
    ///
    /// # Errors
    /// The reports could not be sent; they are kept for the next time.
    pub async fn report_unfinished(&mut self) -> Result<(), Error> {
        for (execution, entry) in self.journal.unreported() {
            let (result, sent_before) = match entry {
                Entry::Begun => {
                    // To IN_PROGRESS.
                    self.exchange.expect_late_answer(&self.topic(&execution));
                    let reason = "the program ended while the command was under way";
                    (CommandResult::failed("INTERRUPTED", reason), false)
                }
                Entry::Ended(result) => (result, true),
                Entry::Reported => continue,
            };
            self.report(&execution, result, sent_before).await?;
        }
        Ok(())
    }

    /// Runs the command that the message brings, and reports its result; returns whether it was a new one. A message on another
    /// topic is left alone, for the application to handle. The handler runs as a task of its own: when it panics, the command is
    /// reported as FAILED. Dropping the future ends the handler; [`Self::report_unfinished`] then reports the command.
    ///
    /// # Errors
    /// The file cannot be written, and the command was refused; or the result could not be reported: it is kept, and sent by
    /// [`Self::report_unfinished`] or when AWS IoT delivers the command again.
    pub async fn handle<F>(
        &mut self,
        message: &Message,
        handler: impl FnOnce(Command) -> F,
    ) -> Result<bool, Error>
    where
        F: Future<Output = CommandResult> + Send + 'static,
    {
        let Some(command) = self.begin(message).await? else { return Ok(false) };
        let execution = command.execution.clone();
        // Dropped with this future, which ends the handler.
        let mut task = JoinSet::new();
        task.spawn(handler(command));
        let result = task.join_next().await.and_then(Result::ok).unwrap_or_else(|| {
            CommandResult::failed("HANDLER_CRASHED", "the handler of the command has panicked")
        });
        let result = match result.checked("report what the handler of the command returned") {
            Ok(_) => result,
            Err(error) => CommandResult::failed("INVALID_RESULT", &error.to_string()),
        };
        self.finish(&execution, result).await?;
        Ok(true)
    }

    /// The command that the message brings, where it is a new one: written down as begun, acknowledged to the broker, and reported
    /// as IN_PROGRESS. To be followed by [`Self::finish`]; [`Self::handle`] does both.
    ///
    /// # Errors
    /// The file cannot be written, and the command was refused, since it might run twice.
    pub async fn begin(&mut self, message: &Message) -> Result<Option<Command>, Error> {
        let Some(command) = self.read(message) else { return Ok(None) };
        match self.journal.get(&command.execution).cloned() {
            None => {}
            Some(entry) => {
                message.acknowledge();
                // Delivered again: the report may be lost.
                if let Entry::Ended(result) = entry {
                    self.report(&command.execution, result, true).await?;
                }
                return Ok(None);
            }
        }
        if let Err(error) = self.journal.write(&command.execution, Entry::Begun) {
            message.acknowledge();
            let result = CommandResult::rejected(
                "JOURNAL_FAILED",
                "the device cannot write down which commands have begun",
            );
            self.update(&command.execution, &result).await?;
            return Err(error);
        }
        message.acknowledge();
        match self.update(&command.execution, &CommandResult::in_progress()).await {
            // It runs although nobody hears of it yet: its result is what counts.
            Err(error) if error.is_transient() => {}
            Err(error @ Error::CommandRejected { .. }) => {
                self.journal.write(&command.execution, Entry::Reported)?;
                return Err(error);
            }
            answer => answer?,
        }
        Ok(Some(command))
    }

    /// Reports that a command is under way, and in which stage.
    ///
    /// # Errors
    /// AWS IoT refuses, or there is no answer.
    pub async fn progress(&mut self, command: &Command, code: &str, description: &str) -> Result<(), Error> {
        let stage = CommandResult::in_progress().because(code, description);
        self.update(&command.execution, &stage).await
    }

    /// Writes the result of a command down, and reports it.
    ///
    /// # Errors
    /// [`Error::Invalid`]: finish the command with another result. Else the result could not be reported; where it was written down, it
    /// is sent later.
    pub async fn finish(&mut self, execution: &str, result: CommandResult) -> Result<(), Error> {
        result.checked(&format!("report command execution '{execution}'"))?;
        let written = self.journal.write(execution, Entry::Ended(result.clone()));
        self.report(execution, result, false).await?;
        written
    }

    /// Reports how a command has ended. `sent_before`: this may have been reported already, and only the answer was lost.
    async fn report(
        &mut self,
        execution: &str,
        result: CommandResult,
        mut sent_before: bool,
    ) -> Result<(), Error> {
        let topic = self.topic(execution);
        let mut late = self.exchange.late_answers(&topic);
        let reported = loop {
            match self.update(execution, &result).await {
                // It may be the answer to an earlier report.
                Ok(()) if late > 0 => (late, sent_before) = (late - 1, true),
                Err(Error::CommandRejected { code, .. }) if sent_before && code.is_at_end() => break Ok(()),
                reported => break reported,
            }
        };
        match &reported {
            Err(error) if error.is_transient() || !matches!(error, Error::CommandRejected { .. }) => reported,
            // Nothing that could be sent again would be taken.
            _ => {
                self.exchange.forget_late_answers(&topic);
                self.journal.write(execution, Entry::Reported).and(reported)
            }
        }
    }

    /// UpdateCommandExecution, again where AWS IoT refuses for reasons that may pass.
    async fn update(&mut self, execution: &str, result: &CommandResult) -> Result<(), Error> {
        let (mut pause, mut attempts) = (FIRST_PAUSE, ATTEMPTS);
        loop {
            attempts -= 1;
            match self.update_once(execution, result).await {
                Err(error @ Error::CommandRejected { .. }) if error.is_transient() && attempts > 0 => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                answer => return answer,
            }
        }
    }

    async fn update_once(&mut self, execution: &str, result: &CommandResult) -> Result<(), Error> {
        let action = format!("report command execution '{execution}' as {}", result.status());
        let response = format!("{}/{execution}/response", self.base);
        let request = Request {
            topic: self.topic(execution),
            accepted: format!("{response}/accepted/json"),
            rejected: format!("{response}/rejected/json"),
            payload: result.checked(&action)?,
            action: action.clone(),
            // The execution's id is in the topic.
            has_token: false,
            repeat: true,
        };
        match self.exchange.ask(request).await? {
            Answer::Accepted(_) => Ok(()),
            Answer::Rejected(value) => Err(rejected(action, &value)),
        }
    }

    /// Where the reports of an execution go.
    fn topic(&self, execution: &str) -> String {
        format!("{}/{execution}/response/json", self.base)
    }

    fn read(&self, message: &Message) -> Option<Command> {
        let properties = message.properties();
        Some(Command {
            execution: execution(&self.base, message.topic.as_str())?.to_owned(),
            payload: message.payload.clone(),
            content_type: properties.content_type.clone(),
            timeout: properties.message_expiry_interval,
        })
    }
}

/// The id of the execution whose request comes on that topic.
pub(crate) fn execution<'a>(base: &str, topic: &'a str) -> Option<&'a str> {
    let levels: Vec<&str> = topic.strip_prefix(base)?.split('/').collect();
    // The last level, where there is one, is the payload's format.
    match levels.as_slice() {
        ["", execution, "request"] | ["", execution, "request", _] => Some(execution),
        _ => None,
    }
}

pub(crate) fn rejected(action: String, value: &Value) -> Error {
    let text = |names: [&str; 2]| {
        names.iter().find_map(|name| value.get(name)).and_then(Value::as_str).unwrap_or_default()
    };
    Error::CommandRejected {
        action,
        // The developer guide shows `error` and `errorMessage`; AWS's device SDKs read the same names.
        code: RejectedErrorCode::from(text(["error", "code"])),
        message: text(["errorMessage", "message"]).to_owned(),
    }
}

fn base(thing: &str) -> Result<String, Error> {
    Ok(format!("$aws/commands/things/{}/executions", name::checked(name::THING, thing)?))
}
