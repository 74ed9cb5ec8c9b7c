//! What the server owes an answer to, and what is given up.

use std::time::Instant;

use tracing::warn;

use super::Session;
use super::blame::Item;
use super::packet_ids::Use;
use crate::Error;
use crate::outbox::Key;

impl Session {
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

    pub(super) fn in_words(&self, item: &Item) -> String {
        match item {
            Item::Publish(key) => format!("the message to '{}'", self.outbox.topic(*key).unwrap_or_default()),
            Item::Filter(filter) => format!("the subscription to '{filter}'"),
        }
    }

    /// The server has ended several connections over this.
    pub(super) fn give_up(&mut self, item: &Item, losses: u32, error: &Error) {
        let error =
            Error::Unanswerable { what: self.in_words(item), times: losses, last: Box::new(error.clone()) };
        match item {
            Item::Publish(key) => self.outbox.complete([(*key, Err(error))]),
            Item::Filter(filter) => {
                warn!(error = %error.report(), "a subscription is given up");
                let outcomes = self.subscriptions.fail(filter, &error);
                self.report(outcomes);
            }
        }
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
