//! Which request the server hangs up on.
//!
//! AWS IoT Core may close the connection in answer to a PUBLISH or SUBSCRIBE that the policy denies. Sent again first on
//! each new connection, such a request would be met with the same answer for ever, and everything behind it would wait.
//!
//! But a front end that accepts CONNECT and then fails hangs up on every request, and none of them is to blame. Therefore:
//! - Where the server gives a reason that names the request, the request is given up after three hang-ups.
//! - Otherwise, a message is set aside after three hang-ups, and the others go on. If they pass and it still does not, it is
//!   given up.
//! - If no other message passes, it is given up after a minute. The next one then gets two minutes, and so on. So an outage
//!   of a minute costs no message, and one of an hour six at most.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tracing::warn;

use super::Session;
use crate::codec::ProtocolError;
use crate::outbox::Key;
use crate::{Error, Filter};

/// How often the connection may end with the same oldest request unanswered. More than a network that fails now and
/// then brings about, few enough for the rest to go on after some seconds.
const LOSSES: u32 = 3;
/// How long the server has to hang up on a request that cannot be compared with others. A front end that restarts needs less.
const SPAN: Duration = Duration::from_secs(60);
/// How often that time is doubled: up to an hour.
const DOUBLINGS: u32 = 6;

/// A request that the server has to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Publish(Key),
    Filter(Filter),
}

#[derive(Default)]
pub(super) struct Blame {
    suspect: Option<Suspect>,
    /// Messages that wait until others have passed, or nothing else is left to send.
    aside: Vec<Suspect>,
    /// Something was answered on this connection.
    progress: bool,
    /// How many requests were given up since the server last acknowledged a message, without anything to compare them with.
    given_up: u32,
}

/// The oldest request that was unanswered when the connection ended.
struct Suspect {
    item: Item,
    /// How often.
    losses: u32,
    /// When it was for the first time.
    first: Instant,
    /// The server hung up, so it is sent alone: nothing else is to be blamed for it.
    alone: bool,
    /// The server has acknowledged other messages since.
    others_pass: bool,
}

/// What becomes of the request that the connection ended with.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    SetAside(Key),
    GiveUp {
        item: Item,
        /// How often the connection ended with it.
        losses: u32,
    },
}

impl Blame {
    pub(super) fn connected(&mut self) {
        self.progress = false;
    }

    /// Whether only one request may be unanswered at a time.
    pub(super) fn one_at_a_time(&self) -> bool {
        self.suspect.as_ref().is_some_and(|suspect| suspect.alone)
    }

    pub(super) fn acknowledged(&mut self, key: Key) {
        (self.progress, self.given_up) = (true, 0);
        self.suspect = self.suspect.take().filter(|suspect| suspect.item != Item::Publish(key));
        for suspect in self.aside.iter_mut().filter(|suspect| !suspect.others_pass) {
            (suspect.others_pass, suspect.losses) = (true, 1);
        }
    }

    pub(super) fn granted(&mut self, filters: &[Filter]) {
        self.progress = true;
        let granted = |item: &Item| matches!(item, Item::Filter(filter) if filters.contains(filter));
        self.suspect = self.suspect.take().filter(|suspect| !granted(&suspect.item));
    }

    /// The next message that was set aside and is to be sent, alone. `idle`: no other message is left to send.
    pub(super) fn take_back(&mut self, idle: impl Fn() -> bool) -> Option<Key> {
        let due = |suspect: &Suspect| suspect.others_pass || idle();
        let index = self.aside.iter().position(due).filter(|_| self.suspect.is_none())?;
        let suspect = self.suspect.insert(self.aside.remove(index));
        match suspect.item {
            Item::Publish(key) => Some(key),
            Item::Filter(_) => None,
        }
    }

    /// What is sent alone, or first.
    pub(super) fn suspect(&self) -> Option<&Item> {
        self.suspect.as_ref().map(|suspect| &suspect.item)
    }

    /// It is gone: the message has expired, or nobody wants the subscription any more.
    pub(super) fn forget_suspect(&mut self) {
        self.suspect = None;
    }

    /// The connection ended at `now` with `oldest` unanswered. `harmless`: nothing is lost if it is given up, since its caller
    /// waits and is told.
    fn lost(
        &mut self,
        oldest: Option<Item>,
        harmless: bool,
        error: &Error,
        now: Instant,
    ) -> Option<Decision> {
        // A server that acknowledges nothing at all is overloaded, or throttles: no request is to blame.
        let timed_out = matches!(error, Error::OperationTimeout { .. }) && self.progress;
        let alone = hung_up(error);
        let item = oldest.filter(|_| alone || timed_out)?;
        let mut suspect = match self.suspect.take() {
            Some(suspect) if suspect.item == item => suspect,
            _ => Suspect { item, losses: 0, first: now, alone, others_pass: false },
        };
        (suspect.losses, suspect.alone) = (suspect.losses + 1, alone);
        if suspect.losses >= LOSSES {
            let is_sure = harmless || timed_out || suspect.others_pass || names_request(error);
            let span = SPAN.saturating_mul(1 << self.given_up.min(DOUBLINGS));
            if is_sure || now.saturating_duration_since(suspect.first) >= span {
                self.given_up += u32::from(!is_sure);
                return Some(Decision::GiveUp { item: suspect.item, losses: suspect.losses });
            }
            if let Item::Publish(key) = suspect.item {
                self.aside.push(suspect);
                return Some(Decision::SetAside(key));
            }
        }
        self.suspect = Some(suspect);
        None
    }
}

/// Whether the server says that it hung up because of what was sent: malformed, protocol, not authorized; topic filter to
/// topic alias invalid; packet too large; payload format, retain, QoS (MQTT 5, section 3.14.2.1).
fn names_request(error: &Error) -> bool {
    match error {
        Error::Disconnected { reason, .. } => {
            matches!(reason.code(), 0x81 | 0x82 | 0x87 | 0x8F..=0x95 | 0x99..=0x9B)
        }
        // Garbage in answer to it. A received message that breaks the protocol is nobody's fault here.
        _ => ProtocolError::of(error).is_some_and(|error| error.in_answer),
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
        // Unspecified, implementation specific. The others are about the server, the connection, or another client.
        Error::Disconnected { reason, .. } if matches!(reason.code(), 0x80 | 0x83) => true,
        _ => names_request(error),
    }
}

impl Session {
    pub(super) fn in_words(&self, item: &Item) -> String {
        match item {
            Item::Publish(key) => format!("the message to '{}'", self.outbox.topic(*key).unwrap_or_default()),
            Item::Filter(filter) => format!("the subscription to '{filter}'"),
        }
    }

    /// The connection ended with `oldest` unanswered.
    pub(super) fn blame_oldest(&mut self, oldest: Option<Item>, error: &Error, now: Instant) {
        let harmless =
            matches!(&oldest, Some(Item::Filter(filter)) if self.subscriptions.is_only_awaited(filter));
        match self.blame.lost(oldest, harmless, error, now) {
            Some(Decision::GiveUp { item, losses }) => self.give_up(&item, losses, error),
            Some(Decision::SetAside(key)) => {
                let message = self.in_words(&Item::Publish(key));
                warn!(message, "the server hangs up on it again and again: others are sent first");
                self.outbox.set_aside(key);
            }
            None => {}
        }
    }

    /// The server has ended several connections over this.
    fn give_up(&mut self, item: &Item, losses: u32, error: &Error) {
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
}
