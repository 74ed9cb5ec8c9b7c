//! What happens to the connection, for the application to show or to act on.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::mpsc;

use crate::Error;

/// How many events wait for a slow reader, for each stream.
const QUEUE: usize = 256;

/// Something that happened to the connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The server has agreed to a connection.
    Connected {
        /// It has kept the session of an earlier connection, with its subscriptions.
        session_present: bool,
    },
    /// After a reconnect: the subscriptions stand again, and what was not acknowledged is being sent again.
    Resumed,
    /// An established connection has ended.
    Disconnected {
        /// Why.
        error: Error,
        /// When the next attempt comes; `None` when there is none.
        retry_in: Option<Duration>,
    },
    /// An attempt to connect has failed.
    ConnectFailed {
        /// Why.
        error: Error,
        /// When the next attempt comes; `None` when there is none.
        retry_in: Option<Duration>,
    },
    /// The server has refused a subscription that stood before a reconnect: its stream ends. Or it has refused one that
    /// was given to the builder: the stream of all these ([`Client::messages`](crate::Client::messages)) goes on.
    SubscriptionLost {
        /// The filter.
        filter: String,
        /// The server's answer.
        error: Error,
    },
    /// A message was given up: the outbox was full, or it expired.
    MessageDropped {
        /// Its topic.
        topic: String,
        /// Why.
        error: Error,
    },
    /// A message was not taken: the server refused it, or ended the connection over it, or it is over a limit that the
    /// server named. A durable outbox sets it aside.
    PublishRefused {
        /// Its topic.
        topic: String,
        /// Why.
        error: Error,
    },
    /// The durable outbox cannot be written to: messages are refused, or wait in memory, as the application chose. It is
    /// tried again.
    OutboxFailed {
        /// Why.
        error: Error,
    },
    /// The durable outbox can be written to again.
    OutboxRestored,
    /// A subscription is not read, and its queue is full: what comes for it is no longer acknowledged until it is read
    /// ([`WhenUnread::Wait`](crate::WhenUnread::Wait)).
    SubscriptionUnread {
        /// The topic of the message that found it full.
        topic: String,
    },
    /// The client has ended by itself, and makes no further attempt. Whoever waits gets the same error. The last event.
    GaveUp {
        /// Why.
        error: Error,
    },
    /// The client was disconnected by its own program. The last event.
    Closed {
        /// How many messages of the outbox the server had not acknowledged when the time for it was over.
        undelivered: usize,
    },
}

impl Event {
    fn is_last(&self) -> bool {
        matches!(self, Self::GaveUp { .. } | Self::Closed { .. })
    }
}

impl fmt::Display for Event {
    /// One line, with the causes of the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { session_present: true } => f.write_str("connected, with the session of before"),
            Self::Connected { session_present: false } => f.write_str("connected"),
            Self::Resumed => f.write_str("all subscriptions stand again"),
            Self::Disconnected { error, retry_in } | Self::ConnectFailed { error, retry_in } => {
                let was_connected = matches!(self, Self::Disconnected { .. });
                let what = if was_connected { "the connection has ended" } else { "no connection" };
                write!(f, "{what}: {}", error.report())?;
                retry_in.map_or(Ok(()), |delay| write!(f, "; next attempt in {:.1} s", delay.as_secs_f32()))
            }
            Self::SubscriptionLost { error, .. } => write!(f, "a subscription is lost: {}", error.report()),
            Self::MessageDropped { error, .. }
            | Self::PublishRefused { error, .. }
            | Self::OutboxFailed { error } => f.write_str(&error.report()),
            Self::OutboxRestored => f.write_str("the durable outbox can be written to again"),
            Self::SubscriptionUnread { topic: t } => {
                write!(
                    f,
                    "a subscription is not read: messages as the one to '{t}' are not acknowledged any more"
                )
            }
            Self::GaveUp { error } => write!(f, "given up: {}", error.report()),
            Self::Closed { undelivered: 0 } => f.write_str("disconnected"),
            Self::Closed { undelivered } => {
                write!(f, "disconnected, {undelivered} messages were not acknowledged")
            }
        }
    }
}

/// The events of a client, in order. Also a [`Stream`].
///
/// It begins with the state that holds when it is made, and ends with the client: the last event is
/// [`GaveUp`](Event::GaveUp) or [`Closed`](Event::Closed). A reader that falls 256 events behind misses some, but never
/// the last.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<Event>,
}

impl Events {
    /// The next event, or `None` when the client is at its end.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| self.queue.poll_recv(context)).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.queue.poll_recv(context)
    }
}

/// Where events are told, and passed on to everybody who listens.
#[derive(Default)]
pub(crate) struct Hub(Mutex<State>);

#[derive(Default)]
struct State {
    listeners: Vec<mpsc::Sender<Event>>,
    /// The last event that says how things stand.
    standing: Option<Event>,
}

impl Hub {
    pub(crate) fn tell(&self, event: Event) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is gone is forgotten, whoever is too slow misses it: the last place is for the last event.
        state.listeners.retain(|listener| !listener.is_closed());
        for listener in state.listeners.iter().filter(|one| one.capacity() > 1 || event.is_last()) {
            let _ = listener.try_send(event.clone());
        }
        if event.is_last() {
            state.listeners.clear();
        }
        use Event::{ConnectFailed, Connected, Disconnected};
        if matches!(event, Connected { .. } | Disconnected { .. } | ConnectFailed { .. }) || event.is_last() {
            state.standing = Some(event);
        }
    }

    pub(crate) fn listen(&self) -> Events {
        let (listener, queue) = mpsc::channel(QUEUE + 1);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = state.standing.clone() {
            let _ = listener.try_send(standing);
        }
        if !state.standing.as_ref().is_some_and(Event::is_last) {
            state.listeners.push(listener);
        }
        Events { queue }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Events {
        pub(crate) fn try_next(&mut self) -> Option<Event> {
            self.queue.try_recv().ok()
        }
    }

    fn last(mut events: Events) -> Option<Event> {
        std::iter::from_fn(|| events.queue.try_recv().ok()).last()
    }

    #[test]
    fn the_last_event_reaches_also_those_who_do_not_read_and_those_who_come_late() {
        let hub = Hub::default();
        let slow = hub.listen();
        drop(hub.listen());
        for _ in 0..2 * QUEUE {
            hub.tell(Event::Resumed);
        }
        hub.tell(Event::Closed { undelivered: 3 });
        assert_eq!(slow.queue.len(), QUEUE + 1);
        for events in [slow, hub.listen()] {
            assert!(events.queue.is_closed());
            assert!(matches!(last(events), Some(Event::Closed { undelivered: 3 })));
        }
    }
}
