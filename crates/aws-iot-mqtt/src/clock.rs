//! The two clocks of the session.

use std::time::{Duration, Instant, SystemTime};

/// One moment on both clocks. It is a parameter of the state machines, so that no test waits for a clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For time-outs. tokio's clock, which a test may pause.
    pub(crate) instant: Instant,
    /// For the expiry of messages: the time that a device is suspended counts, and a restart does not reset it.
    pub(crate) wall: SystemTime,
}

impl Now {
    pub(crate) fn now() -> Self {
        Self { instant: tokio::time::Instant::now().into_std(), wall: SystemTime::now() }
    }
}

/// `from + duration`; a moment that no clock can show is as good as a year.
pub(crate) fn after(from: Instant, duration: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    from.checked_add(duration).or_else(|| from.checked_add(YEAR)).unwrap_or(from)
}
