//! An accepted message, and what its sender has of it.

use std::future::Future;
use std::mem::size_of;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::store::Key;
use crate::{Error, Properties, Publication, QoS};

/// Where a result is sent to. Dropped without a result, it means that the session has ended.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// Sends a result to whoever asked, and may have stopped waiting.
pub(crate) fn reply<T>(answer: Option<Answer<T>>, result: Result<T, Error>) {
    let _ = answer.map(|answer| answer.send(result));
}

/// An accepted message.
pub(crate) struct Entry {
    pub(crate) topic: Bytes,
    pub(crate) qos: QoS,
    pub(crate) payload: Bytes,
    pub(crate) retain: bool,
    pub(crate) properties: Option<Box<Properties>>,
    /// `None` where whoever published it was told before.
    pub(super) answer: Option<Answer<()>>,
    /// For the age that the statistics show.
    pub(super) accepted: SystemTime,
    /// When the message expires, by the wall clock.
    pub(super) expires: Option<SystemTime>,
    pub(super) status: Status,
    /// It was sent at least once, so whether it arrived is not known.
    pub(crate) sent: bool,
    /// The packet id under which an earlier connection of the same server session sent it.
    pub(crate) packet_id: Option<u16>,
    /// When the server first asked to send it again later, and how often it did.
    pub(super) refused: Option<(Instant, u32)>,
    /// Its number in the store on disk, and its bytes there; `None` where it is in memory alone.
    pub(super) stored: Option<(Key, u64)>,
}

/// What is to become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It may be sent.
    Waiting,
    /// The current connection has it, and its end is awaited.
    InFlight,
    /// The server refused it for now: it may be sent after a pause.
    Paused,
    /// It is not sent until it is told to wait again.
    Aside,
}

impl Entry {
    pub(crate) fn new(
        publication: Publication,
        now: SystemTime,
    ) -> (Self, oneshot::Receiver<Result<(), Error>>) {
        let (answer, answered) = oneshot::channel();
        let expiry = publication.properties().message_expiry_interval;
        let entry = Self {
            topic: Bytes::from(publication.topic.into_string()),
            qos: publication.qos,
            payload: publication.payload,
            retain: publication.retain,
            properties: publication.properties,
            answer: Some(answer),
            accepted: now,
            expires: expiry.and_then(|expiry| now.checked_add(expiry)),
            status: Status::Waiting,
            sent: false,
            packet_id: None,
            refused: None,
            stored: None,
        };
        (entry, answered)
    }

    pub(crate) fn topic(&self) -> String {
        String::from_utf8_lossy(&self.topic).into_owned()
    }

    /// What it takes in memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let properties =
            self.properties.as_ref().map_or(0, |properties| size_of::<Properties>() + properties.bytes());
        size_of::<Self>() + self.topic.len() + self.payload.len() + properties
    }

    /// Whether the server may know it already: it was sent before, or refused for now.
    pub(crate) fn is_repeated(&self) -> bool {
        self.sent || self.refused.is_some()
    }

    /// Whether it can still be dropped without a doubt whether it arrived.
    pub(super) fn is_unsent(&self) -> bool {
        self.status == Status::Waiting && !self.sent
    }

    /// The rest of its expiry interval; `None` where it has none.
    pub(crate) fn expires_in(&self, now: SystemTime) -> Option<Duration> {
        let interval = self.properties.as_ref()?.message_expiry_interval?;
        Some(interval.saturating_sub(now.duration_since(self.accepted).unwrap_or_default()))
    }

    /// No message is kept for longer than that.
    pub(super) fn expire_after(&mut self, age: Option<Duration>) {
        let most = age.and_then(|age| self.accepted.checked_add(age));
        self.expires = self.expires.into_iter().chain(most).min();
    }
}

/// The fate of a message that was accepted: a future that is done when the server has acknowledged the message (QoS 1),
/// or when the operating system has taken it for the connection (QoS 0). With a durable outbox, a message of QoS 1 is on stable storage then.
///
/// Dropping it gives up the wait, not the message.
#[derive(Debug)]
#[must_use = "it is the only place where a refusal is told"]
pub struct Receipt {
    pub(crate) answered: oneshot::Receiver<Result<(), Error>>,
}

impl Future for Receipt {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answered).poll(context).map(|answer| answer.unwrap_or(Err(Error::Closed)))
    }
}
