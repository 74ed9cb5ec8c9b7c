//! What is attached to what: policies to certificates and thing groups, certificates to things.

use std::collections::BTreeSet;

use super::{
    ApiError, ApiErrorKind, CertificateId, PolicyName, Registry, State, StoredPolicy, ThingGroupName,
    ThingName,
};
use super::{certificate, policy, thing as things, thing_group};
use crate::limits::POLICIES_PER_TARGET;

/// Whether a certificate belongs to one thing only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exclusivity {
    Exclusive,
    NonExclusive,
}

impl Exclusivity {
    /// Reads a `thingPrincipalType`.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        match text {
            "EXCLUSIVE_THING" => Ok(Self::Exclusive),
            "NON_EXCLUSIVE_THING" => Ok(Self::NonExclusive),
            other => Err(ApiError::invalid(format!(
                "thingPrincipalType {other:?} is neither EXCLUSIVE_THING nor NON_EXCLUSIVE_THING"
            ))),
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "EXCLUSIVE_THING",
            Self::NonExclusive => "NON_EXCLUSIVE_THING",
        }
    }
}

/// What a policy may be attached to.
#[derive(Debug, Clone)]
pub(crate) enum PolicyTarget {
    Certificate(CertificateId),
    ThingGroup(ThingGroupName),
}

impl Registry {
    /// The certificate or thing group of that ARN.
    pub(crate) fn policy_target(&self, arn: &str) -> Result<PolicyTarget, ApiError> {
        match arn.rsplit_once(":thinggroup/") {
            Some((_, name)) => Ok(PolicyTarget::ThingGroup(ThingGroupName::parse(name)?)),
            None => Ok(PolicyTarget::Certificate(self.certificate_of_arn(arn)?)),
        }
    }

    /// Attaches a policy; attaching it again is success.
    pub(crate) fn attach_policy(&self, name: &PolicyName, target: &PolicyTarget) -> Result<(), ApiError> {
        let mut state = self.state();
        if !state.policies.contains_key(name) {
            return Err(policy::not_found(name));
        }
        let policies = state.policies_on(target)?;
        if !policies.contains(name) && policies.len() >= POLICIES_PER_TARGET {
            let message = format!("at most {POLICIES_PER_TARGET} policies can be attached");
            return Err(ApiError::new(ApiErrorKind::LimitExceeded, message));
        }
        policies.insert(name.clone());
        Ok(())
    }

    /// Detaches a policy; one that is not attached is success. AWS's model has no ResourceNotFoundException here.
    pub(crate) fn detach_policy(&self, name: &PolicyName, target: &PolicyTarget) -> Result<(), ApiError> {
        let mut state = self.state();
        if !state.policies.contains_key(name) {
            return Err(ApiError::invalid(format!("policy {name} does not exist")));
        }
        let missing = |_| ApiError::invalid("the target does not exist");
        state.policies_on(target).map_err(missing)?.remove(name);
        Ok(())
    }

    /// The policies that are attached to a certificate or thing group; `recursive`: and to the groups above it.
    pub(crate) fn attached_policies(
        &self,
        target: &PolicyTarget,
        recursive: bool,
    ) -> Result<Vec<StoredPolicy>, ApiError> {
        let mut state = self.state();
        let names = match target {
            PolicyTarget::ThingGroup(name) if recursive => state.policies_of_group(name),
            target => state.policies_on(target)?.clone(),
        };
        Ok(names.iter().filter_map(|name| state.policies.get(name).cloned()).collect())
    }

    /// Attaches a certificate to a thing; attaching it again in the same way is success. Whether AWS takes another way
    /// without a detachment before it does not say: here it is refused, so that nobody depends on it.
    pub(crate) fn attach_thing_principal(
        &self,
        thing: &ThingName,
        principal: &CertificateId,
        exclusivity: Exclusivity,
    ) -> Result<(), ApiError> {
        let mut state = self.state();
        if !state.things.contains_key(thing) {
            return Err(things::not_found(thing));
        }
        let certificate =
            state.certificates.get_mut(principal).ok_or_else(|| certificate::not_found(principal))?;
        let others = certificate.things.iter().filter(|(name, _)| *name != thing);
        for (other, existing) in others {
            if exclusivity == Exclusivity::Exclusive || *existing == Exclusivity::Exclusive {
                return Err(ApiError::invalid(format!(
                    "certificate {principal} is attached to thing {other}, and one of the attachments is exclusive"
                )));
            }
        }
        let existing = certificate.things.entry(thing.clone()).or_insert(exclusivity);
        if *existing != exclusivity {
            return Err(ApiError::invalid(format!(
                "certificate {principal} is attached to thing {thing} as {} and not as {}: detach it first",
                existing.as_str(),
                exclusivity.as_str(),
            )));
        }
        Ok(())
    }

    /// Detaches a certificate from a thing; one that is not attached is success.
    pub(crate) fn detach_thing_principal(
        &self,
        thing: &ThingName,
        principal: &CertificateId,
    ) -> Result<(), ApiError> {
        let mut state = self.state();
        if !state.things.contains_key(thing) {
            return Err(things::not_found(thing));
        }
        let missing = || certificate::not_found(principal);
        state.certificates.get_mut(principal).ok_or_else(missing)?.things.remove(thing);
        Ok(())
    }

    /// The names of the things to which a certificate is attached, and how.
    pub(crate) fn principal_things(
        &self,
        principal: &CertificateId,
    ) -> Result<Vec<(String, Exclusivity)>, ApiError> {
        let state = self.state();
        let certificate =
            state.certificates.get(principal).ok_or_else(|| certificate::not_found(principal))?;
        Ok(certificate.things.iter().map(|(name, how)| (name.to_string(), *how)).collect())
    }

    /// The ARNs of the certificates that are attached to a thing, and how.
    pub(crate) fn thing_principals(&self, thing: &ThingName) -> Result<Vec<(String, Exclusivity)>, ApiError> {
        let state = self.state();
        if !state.things.contains_key(thing) {
            return Err(things::not_found(thing));
        }
        let attached = state.certificates.values().filter_map(|certificate| {
            certificate.things.get(thing).map(|how| (certificate.arn.clone(), *how))
        });
        Ok(attached.collect())
    }
}

impl State {
    fn policies_on(&mut self, target: &PolicyTarget) -> Result<&mut BTreeSet<PolicyName>, ApiError> {
        match target {
            PolicyTarget::Certificate(id) => {
                let found = self.certificates.get_mut(id).ok_or_else(|| certificate::not_found(id))?;
                Ok(&mut found.policies)
            }
            PolicyTarget::ThingGroup(name) => {
                let found = self.thing_groups.get_mut(name).ok_or_else(|| thing_group::not_found(name))?;
                Ok(&mut found.policies)
            }
        }
    }
}
