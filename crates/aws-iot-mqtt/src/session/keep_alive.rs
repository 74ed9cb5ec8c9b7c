//! When to ask the server whether it is still there, and when to take the connection for dead.

use std::time::{Duration, Instant};

use crate::clock::after;

/// How long the answer to a ping may take at most; AWS's own device SDK waits as long (aws-c-mqtt,
/// `AWS_MQTT5_CLIENT_DEFAULT_PING_TIMEOUT_MS`). Never longer than the keep-alive itself.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the server may be silent while it owes an answer, before it is asked. An answer takes a round trip, some
/// seconds on a bad line.
const SILENCE: Duration = Duration::from_secs(10);

pub(super) struct KeepAlive {
    /// `None` where the server wants none.
    every: Option<Duration>,
    /// When something was written last.
    sent: Instant,
    /// When something was received last.
    heard: Instant,
    /// Since when a ping waits for the socket, or for its answer.
    ping: Option<Instant>,
    /// The socket did not take all that there was.
    blocked: bool,
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
        Self { every, sent: now, heard: now, ping: None, blocked: false }
    }

    /// Something was written. `all`: nothing is left to be written.
    pub(super) fn written(&mut self, all: bool, now: Instant) {
        self.sent = now;
        if self.blocked {
            // The socket had been full and has room again: the server's side has acknowledged data. On a slow line that
            // is a sign of life long before the answer to a ping comes.
            self.ping = self.ping.map(|_| now);
        }
        self.blocked = !all;
    }

    /// The last byte of PINGREQ was written.
    pub(super) fn ping_written(&mut self, now: Instant) {
        self.ping = self.ping.map(|_| now);
    }

    /// Any byte counts, not PINGRESP alone, which may wait behind a long message.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.ping = None;
    }

    /// `unanswered`: since when the server owes an answer.
    pub(super) fn deadline(&self, unanswered: Option<Instant>) -> Option<Instant> {
        let every = self.every?;
        if let Some(since) = self.ping {
            return Some(after(since, PING_TIMEOUT.min(every)));
        }
        // The earlier of the two: MQTT wants to hear from us, and we want to hear from the server even while we send all the
        // time.
        let regular = after(self.sent.min(self.heard), every);
        let silence = unanswered.map(|since| after(since.max(self.heard), SILENCE.min(every)));
        silence.into_iter().chain([regular]).min()
    }

    pub(super) fn due(&mut self, unanswered: Option<Instant>, now: Instant) -> Due {
        let (Some(every), Some(deadline)) = (self.every, self.deadline(unanswered)) else {
            return Due::Nothing;
        };
        if now < deadline {
            return Due::Nothing;
        }
        if self.ping.is_some() {
            return Due::Dead(PING_TIMEOUT.min(every));
        }
        self.ping = Some(now);
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
        assert_eq!(keep_alive.due(None, start + MINUTE - SECOND), Due::Nothing);
        assert_eq!(keep_alive.due(None, start + MINUTE), Due::Ping);
        assert_eq!(keep_alive.due(None, start + MINUTE + SECOND), Due::Nothing, "one ping at a time");
        assert_eq!(keep_alive.due(None, start + MINUTE + PING_TIMEOUT), Due::Dead(PING_TIMEOUT));
    }

    #[test]
    fn the_time_for_the_answer_runs_from_when_the_ping_is_written() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(MINUTE, start);
        assert_eq!(keep_alive.due(None, start + MINUTE), Due::Ping);
        let written = start + MINUTE + 20 * SECOND;
        keep_alive.written(true, written);
        keep_alive.ping_written(written);
        assert_eq!(keep_alive.due(None, written + PING_TIMEOUT - SECOND), Due::Nothing);
        assert_eq!(keep_alive.due(None, written + PING_TIMEOUT), Due::Dead(PING_TIMEOUT));
    }

    #[test]
    fn a_full_socket_that_takes_bytes_again_is_a_sign_of_life() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(MINUTE, start);
        let mut now = start + MINUTE;
        assert_eq!(keep_alive.due(None, now), Due::Ping);
        keep_alive.written(false, now);
        keep_alive.ping_written(now);
        for _ in 0..10 {
            now += PING_TIMEOUT - SECOND;
            keep_alive.written(false, now);
            assert_eq!(keep_alive.due(None, now), Due::Nothing);
        }
        assert_eq!(keep_alive.due(None, now + PING_TIMEOUT), Due::Dead(PING_TIMEOUT));
    }

    #[test]
    fn a_server_that_owes_an_answer_is_asked_sooner() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(MINUTE, start);
        let published = start + SECOND;
        assert_eq!(keep_alive.due(Some(published), published + SILENCE - SECOND), Due::Nothing);
        assert_eq!(keep_alive.due(Some(published), published + SILENCE), Due::Ping);
        assert_eq!(
            keep_alive.due(Some(published), published + SILENCE + PING_TIMEOUT),
            Due::Dead(PING_TIMEOUT)
        );
    }

    #[test]
    fn an_answer_starts_the_time_anew() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(MINUTE, start);
        assert_eq!(keep_alive.due(None, start + MINUTE), Due::Ping);
        keep_alive.written(true, start + MINUTE);
        keep_alive.heard(start + MINUTE + SECOND);
        assert_eq!(keep_alive.due(None, start + MINUTE + PING_TIMEOUT), Due::Nothing);
        assert_eq!(keep_alive.due(None, start + 2 * MINUTE), Due::Ping, "a minute after what was sent last");
    }

    #[test]
    fn sending_all_the_time_does_not_hide_a_server_that_is_gone() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(MINUTE, start);
        keep_alive.written(true, start + MINUTE - SECOND);
        assert_eq!(keep_alive.due(None, start + MINUTE), Due::Ping);
        keep_alive.written(true, start + MINUTE + SECOND);
        assert_eq!(keep_alive.due(None, start + MINUTE + PING_TIMEOUT), Due::Dead(PING_TIMEOUT));
    }

    #[test]
    fn a_server_may_switch_it_off_and_a_short_one_bounds_the_wait() {
        let start = Instant::now();
        assert_eq!(KeepAlive::new(Duration::ZERO, start).deadline(Some(start)), None);
        let mut short = KeepAlive::new(SECOND, start);
        assert_eq!(short.due(None, start + SECOND), Due::Ping);
        assert_eq!(short.due(None, start + 2 * SECOND), Due::Dead(SECOND));
    }
}
