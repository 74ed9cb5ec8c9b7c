//! What happens to the connection, for the application to show or to act on.

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
    /// After a reconnect: the subscriptions stand again, and what was under way has been submitted again.
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
    /// After a reconnect, the server has refused a subscription that stood before: its stream ends.
    SubscriptionLost {
        /// The filter.
        filter: String,
        /// The server's answer.
        error: Error,
    },
    /// A message was given up: the outbox was full, or it expired before it could be sent.
    MessageDropped {
        /// Its topic.
        topic: String,
        /// Why.
        error: Error,
    },
    /// There will be no further attempt. Whoever waits gets the same error.
    GaveUp {
        /// Why.
        error: Error,
    },
    /// The client was disconnected by its own program. The last event.
    Closed,
}

/// The events of a client, in order. Also a [`Stream`].
///
/// It begins with the state that holds when it is made, and ends with the client. A reader that falls 256 events
/// behind misses some.
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

#[cfg(test)]
impl Events {
    pub(crate) fn try_next(&mut self) -> Option<Event> {
        self.queue.try_recv().ok()
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
pub(crate) struct Hub {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listeners: Vec<mpsc::Sender<Event>>,
    /// The last event that says how things stand.
    standing: Option<Event>,
    ended: bool,
}

impl Hub {
    pub(crate) fn tell(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is too slow misses it, whoever is gone is forgotten.
        state.listeners.retain(|listener| {
            !matches!(listener.try_send(event.clone()), Err(mpsc::error::TrySendError::Closed(_)))
        });
        match event {
            Event::Connected { .. }
            | Event::Disconnected { .. }
            | Event::ConnectFailed { .. }
            | Event::GaveUp { .. }
            | Event::Closed => state.standing = Some(event),
            Event::Resumed | Event::SubscriptionLost { .. } | Event::MessageDropped { .. } => {}
        }
    }

    /// No more events.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended = true;
        state.listeners.clear();
    }

    pub(crate) fn listen(&self) -> Events {
        let (listener, queue) = mpsc::channel(QUEUE);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = state.standing.clone() {
            let _ = listener.try_send(standing);
        }
        if !state.ended {
            state.listeners.push(listener);
        }
        Events { queue }
    }
}
