//! The seven steps of provisioning in one, for tests that need a device and not the control plane.

use std::collections::BTreeMap;

use crate::arn::Region;
use crate::registry::{
    CertificateId, Exclusivity, Fault, FaultKind, NewThing, PolicyName, Registry, Status, ThingName,
};

/// Sets a device up, and returns its certificate's id.
pub(crate) fn admit(
    registry: &Registry,
    certificate_pem: &str,
    thing: &str,
    policy_json: &str,
) -> Result<String, Fault> {
    let region = Region::default();
    let thing = ThingName::parse(thing)?;
    let new =
        NewThing { name: thing.clone(), attributes: BTreeMap::new(), thing_type: None, billing_group: None };
    registry.create_thing(new, &region)?;
    let policy = policy_for(registry, &thing, policy_json, &region)?;
    let certificate = match registry.register_certificate(certificate_pem, Status::Active, &region) {
        Ok(certificate) => certificate.id,
        Err(Fault { kind: FaultKind::ResourceAlreadyExists, resource: Some((id, _)), .. }) => {
            let id = CertificateId::parse(&id)?;
            registry.update_certificate(&id, Status::Active)?;
            id
        }
        Err(fault) => return Err(fault),
    };
    registry.attach_policy(&policy, &certificate)?;
    registry.attach_thing_principal(&thing, &certificate, Exclusivity::NonExclusive)?;
    Ok(certificate.as_str().to_owned())
}

/// A policy named after the thing; a thing's name may have a colon, a policy's may not.
fn policy_for(
    registry: &Registry,
    thing: &ThingName,
    document: &str,
    region: &Region,
) -> Result<PolicyName, Fault> {
    let name = PolicyName::parse(&thing.as_str().replace(':', "."))?;
    match registry.create_policy(name.clone(), document, region) {
        Err(fault) if fault.kind == FaultKind::ResourceAlreadyExists => {
            if registry.policy(&name)?.document == document { Ok(name) } else { Err(fault) }
        }
        other => other.map(|_| name),
    }
}
