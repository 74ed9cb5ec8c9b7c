//! Received messages on their way from the session to the application.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::Message;
use crate::acknowledgement::SessionWaker;

/// How many messages wait for a slow reader, for each stream, unless said otherwise: some dozen are a burst, more is a
/// backlog.
pub(crate) const CAPACITY: usize = 64;

/// What happens when a reader is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenUnread {
    /// QoS 1 messages are kept, and acknowledged when they are read: the server stops sending, on all subscriptions, when
    /// as many are unacknowledged as this client said it takes ([`Limits::receive_maximum`](crate::Limits)). QoS 0
    /// messages, which cannot be held back, are dropped.
    Wait,
    /// The oldest messages are dropped, and count as acknowledged: the other subscriptions are never held up.
    DropOldest,
}

/// The session's end of a stream.
#[derive(Clone)]
pub(crate) struct QueueWriter {
    shared: Arc<Shared>,
    /// It is the stream of all filters that were given to the builder: it ends with the client, and with none of them.
    merged: bool,
}

/// The application's end.
pub(crate) struct QueueReader(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    session: Arc<SessionWaker>,
    capacity: usize,
    when_unread: WhenUnread,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    /// No further message comes.
    ended: bool,
    /// The application has dropped its end.
    reader_gone: bool,
    /// The application reads it.
    is_read: bool,
    /// Acknowledgements are withheld since the queue was last less than full.
    withheld: bool,
    waker: Option<Waker>,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits for the reader.
    Queued,
    /// It waits, and an older one was dropped for it.
    DroppedOldest,
    /// It was dropped.
    Dropped,
}

pub(crate) fn queue(
    session: Arc<SessionWaker>,
    capacity: usize,
    when_unread: WhenUnread,
) -> (QueueWriter, QueueReader) {
    let shared =
        Arc::new(Shared { state: Mutex::default(), session, capacity: capacity.max(1), when_unread });
    (QueueWriter { shared: Arc::clone(&shared), merged: false }, QueueReader(shared))
}

impl QueueWriter {
    /// Whether a message may be acknowledged as soon as it is in the queue.
    pub(crate) fn has_room(&self) -> bool {
        self.shared.when_unread == WhenUnread::DropOldest
            || self.shared.state().messages.len() < self.shared.capacity
    }

    /// Whether the application has taken its end.
    pub(crate) fn is_read(&self) -> bool {
        let state = self.shared.state();
        state.is_read && !state.reader_gone
    }

    /// Whether the first acknowledgement is withheld since the queue was last less than full.
    pub(crate) fn first_withheld(&self) -> bool {
        !std::mem::replace(&mut self.shared.state().withheld, true)
    }

    pub(crate) fn push(&self, message: Message) -> Pushed {
        let mut state = self.shared.state();
        if state.ended || state.reader_gone {
            return Pushed::Dropped;
        }
        let mut dropped = None;
        state.withheld &= state.messages.len() >= self.shared.capacity;
        if state.messages.len() >= self.shared.capacity {
            match self.shared.when_unread {
                WhenUnread::DropOldest => dropped = state.messages.pop_front(),
                // It will be acknowledged when it is read, so the server does not send more than it may.
                WhenUnread::Wait if message.acknowledgement.is_some() => {}
                WhenUnread::Wait => return Pushed::Dropped,
            }
        }
        state.messages.push_back(message);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        if dropped.is_some() { Pushed::DroppedOldest } else { Pushed::Queued }
    }

    /// Removes the messages that are not acknowledged: the server sends them again.
    pub(crate) fn remove_unacknowledged(&self) {
        let mut state = self.shared.state();
        let (again, kept) = std::mem::take(&mut state.messages)
            .into_iter()
            .partition(|message| message.acknowledgement.is_some());
        state.messages = kept;
        drop(state);
        // Not under the lock: it wakes the session.
        drop::<VecDeque<Message>>(again);
    }

    /// This writer, as that of the stream of several filters. Their messages wait until the application takes the stream.
    pub(crate) fn merged(self) -> Self {
        self.shared.state().is_read = true;
        Self { merged: true, ..self }
    }

    /// Ends the stream with its subscription; that of several filters goes on.
    pub(crate) fn end_subscription(&self) {
        if !self.merged {
            self.end();
        }
    }

    /// Ends the stream; what waits can still be read.
    pub(crate) fn end(&self) {
        let mut state = self.shared.state();
        state.ended = true;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_closed(&self) -> bool {
        let state = self.shared.state();
        state.reader_gone || state.ended
    }
}

impl QueueReader {
    /// The application takes this end.
    pub(crate) fn attach(&self) {
        self.0.state().is_read = true;
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut state = self.0.state();
        if let Some(message) = state.messages.pop_front() {
            return Poll::Ready(Some(message));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    #[cfg(test)]
    pub(crate) fn try_next(&mut self) -> Option<Message> {
        self.0.state().messages.pop_front()
    }

    #[cfg(test)]
    pub(crate) fn has_ended(&self) -> bool {
        let state = self.0.state();
        state.ended && state.messages.is_empty()
    }
}

impl Drop for QueueReader {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.reader_gone = true;
        let unread = std::mem::take(&mut state.messages);
        drop(state);
        // Not under the lock: their acknowledgements are given by it.
        drop(unread);
        self.0.session.wake();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for QueueReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueReader").field("waiting", &self.0.state().messages.len()).finish()
    }
}
