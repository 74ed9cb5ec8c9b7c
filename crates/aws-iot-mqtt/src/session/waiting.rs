//! What the session waits for: answers of the server, and moments.

use std::time::Instant;

use tracing::warn;

use super::blame::Item;
use super::keep_alive::Due;
use super::packet_ids::Use;
use super::{Session, Written};
use crate::Error;
use crate::clock::{Moment, after};
use crate::outbox::Key;

impl Session {
    /// When [`Self::timer`] has to be called next.
    pub(crate) fn deadline(&self, now: Moment) -> Option<Instant> {
        let unanswered = self.unanswered_since();
        let keep_alive = self.connection.as_ref().and_then(|one| one.keep_alive.deadline(unanswered));
        let publish = self.oldest_publish().map(|(_, written)| after(written, self.operation_timeout));
        let subscriptions = self.subscriptions.deadline(self.operation_timeout);
        let outbox = self.outbox.deadline(now);
        let timer = self.timers.iter().map(|(due, _)| *due).min();
        [keep_alive, publish, subscriptions, outbox, timer, self.not_before].into_iter().flatten().min()
    }

    /// Does what the time asks for.
    pub(crate) fn timer(&mut self, now: Moment) -> Result<(), Error> {
        self.outbox.expire(now.wall);
        for (_, answer) in self.timers.extract_if(.., |(due, _)| *due <= now.instant) {
            let _ = answer.send(Ok(()));
        }
        let (again, outcomes) = self.subscriptions.timer(&mut self.ids, self.operation_timeout, now.instant);
        for id in again {
            warn!(request = self.subscriptions.in_words(id), "not answered yet: it is sent once more");
            self.send_request(id);
        }
        self.report(outcomes);
        self.reconcile();
        let unanswered = self.unanswered_since();
        let oldest = self.oldest_publish();
        let Some(connection) = &mut self.connection else { return Ok(()) };
        match connection.keep_alive.due(unanswered, now.instant) {
            Due::Nothing => {}
            Due::Ping => self.output.ping_first(Written::Ping),
            Due::Dead(after) => return Err(Error::KeepAlive { after }),
        }
        match oldest {
            Some((key, written)) if now.instant >= after(written, self.operation_timeout) => {
                Err(Error::OperationTimeout {
                    what: self.in_words(&Item::Publish(key)),
                    after: self.operation_timeout,
                })
            }
            _ => Ok(()),
        }
    }

    /// What the server has owed an answer for longest, for the error of a lost connection.
    pub(crate) fn unanswered(&self) -> Option<String> {
        self.oldest_item().map(|item| self.in_words(&item))
    }

    /// Since when the server owes an answer.
    pub(super) fn unanswered_since(&self) -> Option<Instant> {
        let publish = self.oldest_publish().map(|(_, written)| written);
        let request = self.subscriptions.oldest_request().map(|(_, written)| written);
        publish.into_iter().chain(request).min()
    }

    pub(super) fn oldest_item(&self) -> Option<Item> {
        let publish = self.oldest_publish().map(|(key, written)| (written, Item::Publish(key)));
        let request = self.subscriptions.oldest_request();
        let request = request.map(|(filter, written)| (written, Item::Filter(filter.clone())));
        publish.into_iter().chain(request).min_by_key(|(written, _)| *written).map(|(_, item)| item)
    }

    /// The message that has waited longest for its acknowledgement on this connection, and since when.
    pub(super) fn oldest_publish(&self) -> Option<(Key, Instant)> {
        self.unacknowledged.iter().find_map(|(id, key, written)| {
            (self.ids.get(*id) == Some(Use::Publish(*key))).then_some((*key, *written))
        })
    }

    /// Forgets the messages at the front that were acknowledged.
    pub(super) fn trim_unacknowledged(&mut self) {
        while let Some((id, key, _)) = self.unacknowledged.front()
            && self.ids.get(*id) != Some(Use::Publish(*key))
        {
            self.unacknowledged.pop_front();
        }
    }
}
