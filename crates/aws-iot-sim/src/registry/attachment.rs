//! What is attached to a certificate: policies and things.

use super::{ApiError, ApiErrorKind, CertificateId, PolicyName, Registry, StoredPolicy, ThingName};
use super::{certificate, policy, thing as things};
use crate::limits::POLICIES_PER_CERTIFICATE;

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

impl Registry {
    /// Attaches a policy; attaching it again is success.
    pub(crate) fn attach_policy(&self, name: &PolicyName, target: &CertificateId) -> Result<(), ApiError> {
        let mut state = self.state();
        if !state.policies.contains_key(name) {
            return Err(policy::not_found(name));
        }
        let certificate = state.certificates.get_mut(target).ok_or_else(|| certificate::not_found(target))?;
        if !certificate.policies.contains(name) && certificate.policies.len() >= POLICIES_PER_CERTIFICATE {
            let message = format!("a certificate has at most {POLICIES_PER_CERTIFICATE} policies");
            return Err(ApiError::new(ApiErrorKind::LimitExceeded, message));
        }
        certificate.policies.insert(name.clone());
        Ok(())
    }

    /// Detaches a policy; one that is not attached is success. AWS's model has no ResourceNotFoundException here.
    pub(crate) fn detach_policy(&self, name: &PolicyName, target: &CertificateId) -> Result<(), ApiError> {
        let mut state = self.state();
        if !state.policies.contains_key(name) {
            return Err(ApiError::invalid(format!("policy {name} does not exist")));
        }
        let missing = || ApiError::invalid(format!("certificate {target} does not exist"));
        state.certificates.get_mut(target).ok_or_else(missing)?.policies.remove(name);
        Ok(())
    }

    /// The policies that are attached to a certificate.
    pub(crate) fn attached_policies(&self, target: &CertificateId) -> Result<Vec<StoredPolicy>, ApiError> {
        let state = self.state();
        let certificate = state.certificates.get(target).ok_or_else(|| certificate::not_found(target))?;
        Ok(certificate.policies.iter().filter_map(|name| state.policies.get(name).cloned()).collect())
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
