//! The application's end of a session.

use std::sync::Arc;

use bytes::Bytes;
use rustls::ClientConfig;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::session::{Answer, Command};
use crate::{Builder, Error, Filter, Limits, QoS, Subscription, Topic};

/// How a session ended: `Ok` when it was asked to.
pub(crate) type Outcome = Result<(), Error>;

/// A connection to AWS IoT Core. Cheap to clone; the clones share the connection, which ends in the ordinary way when
/// the last one is dropped.
///
/// Its futures run on any executor: the session has a thread and a runtime of its own.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    closing: Arc<Notify>,
    ended: watch::Receiver<Option<Outcome>>,
    limits: Arc<Limits>,
}

impl Client {
    /// Settings for a connection to `endpoint` (a host name, which the server's certificate has to name) under
    /// `client_id`. What the device proves itself with, and whom it trusts, is in `tls`.
    pub fn builder(endpoint: &str, client_id: &str, tls: impl Into<Arc<ClientConfig>>) -> Builder {
        Builder::new(endpoint, client_id, tls.into())
    }

    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        closing: Arc<Notify>,
        ended: watch::Receiver<Option<Outcome>>,
        limits: Arc<Limits>,
    ) -> Self {
        Self { commands, closing, ended, limits }
    }

    /// Publishes a message. At QoS 1 it returns when the server has acknowledged it; at QoS 0 when the message is in
    /// the connection's buffer.
    ///
    /// Dropping the future gives up the wait, not the message, once the session has accepted it.
    ///
    /// # Errors
    /// When a limit is exceeded (nothing is sent), when the server refuses the message, or when the connection ends
    /// first: whether the message arrived is then not known.
    pub async fn publish<T>(&self, topic: T, qos: QoS, payload: impl Into<Bytes>) -> Result<(), Error>
    where
        T: TryInto<Topic>,
        Error: From<T::Error>,
    {
        let (topic, payload) = (topic.try_into()?, payload.into());
        self.limits.check_topic(&topic)?;
        self.limits.check_payload(&topic, &payload)?;
        self.ask(|answer| Command::Publish { topic, qos, payload, answer }).await
    }

    /// Subscribes to the topics of a filter, and returns when the server has agreed.
    ///
    /// # Errors
    /// When a limit is exceeded (nothing is sent), when the server refuses, or when the connection ends first.
    pub async fn subscribe<F>(&self, filter: F, qos: QoS) -> Result<Subscription, Error>
    where
        F: TryInto<Filter>,
        Error: From<F::Error>,
    {
        let filter = filter.try_into()?;
        self.limits.check_filter(&filter)?;
        self.ask(|answer| Command::Subscribe { filter, qos, answer }).await
    }

    /// Ends the connection in the ordinary way, for all clones: what was accepted is sent, acknowledgements are waited
    /// for (10 s at most), the server is told, TLS is closed.
    ///
    /// # Errors
    /// [`Error::NotDrained`] when acknowledgements are missing, or the reason why the connection had ended before.
    pub async fn disconnect(&self) -> Result<(), Error> {
        self.closing.notify_one();
        self.closed().await
    }

    /// Waits until the connection has ended, and says why. A session that was asked to end gives `Ok`.
    ///
    /// # Errors
    /// The reason why the connection ended.
    pub async fn closed(&self) -> Result<(), Error> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            // The session's thread is gone without a word.
            Err(gone) => Err(Error::Start { source: crate::Cause::new(gone) }),
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        if self.commands.send(command(answer)).await.is_ok()
            && let Ok(result) = answered.await
        {
            return result;
        }
        // No answer: the session is at its end, and its end has a reason.
        self.closed().await?;
        Err(Error::Closed)
    }
}
