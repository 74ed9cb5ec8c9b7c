//! Acknowledgements of received messages, on their way from the application to the session.

use std::fmt;
use std::mem::take;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// One subscription's part in the acknowledgement of one message. Dropped, it counts as given: an acknowledgement that
/// never comes would hold back all that follow (MQTT 5, section 4.6), until the server sends nothing more.
#[derive(Clone)]
pub(crate) struct Acknowledgement(Arc<Part>);

struct Part {
    arrival: Arrival,
    given: AtomicBool,
    session: Arc<SessionWaker>,
}

/// Which message of which connection: the server forgets what is not acknowledged with the connection it came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) connection: u64,
    pub(crate) number: u64,
}

/// What the application has acknowledged and the session has not yet taken.
#[derive(Debug, Default)]
pub(crate) struct SessionWaker {
    given: Mutex<Vec<Arrival>>,
    /// Notified also when a subscription is dropped.
    wake: Notify,
}

impl Acknowledgement {
    pub(crate) fn new(arrival: Arrival, session: Arc<SessionWaker>) -> Self {
        Self(Arc::new(Part { arrival, given: AtomicBool::new(false), session }))
    }

    pub(crate) fn give(&self) {
        self.0.give();
    }
}

impl Part {
    fn give(&self) {
        if !self.given.swap(true, Ordering::Relaxed) {
            self.session.given.lock().unwrap_or_else(PoisonError::into_inner).push(self.arrival);
            self.session.wake();
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.give();
    }
}

impl SessionWaker {
    pub(crate) fn take(&self) -> Vec<Arrival> {
        take(&mut self.given.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }
}

impl PartialEq for Acknowledgement {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Acknowledgement {}

impl fmt::Debug for Acknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Acknowledgement").field(&self.0.given.load(Ordering::Relaxed)).finish()
    }
}
