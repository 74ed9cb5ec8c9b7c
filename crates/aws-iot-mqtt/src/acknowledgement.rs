//! Acknowledgements of received messages, on their way from the application to the session.

use std::fmt;
use std::mem::take;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// One subscription's part in the acknowledgement of one message. Dropped, it counts as given: an acknowledgement that
/// never comes would hold back all that follow (MQTT 5, section 4.6), until the server sends nothing more.
pub(crate) struct Acknowledgement {
    /// The number of the message, counted from the first one ever.
    number: u64,
    given: AtomicBool,
    session: Arc<SessionWaker>,
}

/// What the application has acknowledged and the session has not yet taken.
#[derive(Debug, Default)]
pub(crate) struct SessionWaker {
    given: Mutex<Vec<u64>>,
    /// Notified also when a subscription is dropped.
    wake: Notify,
}

impl Acknowledgement {
    pub(crate) fn new(number: u64, session: Arc<SessionWaker>) -> Self {
        Self { number, given: AtomicBool::new(false), session }
    }

    pub(crate) fn give(&self) {
        if !self.given.swap(true, Ordering::Relaxed) {
            self.session.given.lock().unwrap_or_else(PoisonError::into_inner).push(self.number);
            self.session.wake();
        }
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

impl SessionWaker {
    pub(crate) fn take(&self) -> Vec<u64> {
        take(&mut self.given.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }
}
