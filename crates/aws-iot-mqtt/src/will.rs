//! What the server publishes when this client is gone without a DISCONNECT.

use std::time::Duration;

use crate::Publication;

/// A message that the server publishes when the connection ends without a DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    pub(crate) publication: Publication,
    pub(crate) delay: Option<Duration>,
}

impl Will {
    /// The message to leave behind. The policy has to allow `iot:Publish` on its topic.
    pub fn new(publication: Publication) -> Self {
        Self { publication, delay: None }
    }

    /// How long the server waits for the client to come back, in whole seconds, before it publishes. It waits no
    /// longer than the session lasts: without a persistent session, not at all.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }
}
