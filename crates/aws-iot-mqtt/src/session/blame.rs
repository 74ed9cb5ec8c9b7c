//! Which request the server hangs up on.
//!
//! AWS IoT Core may close the connection in answer to a PUBLISH or SUBSCRIBE that the policy denies. Sent again first on
//! each new connection, such a request would be met with the same answer for ever, and everything behind it would wait.

use std::io::ErrorKind;

use crate::outbox::Key;
use crate::{Error, Filter};

/// How often the connection may end with the same oldest request unanswered. More than a network that fails now and
/// then brings about, few enough for the rest to go on after some seconds.
const LOSSES: u32 = 3;

/// A request that the server has to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Publish(Key),
    Filter(Filter),
}

#[derive(Default)]
pub(super) struct Blame {
    suspect: Option<Suspect>,
    /// Something was answered on this connection.
    progress: bool,
}

/// The oldest request that was unanswered when the connection ended.
struct Suspect {
    item: Item,
    /// How often in a row.
    losses: u32,
    /// The server hung up, so it is sent alone: nothing else is to be blamed for it.
    alone: bool,
}

impl Blame {
    pub(super) fn connected(&mut self) {
        self.progress = false;
    }

    /// Whether only one request may be unanswered at a time.
    pub(super) fn one_at_a_time(&self) -> bool {
        self.suspect.as_ref().is_some_and(|suspect| suspect.alone)
    }

    pub(super) fn answered(&mut self, is_item: impl Fn(&Item) -> bool) {
        self.progress = true;
        self.suspect = self.suspect.take().filter(|suspect| !is_item(&suspect.item));
    }

    /// The connection ended with `oldest` unanswered. Returns it if it is to be given up.
    pub(super) fn lost(&mut self, oldest: Option<Item>, error: &Error) -> Option<(Item, u32)> {
        // A server that acknowledges nothing at all is overloaded, or throttles: no request is to blame.
        let alone = hung_up(error);
        let counts = alone || (matches!(error, Error::OperationTimeout { .. }) && self.progress);
        let item = oldest.filter(|_| counts)?;
        let losses = match self.suspect.take() {
            Some(suspect) if suspect.item == item => suspect.losses + 1,
            _ => 1,
        };
        if losses >= LOSSES {
            return Some((item, losses));
        }
        self.suspect = Some(Suspect { item, losses, alone });
        None
    }
}

/// Whether the server ended the connection, and not because of its own state or another client.
fn hung_up(error: &Error) -> bool {
    match error {
        Error::Lost { source, .. } => {
            let kind = source.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            matches!(
                kind,
                Some(
                    ErrorKind::UnexpectedEof
                        | ErrorKind::ConnectionReset
                        | ErrorKind::BrokenPipe
                        | ErrorKind::ConnectionAborted
                )
            )
        }
        // Unspecified, malformed, protocol, implementation, not authorized; topic filter to topic alias invalid; packet
        // too large; payload format, retain, QoS (MQTT 5, section 3.14.2.1). The others are about the server, the
        // connection, or another client.
        Error::Disconnected { reason, .. } => {
            matches!(reason.code(), 0x80..=0x83 | 0x87 | 0x8F..=0x95 | 0x99..=0x9B)
        }
        // Garbage in answer to it.
        Error::Protocol { .. } => true,
        _ => false,
    }
}
