//! The registry: things, certificates, policies and what is attached to what. The control plane changes it, and the
//! broker asks it who may connect.

mod api_error;
mod attachment;
mod authorization;
mod certificate;
mod certificate_variables;
mod command;
mod key;
mod names;
mod policy;
mod policy_version;
mod role_alias;
mod template;
mod thing;
mod thing_group;
mod thing_type;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use api_error::{ApiError, ApiErrorKind};
pub(crate) use attachment::{Exclusivity, PolicyTarget};
pub(crate) use certificate::{Certificate, CertificateId, Status, certificate_id};
pub(crate) use command::{Command, Execution, ExecutionUpdate};
pub(crate) use names::{PolicyName, ThingGroupName, ThingName, ThingTypeName};
pub(crate) use policy::StoredPolicy;
pub(crate) use role_alias::RoleAlias;
pub(crate) use template::{Rejected, Template};
pub(crate) use thing::{NewThing, Thing, ThingUpdate};
pub(crate) use thing_group::{ThingGroup, ThingGroupConfiguration};
pub(crate) use thing_type::{ThingType, ThingTypeProperties};

use crate::arn::{Account, DEFAULT_REGION, Scope};

/// All resources of the simulated account.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    account: Account,
    // One lock for everything: each operation is short and none waits while it holds the lock.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    things: BTreeMap<ThingName, Thing>,
    thing_groups: BTreeMap<ThingGroupName, ThingGroup>,
    thing_types: BTreeMap<ThingTypeName, ThingType>,
    certificates: BTreeMap<CertificateId, Certificate>,
    policies: BTreeMap<PolicyName, StoredPolicy>,
    /// By ARN.
    commands: BTreeMap<String, Command>,
    executions: BTreeMap<String, Execution>,
    role_aliases: BTreeMap<String, RoleAlias>,
    templates: BTreeMap<String, Template>,
    /// Of fleet provisioning: certificates that are not registered yet, with the end of the token's validity.
    tokens: BTreeMap<String, (CertificateId, f64)>,
}

impl Registry {
    /// An empty registry of that account.
    pub(crate) fn new(account: Account) -> Self {
        Self { account, state: Mutex::default() }
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// The account in the region that a client gets when it names none.
    pub(crate) fn default_scope(&self) -> Scope {
        self.account.scope(DEFAULT_REGION)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time as the control plane writes it: seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|time| time.as_secs_f64()).unwrap_or_default()
}
