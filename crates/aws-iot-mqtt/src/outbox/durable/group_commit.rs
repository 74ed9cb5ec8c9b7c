//! When what was written is synced: whoever published waits, and so does what became of messages.

use std::time::{Duration, Instant};

use super::super::entry::Answer;
use super::Commit;
use crate::Error;

/// Acknowledged messages that are not written down yet: as many are sent again after a power failure, at most.
pub(super) const UNSAVED: usize = 256;
/// How long what became of a message waits for the next message, so that both are written together.
const UNSAVED_TIME: Duration = Duration::from_secs(10);

/// What waits for the next commit.
pub(super) struct GroupCommit {
    commit: Commit,
    /// Messages that were appended, each with whom to tell.
    appended: Vec<Option<Answer<()>>>,
    /// Since when the oldest of them waits.
    waiting_since: Option<Instant>,
    /// How many messages are done with.
    unsaved: usize,
    /// Since when the first of them is, or the first that was sent has a packet id that is to be kept.
    unsaved_since: Option<Instant>,
}

impl GroupCommit {
    pub(super) fn new(commit: Commit) -> Self {
        Self { commit, appended: Vec::new(), waiting_since: None, unsaved: 0, unsaved_since: None }
    }

    /// A message was appended, which has waited since then.
    pub(super) fn appended(&mut self, answer: Option<Answer<()>>, since: Instant) {
        self.waiting_since.get_or_insert(since);
        self.appended.push(answer);
    }

    /// So many messages are done with, or one was sent.
    pub(super) fn changed(&mut self, done: usize, now: Instant) {
        self.unsaved += done;
        self.unsaved_since.get_or_insert(now);
    }

    /// All of it is on stable storage, or what was appended is lost, or may be.
    pub(super) fn end(&mut self, result: &Result<(), Error>) {
        for answer in self.appended.drain(..).flatten() {
            // Whoever published it may have stopped waiting.
            let _ = answer.send(result.clone());
        }
        self.waiting_since = None;
        if result.is_ok() {
            (self.unsaved, self.unsaved_since) = (0, None);
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        let full = match self.commit {
            Commit::Each => !self.appended.is_empty(),
            Commit::Batched { messages, .. } => self.appended.len() >= messages.max(1),
        };
        full || self.unsaved >= UNSAVED || self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// When it has to be synced at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let delay = match self.commit {
            Commit::Each => Duration::ZERO,
            Commit::Batched { delay, .. } => delay,
        };
        let waiting = self.waiting_since.and_then(|since| since.checked_add(delay));
        let unsaved = self.unsaved_since.and_then(|since| since.checked_add(delay.max(UNSAVED_TIME)));
        waiting.into_iter().chain(unsaved).min()
    }
}
