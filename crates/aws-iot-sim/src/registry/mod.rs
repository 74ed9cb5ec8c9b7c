//! The registry: things, certificates, policies and what is attached to what. Control plane and broker share it,
//! so that a certificate opens the door exactly when the control plane says so.

mod attachment;
mod authorization;
mod certificate;
mod fault;
mod key;
mod names;
mod policy;
mod policy_version;
mod thing;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use attachment::Exclusivity;
pub(crate) use certificate::{Certificate, CertificateId, Status, certificate_id};
pub(crate) use fault::{Fault, FaultKind};
pub(crate) use names::{PolicyName, ThingName};
pub(crate) use policy::StoredPolicy;
pub(crate) use thing::{NewThing, Thing};

/// All resources of the simulated account.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    // One lock for everything: each operation is short and none waits while it holds the lock.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    things: BTreeMap<ThingName, Thing>,
    certificates: BTreeMap<CertificateId, Certificate>,
    policies: BTreeMap<PolicyName, StoredPolicy>,
}

impl Registry {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time as the control plane writes it: seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|time| time.as_secs_f64()).unwrap_or_default()
}
