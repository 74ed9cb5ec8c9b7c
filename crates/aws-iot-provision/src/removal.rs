//! Takes back what was made: first the way in (the certificate), then the attachments, the certificate, the thing, and
//! the policy when nothing else has it. In this order a run that was interrupted can be repeated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calls::Provisioner;
use crate::certificate::{CertificateId, FoundCertificate};
use crate::device::Status;
use crate::error::Error;
use crate::grants::Grants;
use crate::marker::{ATTRIBUTE, Marker};
use crate::name::{PolicyName, ThingName};
use crate::plan::Plan;
use crate::step::{Kind, Step};

/// What is to be taken back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Removal {
    /// The thing, with its certificates; none where only the policy is to go.
    pub thing: Option<ThingName>,
    /// The policy that was made for it. It goes when nothing else has it; none where it stays in any case.
    pub policy: Option<PolicyName>,
    /// Whether what this program did not make goes all the same.
    pub force: bool,
}

/// A certificate that is on the thing, or that the thing's marker names.
struct OnThing {
    found: FoundCertificate,
    policies: Vec<String>,
    attached: bool,
    /// Other things have it too: then only its attachment to this one goes.
    shared: bool,
}

impl Provisioner {
    pub(crate) async fn plan_removal(&self, removal: &Removal, plan: &mut Plan) -> Result<(), Error> {
        let mut leaving = Vec::new();
        if let Some(name) = &removal.thing {
            leaving = self.plan_removal_of_thing(removal, name, plan).await?;
        }
        if let Some(policy) = &removal.policy
            && self.policy_is_ours(removal, policy, &leaving, plan).await?
        {
            for version in self.old_policy_versions(policy).await? {
                plan.steps.push(Step::DeletePolicyVersion { policy: policy.clone(), version });
            }
            plan.steps.push(Step::DeletePolicy { policy: policy.clone() });
        }
        Ok(())
    }

    /// Returns the certificates that go.
    async fn plan_removal_of_thing(
        &self,
        removal: &Removal,
        name: &ThingName,
        plan: &mut Plan,
    ) -> Result<Vec<CertificateId>, Error> {
        let thing = self.describe_thing(name).await?;
        let marker = thing.as_ref().and_then(|thing| Marker::of(&thing.attributes));
        if thing.is_some() && !marker.as_ref().is_some_and(|marker| marker.thing) && !removal.force {
            return Err(Error::NotMadeHere { what: format!("thing {name}") });
        }
        let noted = marker.clone().unwrap_or_else(|| Marker::new(false));
        let certificates = self.certificates_to_remove(removal, name, &noted).await?;
        if certificates.len() > 1 {
            let ids: Vec<&str> = certificates.iter().map(|each| each.found.id.as_str()).collect();
            let (count, ids) = (ids.len(), ids.join(", "));
            plan.warnings.push(format!("thing {name} has {count} certificates, and all of them go: {ids}"));
        }
        // What the marker has to say before a certificate is detached: it has to be found again, should the run end before
        // it is deleted.
        let all = certificates.iter().fold(noted.clone(), |all, each| all.with_id(each.found.id.as_str()));
        if marker.is_some() && all != noted {
            let attributes = BTreeMap::from([(ATTRIBUTE.to_owned(), all.value())]);
            plan.steps.push(Step::UpdateThing { thing: name.clone(), attributes });
        }
        for certificate in &certificates {
            certificate.plan(name, &mut plan.steps);
        }
        if thing.is_some() {
            plan.steps.push(Step::DeleteThing { thing: name.clone() });
        }
        Ok(certificates.into_iter().filter(|each| !each.shared).map(|each| each.found.id).collect())
    }

    /// Those on the thing, and those that the marker names: a run that was interrupted may have detached one already.
    async fn certificates_to_remove(
        &self,
        removal: &Removal,
        thing: &ThingName,
        marker: &Marker,
    ) -> Result<Vec<OnThing>, Error> {
        let mut ids = self.certificates_of(thing).await?;
        let attached = ids.len();
        let noted = marker.certificates().map(CertificateId::named_by_aws);
        ids.extend(noted.filter(|id| !ids.contains(id)).collect::<Vec<_>>());
        let mut certificates = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            let Some(found) = self.describe_certificate(id).await? else { continue };
            let made_here = found.certificate.as_ref().is_some_and(|pem| marker.names(pem));
            if !made_here && !removal.force {
                return Err(Error::NotMadeHere { what: format!("certificate {id} on thing {thing}") });
            }
            let things = self.things_of(id).await?;
            let (attached, shared) =
                (index < attached, things.iter().any(|other| other.name != thing.as_str()));
            // One that was replaced is with another device by now.
            if !attached && shared {
                continue;
            }
            certificates.push(OnThing { policies: self.policies_of(id).await?, attached, shared, found });
        }
        Ok(certificates)
    }

    /// Whether the policy says what this program makes policies say, and only these certificates have it.
    async fn policy_is_ours(
        &self,
        removal: &Removal,
        policy: &PolicyName,
        leaving: &[CertificateId],
        plan: &mut Plan,
    ) -> Result<bool, Error> {
        let Some(found) = self.get_policy(policy).await? else { return Ok(false) };
        if !removal.force && !Grants::made(&found, &plan.scope) {
            return Ok(false);
        }
        let arns: Vec<String> = leaving.iter().map(|id| plan.scope.arn(&format!("cert/{id}"))).collect();
        Ok(self.targets_of(policy).await?.iter().all(|target| arns.contains(target)))
    }
}

impl OnThing {
    fn plan(&self, thing: &ThingName, steps: &mut Vec<Step>) {
        let certificate = self.found.id.clone();
        let detach = Step::DetachThingPrincipal { thing: thing.clone(), certificate: certificate.clone() };
        if self.shared {
            steps.push(detach);
            steps.push(Step::keep(Kind::Certificate, certificate, "other things have it too"));
            return;
        }
        if self.found.is_active() {
            let certificate = certificate.clone();
            steps.push(Step::UpdateCertificate { certificate, status: Status::Inactive });
        }
        for policy in &self.policies {
            steps.push(Step::DetachPolicy { policy: policy.clone(), certificate: certificate.clone() });
        }
        if self.attached {
            steps.push(detach);
        }
        steps.push(Step::DeleteCertificate { certificate });
    }
}
