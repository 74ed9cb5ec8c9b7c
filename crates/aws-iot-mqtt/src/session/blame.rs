//! Which request the server hangs up on.
//!
//! AWS IoT Core may close the connection in answer to a PUBLISH or SUBSCRIBE that the policy denies. Sent again first on
//! each new connection, such a request would be met with the same answer for ever, and everything behind it would wait.
//!
//! But a front end that accepts CONNECT and then fails hangs up on every request, and none of them is to blame.
//! Therefore:
//! - Where the server gives a reason that names the request, the request is given up after three hang-ups.
//! - Otherwise, a message is set aside after three hang-ups, and the others go on. An acknowledgement of one of them proves
//!   that the server is well. So the message is then sent again, alone, and given up at the next hang-up.
//! - If no other message passes, it is given up after a minute. The next one then gets two minutes, and so on. So an outage
//!   of a minute costs no message, and one of an hour six at most. An answer to a ping proves nothing: a front end may give
//!   it while the servers behind it are down.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use tracing::warn;

use super::Session;
use crate::codec::ProtocolError;
use crate::outbox::{Key, Status};
use crate::{Error, Filter};

/// How often the connection may end with the same oldest request unanswered. More than a network that fails now and
/// then brings about, few enough for the rest to go on after some seconds.
const LOSSES: u32 = 3;
/// How long the server has to hang up on a request that cannot be compared with others. A front end that restarts needs
/// less.
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
    /// How many requests were given up since the server last acknowledged a message, without anything to compare them
    /// with.
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

impl Blame {
    /// Whether only one request may be unanswered at a time.
    pub(super) fn one_at_a_time(&self) -> bool {
        self.suspect.as_ref().is_some_and(|suspect| suspect.alone)
    }

    pub(super) fn answered(&mut self, item: &Item) {
        let _ = self.suspect.take_if(|suspect| suspect.item == *item);
        if let Item::Publish(_) = item {
            self.given_up = 0;
            self.aside.iter_mut().for_each(|suspect| suspect.others_pass = true);
        }
    }
}

/// Whether the server ended the connection, and not because of its own state or another client.
fn hung_up(error: &Error) -> bool {
    use ErrorKind as Kind;
    match error {
        Error::Lost { source, .. } => source.downcast_ref::<io::Error>().is_some_and(|error| {
            let ends =
                [Kind::UnexpectedEof, Kind::ConnectionReset, Kind::BrokenPipe, Kind::ConnectionAborted];
            ends.contains(&error.kind())
        }),
        // Unspecified, implementation specific. The others are about the server, the connection, or another client.
        Error::Disconnected { reason, .. } if matches!(reason.code(), 0x80 | 0x83) => true,
        _ => names_request(error),
    }
}

/// Whether the server says that it hung up because of what was sent.
fn names_request(error: &Error) -> bool {
    match error {
        Error::Disconnected { reason, .. } => reason.names_request(),
        // Garbage in answer to it. A received message that breaks the protocol is nobody's fault here.
        _ => ProtocolError::of(error).is_some_and(|error| error.in_answer),
    }
}

impl Session {
    /// What the server has owed an answer for longest, for the error of a lost connection.
    pub(crate) fn unanswered(&self) -> Option<String> {
        self.oldest_item().map(|(_, item)| self.in_words(&item))
    }

    /// The same as an item, and since when.
    pub(super) fn oldest_item(&self) -> Option<(Instant, Item)> {
        let publish = self.ids.oldest_publish().map(|(key, written)| (written, Item::Publish(key)));
        let request = self.subscriptions.oldest_request();
        let request = request.map(|(filter, written)| (written, Item::Filter(filter.clone())));
        publish.into_iter().chain(request).min_by_key(|(written, _)| *written)
    }

    pub(super) fn in_words(&self, item: &Item) -> String {
        match item {
            Item::Publish(key) => {
                format!("the message to '{}'", self.shared.outbox.topic(*key).unwrap_or_default())
            }
            Item::Filter(filter) => format!("the subscription to '{filter}'"),
        }
    }

    /// A message that was set aside goes out again, alone, once others have passed or nothing else is left.
    pub(super) fn take_back(&mut self) {
        let Self { blame, shared, subscriptions, ids, .. } = self;
        let outbox = &shared.outbox;
        // What will never be answered must not keep the others waiting.
        let is_left = |suspect: &mut Suspect| match &suspect.item {
            Item::Publish(key) => outbox.topic(*key).is_some(),
            Item::Filter(filter) => subscriptions.is_left(filter),
        };
        blame.aside.retain_mut(is_left);
        let _ = blame.suspect.take_if(|suspect| !is_left(suspect));
        if blame.suspect.is_some() {
            return;
        }
        let idle = || ids.publishes() == 0 && !outbox.has_waiting();
        let due = blame.aside.iter().position(|suspect| suspect.others_pass || idle());
        let suspect = due.map(|index| blame.aside.remove(index));
        if let Some(Item::Publish(key)) = suspect.as_ref().map(|suspect| &suspect.item) {
            outbox.set(*key, Status::Waiting);
        }
        blame.suspect = suspect;
    }

    /// The connection ended at `now` with `oldest` unanswered.
    pub(super) fn blame_oldest(&mut self, oldest: Option<Item>, error: &Error, now: Instant) {
        // A server that acknowledges nothing at all is overloaded, or throttles: no request is to blame.
        let timed_out = matches!(error, Error::OperationTimeout { .. }) && self.answered;
        let alone = hung_up(error);
        let Some(item) = oldest.filter(|_| alone || timed_out) else { return };
        let same = self.blame.suspect.take().filter(|suspect| suspect.item == item);
        let mut suspect = same.unwrap_or(Suspect { item, losses: 0, first: now, alone, others_pass: false });
        (suspect.losses, suspect.alone) = (suspect.losses + 1, alone);
        if suspect.losses < LOSSES {
            self.blame.suspect = Some(suspect);
            return;
        }
        // Nothing is lost with a request whose caller waits and is told.
        let harmless =
            matches!(&suspect.item, Item::Filter(filter) if self.subscriptions.is_only_awaited(filter));
        let is_sure = harmless || timed_out || suspect.others_pass || names_request(error);
        let span = SPAN.saturating_mul(1 << self.blame.given_up.min(DOUBLINGS));
        if is_sure || now.saturating_duration_since(suspect.first) >= span {
            self.blame.given_up += u32::from(!is_sure);
            self.give_up(&suspect, error);
        } else if let Item::Publish(key) = suspect.item {
            let message = self.in_words(&suspect.item);
            warn!(message, "the server hangs up on it again and again: others are sent first");
            self.shared.outbox.set(key, Status::Aside);
            self.blame.aside.push(suspect);
        } else {
            self.blame.suspect = Some(suspect);
        }
    }

    /// The server has ended several connections over this.
    fn give_up(&mut self, Suspect { item, losses, .. }: &Suspect, error: &Error) {
        let (what, last) = (self.in_words(item), Box::new(error.clone()));
        let error = Error::Unanswerable { what, times: *losses, last };
        match item {
            Item::Publish(key) => self.shared.outbox.complete([(*key, Err(error))]),
            Item::Filter(filter) => {
                warn!(error = %error.report(), "a subscription is given up");
                self.fail_filter(filter, &error);
                self.resumed_if_all_stand();
            }
        }
    }
}
