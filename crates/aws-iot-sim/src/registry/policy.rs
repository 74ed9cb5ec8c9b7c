//! Policies.

use super::policy_version::Versions;
use super::{ApiError, ApiErrorKind, PolicyName, Registry, now};
use crate::arn::Scope;
use crate::limits::POLICY_CHARACTERS;
use crate::policy::Policy;

/// A policy as it was created.
#[derive(Debug, Clone)]
pub(crate) struct StoredPolicy {
    pub(crate) name: PolicyName,
    pub(crate) arn: String,
    /// The document of the version in force, as it was sent.
    pub(crate) document: String,
    pub(crate) policy: Policy,
    pub(crate) created: f64,
    pub(crate) versions: Versions,
}

impl Registry {
    /// Creates a policy.
    pub(crate) fn create_policy(
        &self,
        name: PolicyName,
        document: &str,
        scope: &Scope,
    ) -> Result<StoredPolicy, ApiError> {
        let policy = parse(document)?;
        let mut state = self.state();
        if let Some(existing) = state.policies.get(&name) {
            let message = format!("Policy cannot be created - name already exists (name={name})");
            return Err(ApiError::already_exists(message, existing.name.as_str(), &existing.arn));
        }
        let stored = StoredPolicy {
            arn: scope.arn(format_args!("policy/{name}")),
            document: document.to_owned(),
            policy,
            created: now(),
            versions: Versions::first(),
            name: name.clone(),
        };
        state.policies.insert(name, stored.clone());
        Ok(stored)
    }

    /// The policy of that name.
    pub(crate) fn policy(&self, name: &PolicyName) -> Result<StoredPolicy, ApiError> {
        self.state().policies.get(name).cloned().ok_or_else(|| not_found(name))
    }

    /// All policies.
    pub(crate) fn policies(&self) -> Vec<StoredPolicy> {
        self.state().policies.values().cloned().collect()
    }

    /// Deletes a policy that is attached to nothing.
    pub(crate) fn delete_policy(&self, name: &PolicyName) -> Result<(), ApiError> {
        let mut state = self.state();
        if !state.policies.contains_key(name) {
            return Err(not_found(name));
        }
        let on_certificate =
            state.certificates.values().any(|certificate| certificate.policies.contains(name));
        if on_certificate || state.thing_groups.values().any(|group| group.policies.contains(name)) {
            let message = format!(
                "The policy cannot be deleted as the policy is attached to one or more principals (name={name})"
            );
            return Err(ApiError::new(ApiErrorKind::DeleteConflict, message));
        }
        if state.policies.get(name).is_some_and(|policy| policy.versions.count() > 1) {
            let message = format!(
                "Cannot delete the policy because it has one or more policy versions attached to it (name={name})"
            );
            return Err(ApiError::new(ApiErrorKind::DeleteConflict, message));
        }
        state.policies.remove(name);
        Ok(())
    }
}

/// A document that AWS would take.
pub(super) fn parse(document: &str) -> Result<Policy, ApiError> {
    let malformed = |message: String| ApiError::new(ApiErrorKind::MalformedPolicy, message);
    let characters = document.chars().filter(|character| !character.is_whitespace()).count();
    if characters > POLICY_CHARACTERS {
        return Err(malformed(format!(
            "the policy document has {characters} characters without white space, {POLICY_CHARACTERS} are allowed"
        )));
    }
    Policy::parse(document).map_err(|reason| malformed(reason.to_string()))
}

pub(super) fn not_found(name: &PolicyName) -> ApiError {
    ApiError::not_found(format_args!("policy {name}"))
}
