//! The messages that are on their way, and what has become of the others.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Context as _;
use aws_iot_mqtt::{Client, Error, Publication, Receipt};
use tokio::time::timeout;

use crate::terminal::say;

/// How many messages wait for their acknowledgement at a time: as many as AWS IoT Core takes of one connection (message broker quotas,
/// "Maximum inbound unacknowledged messages").
const WINDOW: usize = 100;

pub(super) struct Outgoing {
    client: Client,
    /// What a message is called.
    name: &'static str,
    /// Those that were accepted, in their order, each with its number.
    waiting: VecDeque<(u64, Receipt)>,
    /// One for which the outbox had no room.
    held: Option<(u64, Publication)>,
    delivered: u64,
    failed: u64,
    /// Why the first of them failed.
    first_failure: Option<anyhow::Error>,
}

impl Outgoing {
    pub(super) fn new(client: Client, name: &'static str) -> Self {
        let waiting = VecDeque::with_capacity(WINDOW);
        Self { client, name, waiting, held: None, delivered: 0, failed: 0, first_failure: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.held.is_none()
    }

    /// Whether another message is taken. Otherwise the input waits.
    pub(super) fn has_room(&self) -> bool {
        self.held.is_none() && self.waiting.len() < WINDOW
    }

    pub(super) fn publish(&mut self, number: u64, publication: anyhow::Result<Publication>) {
        match publication {
            Err(error) => self.fail(number, error),
            Ok(publication) => match self.client.try_publish(publication.clone()) {
                Ok(receipt) => self.waiting.push_back((number, receipt)),
                // It goes when the oldest has left.
                Err(Error::OutboxFull { .. }) if !self.waiting.is_empty() => {
                    self.held = Some((number, publication))
                }
                Err(error) => self.fail(number, error.into()),
            },
        }
    }

    /// Waits for the oldest message's end. May be called again when the wait was given up.
    pub(super) async fn oldest(&mut self) {
        if let Some((_, receipt)) = self.waiting.front_mut() {
            let result = receipt.await;
            self.end_of_oldest(result);
        }
        if let Some((number, publication)) = self.held.take() {
            self.publish(number, Ok(publication));
        }
    }

    /// After the client's end: what has become of those that were still on their way.
    pub(super) async fn finish(&mut self) {
        while let Some((_, receipt)) = self.waiting.front_mut() {
            // The client's end answers all of them. After a second signal, some may be left without an answer.
            let result = timeout(Duration::ZERO, receipt).await.unwrap_or(Err(Error::Closed));
            self.end_of_oldest(result);
        }
        if let Some((number, _)) = self.held.take() {
            self.fail(number, Error::Closed.into());
        }
    }

    pub(super) fn summary(&self) -> String {
        format!("{} of {} {}s delivered", self.delivered, self.delivered + self.failed, self.name)
    }

    pub(super) fn into_result(self) -> anyhow::Result<()> {
        let summary = self.summary();
        match self.first_failure {
            None => Ok(()),
            // It was not told yet.
            Some(error) if self.delivered + self.failed == 1 => Err(error),
            Some(error) => Err(error).context(summary),
        }
    }

    fn end_of_oldest(&mut self, result: Result<(), Error>) {
        let Some((number, _)) = self.waiting.pop_front() else { return };
        match result {
            Ok(()) => self.delivered += 1,
            Err(Error::Closed) => self.fail(
                number,
                anyhow::anyhow!("the server has not acknowledged it: whether it arrived is not known"),
            ),
            Err(error) => self.fail(number, error.into()),
        }
    }

    fn fail(&mut self, number: u64, error: anyhow::Error) {
        self.failed += 1;
        if self.name == "line" || number > 1 {
            say!("{} {number} is not delivered: {error:#}", self.name);
        }
        self.first_failure.get_or_insert(error);
    }
}
