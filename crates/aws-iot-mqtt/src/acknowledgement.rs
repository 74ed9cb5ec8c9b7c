//! Acknowledgements that the application gives itself.

use std::fmt;
use std::mem::take;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// One subscription's part in the acknowledgement of one message.
#[derive(Clone)]
pub(crate) struct Acknowledgement(Arc<Part>);

struct Part {
    arrival: Arrival,
    given: AtomicBool,
    given_ones: Arc<GivenOnes>,
}

/// Which message of which connection: the server forgets what is not acknowledged with the connection it came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) connection: u64,
    pub(crate) number: u64,
}

/// What the application has acknowledged and the session has not yet told the server.
#[derive(Debug, Default)]
pub(crate) struct GivenOnes {
    arrivals: Mutex<Vec<Arrival>>,
    /// Rung also when a subscription's queue has room again, or is gone.
    pub(crate) bell: Arc<Notify>,
}

impl Acknowledgement {
    pub(crate) fn new(arrival: Arrival, given_ones: Arc<GivenOnes>) -> Self {
        Self(Arc::new(Part { arrival, given: AtomicBool::new(false), given_ones }))
    }

    pub(crate) fn give(&self) {
        let Part { arrival, given, given_ones } = self.0.as_ref();
        if !given.swap(true, Ordering::Relaxed) {
            given_ones.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(*arrival);
            given_ones.bell.notify_one();
        }
    }
}

impl GivenOnes {
    pub(crate) fn take(&self) -> Vec<Arrival> {
        take(&mut self.arrivals.lock().unwrap_or_else(PoisonError::into_inner))
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
