//! An accepted message.

use std::mem::size_of;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{Error, Properties, Publication, QoS};

/// Where the fate of a message is told. Dropped without an answer, it means that the session has ended.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// An accepted message.
pub(crate) struct Entry {
    pub(crate) topic: Bytes,
    pub(crate) qos: QoS,
    pub(crate) payload: Bytes,
    pub(crate) retain: bool,
    pub(crate) properties: Option<Box<Properties>>,
    pub(crate) answer: Answer<()>,
    /// Set where an expiry is: since when it counts.
    pub(super) accepted: Option<Instant>,
    /// The order in which it was first sent; set by the session.
    pub(crate) number: u64,
    /// The packet id under which an earlier connection of the same server session sent it.
    pub(crate) sent_as: Option<u16>,
}

impl Entry {
    pub(crate) fn new(publication: Publication) -> (Self, oneshot::Receiver<Result<(), Error>>) {
        let (answer, answered) = oneshot::channel();
        let expires = publication.properties().expiry.is_some();
        let entry = Self {
            topic: Bytes::from(publication.topic.into_string()),
            qos: publication.qos,
            payload: publication.payload,
            retain: publication.retain,
            properties: publication.properties,
            answer,
            accepted: expires.then(Instant::now),
            number: 0,
            sent_as: None,
        };
        (entry, answered)
    }

    pub(crate) fn topic(&self) -> String {
        String::from_utf8_lossy(&self.topic).into_owned()
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let properties =
            self.properties.as_ref().map_or(0, |properties| size_of::<Properties>() + properties.bytes());
        size_of::<Self>() + self.topic.len() + self.payload.len() + properties
    }

    /// What is left of its expiry, `Some(None)` where it has none, and `None` when it is over.
    pub(crate) fn expiry_left(&self, now: Instant) -> Option<Option<Duration>> {
        let expiry = self.properties.as_ref().and_then(|properties| properties.expiry);
        match expiry.zip(self.accepted) {
            None => Some(None),
            Some((expiry, accepted)) => {
                let waited = now.saturating_duration_since(accepted);
                expiry.checked_sub(waited).filter(|left| !left.is_zero()).map(Some)
            }
        }
    }

    /// Whoever asked may have stopped waiting for the answer.
    pub(crate) fn answer(self, result: Result<(), Error>) {
        let _ = self.answer.send(result);
    }
}
