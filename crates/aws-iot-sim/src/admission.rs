//! The seven steps of provisioning in one, for tests that need a device and not the control plane.

use std::collections::BTreeMap;

use crate::arn::Scope;
use crate::registry::{
    ApiError, ApiErrorKind, CertificateId, Exclusivity, NewThing, PolicyName, PolicyTarget, Registry, Status,
    ThingName,
};

/// Sets a device up, and returns its certificate's id.
pub(crate) fn admit(
    registry: &Registry,
    certificate_pem: &str,
    thing: &str,
    policy_json: &str,
) -> Result<String, ApiError> {
    let scope = registry.default_scope();
    let thing = ThingName::parse(thing)?;
    let new =
        NewThing { name: thing.clone(), attributes: BTreeMap::new(), thing_type: None, billing_group: None };
    registry.create_thing(new, &scope)?;
    let policy = policy_for(registry, &thing, policy_json, &scope)?;
    let certificate = match registry.register_certificate(certificate_pem, Status::Active, &scope) {
        Ok(certificate) => certificate.id,
        Err(ApiError { kind: ApiErrorKind::ResourceAlreadyExists, resource: Some((id, _)), .. }) => {
            let id = CertificateId::parse(&id)?;
            registry.update_certificate(&id, Status::Active)?;
            id
        }
        Err(error) => return Err(error),
    };
    registry.attach_policy(&policy, &PolicyTarget::Certificate(certificate.clone()))?;
    registry.attach_thing_principal(&thing, &certificate, Exclusivity::NonExclusive)?;
    Ok(certificate.as_str().to_owned())
}

/// A policy named after the thing; a thing's name may have a colon, a policy's may not.
fn policy_for(
    registry: &Registry,
    thing: &ThingName,
    document: &str,
    scope: &Scope,
) -> Result<PolicyName, ApiError> {
    let name = PolicyName::parse(&thing.as_str().replace(':', "."))?;
    match registry.create_policy(name.clone(), document, scope) {
        Err(error) if error.kind == ApiErrorKind::ResourceAlreadyExists => {
            if registry.policy(&name)?.document == document { Ok(name) } else { Err(error) }
        }
        other => other.map(|_| name),
    }
}
