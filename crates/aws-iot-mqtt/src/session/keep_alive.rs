//! When to ask the server whether it is still there, and when to take it for dead.

use std::time::{Duration, Instant};

/// How long the answer to a ping may take at most; AWS's own device SDK waits as long (aws-c-mqtt,
/// `AWS_MQTT5_CLIENT_DEFAULT_PING_TIMEOUT_MS`). Never longer than the keep-alive itself.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct KeepAlive {
    /// `None` where the server wants none.
    every: Option<Duration>,
    sent: Instant,
    heard: Instant,
    asked: Option<Instant>,
}

/// What the time asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    Dead(Duration),
}

impl KeepAlive {
    pub(super) fn new(every: Duration, now: Instant) -> Self {
        let every = Some(every).filter(|every| !every.is_zero());
        Self { every, sent: now, heard: now, asked: None }
    }

    pub(super) fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    /// Any byte counts, not PINGRESP alone, which may wait behind a long message.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.asked = None;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let every = self.every?;
        Some(match self.asked {
            Some(asked) => asked + PING_TIMEOUT.min(every),
            // The earlier of the two: MQTT wants to hear from us, and we want to hear from the server even while we
            // send all the time.
            None => self.sent.min(self.heard) + every,
        })
    }

    pub(super) fn due(&mut self, now: Instant) -> Due {
        let (Some(every), Some(deadline)) = (self.every, self.deadline()) else { return Due::Nothing };
        if now < deadline {
            return Due::Nothing;
        }
        if self.asked.is_some() {
            return Due::Dead(PING_TIMEOUT.min(every));
        }
        self.asked = Some(now);
        self.sent = now;
        Due::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_is_asked_about_and_then_means_death() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(MINUTE, start);
        assert_eq!(keep_alive.due(start + MINUTE - SECOND), Due::Nothing);
        assert_eq!(keep_alive.due(start + MINUTE), Due::Ping);
        assert_eq!(keep_alive.due(start + MINUTE + SECOND), Due::Nothing, "one ping at a time");
        assert_eq!(keep_alive.due(start + MINUTE + PING_TIMEOUT), Due::Dead(PING_TIMEOUT));
    }

    #[test]
    fn an_answer_starts_the_time_anew() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(MINUTE, start);
        assert_eq!(keep_alive.due(start + MINUTE), Due::Ping);
        keep_alive.heard(start + MINUTE + SECOND);
        assert_eq!(keep_alive.due(start + MINUTE + PING_TIMEOUT), Due::Nothing);
        assert_eq!(keep_alive.due(start + 2 * MINUTE), Due::Ping, "a minute after what was sent last");
    }

    #[test]
    fn sending_all_the_time_does_not_hide_a_server_that_is_gone() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(MINUTE, start);
        keep_alive.sent(start + MINUTE - SECOND);
        assert_eq!(keep_alive.due(start + MINUTE), Due::Ping);
        keep_alive.sent(start + MINUTE + SECOND);
        assert_eq!(keep_alive.due(start + MINUTE + PING_TIMEOUT), Due::Dead(PING_TIMEOUT));
    }

    #[test]
    fn a_server_may_switch_it_off_and_a_short_one_bounds_the_wait() {
        let start = Instant::now();
        assert_eq!(KeepAlive::new(Duration::ZERO, start).deadline(), None);
        let mut short = KeepAlive::new(SECOND, start);
        assert_eq!(short.due(start + SECOND), Due::Ping);
        assert_eq!(short.due(start + 2 * SECOND), Due::Dead(SECOND));
    }
}
