//! Received messages on their way from the session to the application, and their acknowledgements on the way back.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::mem::{replace, take};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use tokio::sync::Notify;

use crate::Message;

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

/// The session's end of a stream. The stream ends with it; what waits can still be read.
pub(crate) struct QueueWriter(Arc<Shared>);

/// The stream of messages that [`Client::messages`](crate::Client::messages) gives. Also a [`Stream`].
pub struct Messages(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Wakes the session.
    session: Arc<Notify>,
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
    /// It waits, and its acknowledgement is the first that is withheld since the queue was last less than full.
    FirstWithheld,
    /// It was dropped, or an older one for it.
    Dropped,
}

/// A queue; a writer that is shared serves several subscriptions.
pub(crate) fn queue(
    session: Arc<Notify>,
    capacity: usize,
    when_unread: WhenUnread,
) -> (Arc<QueueWriter>, Messages) {
    let state = Mutex::default();
    let shared = Arc::new(Shared { state, session, capacity: capacity.max(1), when_unread });
    (Arc::new(QueueWriter(Arc::clone(&shared))), Messages(shared))
}

impl QueueWriter {
    /// Whether a message may be acknowledged as soon as it is in the queue.
    pub(crate) fn has_room(&self) -> bool {
        self.0.when_unread == WhenUnread::DropOldest || self.0.state().messages.len() < self.0.capacity
    }

    /// Whether the application has taken its end.
    pub(crate) fn is_read(&self) -> bool {
        let state = self.0.state();
        state.is_read && !state.reader_gone
    }

    pub(crate) fn push(&self, message: Message) -> Pushed {
        let mut state = self.0.state();
        if state.reader_gone {
            return Pushed::Dropped;
        }
        let (mut pushed, mut oldest) = (Pushed::Queued, None);
        if state.messages.len() < self.0.capacity {
            state.withheld = false;
        } else if self.0.when_unread == WhenUnread::DropOldest {
            (pushed, oldest) = (Pushed::Dropped, state.messages.pop_front());
        } else if message.acknowledgement.is_none() {
            return Pushed::Dropped;
        } else if !replace(&mut state.withheld, true) {
            // It will be acknowledged when it is read, so the server does not send more than it may.
            pushed = Pushed::FirstWithheld;
        }
        state.messages.push_back(message);
        let waker = state.waker.take();
        drop(state);
        // Not under the lock: it may give an acknowledgement.
        drop(oldest);
        waker.into_iter().for_each(Waker::wake);
        pushed
    }

    /// Removes the messages that are not acknowledged: the server sends them again.
    pub(crate) fn remove_unacknowledged(&self) {
        let mut state = self.0.state();
        let (again, kept): (VecDeque<_>, _) =
            take(&mut state.messages).into_iter().partition(|message| message.acknowledgement.is_some());
        state.messages = kept;
        drop(state);
        // Not under the lock: it wakes the session.
        drop(again);
    }

    /// Messages wait for the application, which has not taken its end yet.
    pub(crate) fn attach(&self) {
        self.0.state().is_read = true;
    }

    /// Whether the application has dropped its end.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.state().reader_gone
    }
}

impl Drop for QueueWriter {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.ended = true;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Messages {
    /// The next message, or `None` when the client is at its end.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|context| self.poll(context)).await
    }

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

impl Stream for Messages {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll(context)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.reader_gone = true;
        let unread = take(&mut state.messages);
        drop(state);
        // Not under the lock: their acknowledgements are given by it.
        drop(unread);
        self.0.session.notify_one();
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("waiting", &self.0.state().messages.len()).finish()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One subscription's part in the acknowledgement of one message. Dropped, it counts as given: an acknowledgement that
/// never comes would hold back all that follow (MQTT 5, section 4.6), until the server sends nothing more.
pub(crate) struct Acknowledgement {
    given: AtomicBool,
    session: Arc<Notify>,
}

impl Acknowledgement {
    pub(crate) fn new(session: Arc<Notify>) -> Self {
        Self { given: AtomicBool::new(false), session }
    }

    pub(crate) fn give(&self) {
        if !self.given.swap(true, Ordering::AcqRel) {
            self.session.notify_one();
        }
    }

    pub(crate) fn is_given(&self) -> bool {
        self.given.load(Ordering::Acquire)
    }
}

impl Drop for Acknowledgement {
    fn drop(&mut self) {
        self.give();
    }
}

impl fmt::Debug for Acknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Acknowledgement").field(&self.given).finish()
    }
}
