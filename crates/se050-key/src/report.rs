//! A diagnosis as data, for a program to show.

mod cost;

use std::path::PathBuf;

pub use cost::{Cost, RsaPssCost};

use crate::budget::MOST_FAILURES;
use crate::bus::Bus;
use crate::link::Link;
use crate::lookup::{ByteOrder, Class};
use crate::{FactoryKey, ObjectId, TokenInfo};

/// What is known about module, token, chip and session. Made without enumerating the chip's objects, and without
/// using a private key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The module's file.
    pub module: PathBuf,
    /// The slot's id.
    pub slot_id: u64,
    /// The token; its firmware version is the version of NXP's module.
    pub token: TokenInfo,
    /// Bus and address of the chip, e.g. `/dev/i2c-1:0x48`, where they are known.
    pub bus: Option<String>,
    /// The byte order in which the module takes labels, as soon as an object was found.
    pub byte_order: Option<ByteOrder>,
    /// The session.
    pub session: SessionState,
    /// How many sessions this process opened.
    pub sessions_opened: u64,
    /// How many openings failed, and how many may. Tokens that are no SE050 have no limit.
    pub failed_openings: (u32, Option<u32>),
    /// The lock file, and the process that holds the lock.
    pub lock: Option<(PathBuf, Option<u32>)>,
    /// The factory objects that were asked for. Empty where the chip does not answer, and for other tokens.
    pub factory_objects: Vec<FactoryObject>,
    /// What signatures cost on this version of NXP's module.
    pub cost: Option<Cost>,
    /// What failed while the report was made.
    pub failures: Vec<String>,
}

/// The state of the session with the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionState {
    /// Open.
    Open,
    /// The chip does not answer; it is looked for at intervals.
    ChipAway,
    /// Let go until the next request.
    Released,
    /// No session can be opened any more in this process.
    RestartNeeded,
}

/// One of the objects that NXP puts into a chip.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FactoryObject {
    /// The key's name, or the certificate's.
    pub name: String,
    /// Its id.
    pub id: ObjectId,
    /// Whether it is there.
    pub exists: bool,
}

impl Report {
    pub(crate) fn of(link: &mut Link) -> Self {
        let mut failures = Vec::new();
        let mut noted = |error: String| failures.push(error);
        let token = link.token().clone();
        // First: asking the chip may open, break or cure the session.
        let factory_objects = if token.is_se050 {
            link.run(|session| {
                let mut objects = Vec::new();
                for (name, class, id) in factory_objects() {
                    let exists = session.find_id(class, id)?.is_some();
                    objects.push(FactoryObject { name, id, exists });
                }
                // A chip that does not answer looks like one without objects.
                let silent = objects.iter().all(|object| !object.exists) && !session.answers();
                if silent { session.no_answer() } else { Ok(objects) }
            })
        } else {
            link.run(|session| if session.answers() { Ok(()) } else { session.no_answer() })
                .map(|()| Vec::new())
        };
        let factory_objects = factory_objects.map_err(|error| noted(error.to_string())).unwrap_or_default();
        Self {
            module: link.module.path.clone(),
            slot_id: link.slot_id(),
            bus: Some(&link.bus).filter(|bus| **bus != Bus::Unknown).map(ToString::to_string),
            byte_order: link.byte_order(),
            session: session_state(link),
            sessions_opened: link.generation,
            failed_openings: (link.budget.failures(), token.is_se050.then_some(MOST_FAILURES)),
            lock: link.lock_file.as_ref().map(|file| {
                let own = link.holds_the_lock().then(std::process::id);
                (file.path.clone(), own.or_else(|| file.other_holder()))
            }),
            factory_objects,
            cost: token.signature_cost(),
            token,
            failures,
        }
    }
}

fn session_state(link: &Link) -> SessionState {
    match (link.is_away(), link.is_open()) {
        (_, false) if link.budget.is_spent() => SessionState::RestartNeeded,
        (true, _) => SessionState::ChipAway,
        (false, true) => SessionState::Open,
        (false, false) => SessionState::Released,
    }
}

/// By known ids: to enumerate the chip's objects fails, crashes or hangs in one version of NXP's module or another.
fn factory_objects() -> impl Iterator<Item = (String, Class, ObjectId)> {
    FactoryKey::ALL.iter().flat_map(|preset| {
        let key = (preset.name.to_owned(), Class::PrivateKey, preset.key);
        [key, (format!("{}-cert", preset.name), Class::Certificate, preset.certificate)]
    })
}
