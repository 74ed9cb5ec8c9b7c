//! The versions of a policy, of which one is in force.

use std::collections::BTreeMap;

use super::policy::{not_found, parse};
use super::{ApiError, ApiErrorKind, PolicyName, Registry, now};
use crate::limits::POLICY_VERSIONS;

/// The versions of one policy. Numbers go up and are never used again.
#[derive(Debug, Clone)]
pub(crate) struct Versions {
    /// When each was made.
    by_number: BTreeMap<u32, f64>,
    in_force: u32,
    last: u32,
}

impl Versions {
    pub(super) fn first() -> Self {
        Self { by_number: BTreeMap::from([(1, now())]), in_force: 1, last: 1 }
    }

    pub(crate) fn in_force(&self) -> u32 {
        self.in_force
    }

    /// Each version's number, and when it was made.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, f64)> {
        self.by_number.iter().map(|(number, created)| (*number, *created))
    }

    pub(super) fn count(&self) -> usize {
        self.by_number.len()
    }
}

impl Registry {
    /// Makes a new version, in force at once if asked. Returns its number.
    pub(crate) fn create_policy_version(
        &self,
        name: &PolicyName,
        document: &str,
        in_force: bool,
    ) -> Result<u32, ApiError> {
        let policy = parse(document)?;
        let mut state = self.state();
        let stored = state.policies.get_mut(name).ok_or_else(|| not_found(name))?;
        if stored.versions.count() >= POLICY_VERSIONS {
            let message =
                format!("The policy {name} already has the maximum number of versions ({POLICY_VERSIONS})");
            return Err(ApiError::new(ApiErrorKind::VersionsLimitExceeded, message));
        }
        stored.versions.last += 1;
        let number = stored.versions.last;
        stored.versions.by_number.insert(number, now());
        if in_force {
            stored.versions.in_force = number;
            stored.policy = policy;
            document.clone_into(&mut stored.document);
        }
        Ok(number)
    }

    /// Deletes a version that is not in force.
    pub(crate) fn delete_policy_version(&self, name: &PolicyName, number: u32) -> Result<(), ApiError> {
        let mut state = self.state();
        let stored = state.policies.get_mut(name).ok_or_else(|| not_found(name))?;
        if stored.versions.in_force == number {
            return Err(ApiError::invalid("Cannot delete the default version of a policy"));
        }
        match stored.versions.by_number.remove(&number) {
            Some(_) => Ok(()),
            None => Err(ApiError::not_found(format_args!("version {number} of policy {name}"))),
        }
    }

    /// The ARNs of the certificates and thing groups that have the policy.
    pub(crate) fn policy_targets(&self, name: &PolicyName) -> Result<Vec<String>, ApiError> {
        let state = self.state();
        if !state.policies.contains_key(name) {
            return Err(not_found(name));
        }
        let having = state.certificates.values().filter(|certificate| certificate.policies.contains(name));
        let groups = state.thing_groups.values().filter(|group| group.policies.contains(name));
        Ok(having
            .map(|certificate| &certificate.arn)
            .chain(groups.map(|group| &group.arn))
            .cloned()
            .collect())
    }
}
