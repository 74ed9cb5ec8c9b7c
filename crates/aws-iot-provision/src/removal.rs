//! Takes back what was made: first the way in (the certificate), then the attachments, the certificate, the thing, and
//! the policy when nothing else has it. In this order a run that was interrupted can be repeated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::attributes::{MADE, Marker};
use crate::certificate::CertificateState;
use crate::device::Status;
use crate::error::Error;
use crate::grants::Grants;
use crate::name::{CertificateId, PolicyName, ThingName};
use crate::plan::Plan;
use crate::provisioner::Provisioner;
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

impl Provisioner {
    pub(crate) async fn plan_removal(&self, removal: &Removal, plan: &mut Plan) -> Result<(), Error> {
        let mut leaving = Vec::new();
        if let Some(name) = &removal.thing {
            leaving = self.plan_removal_of_thing(name, removal.force, plan).await?;
        }
        if let Some(policy) = &removal.policy
            && self.policy_is_ours(policy, removal.force, &leaving, plan).await?
        {
            for version in self.old_policy_versions(policy).await? {
                plan.steps.push(Step::DeletePolicyVersion { policy: policy.clone(), version });
            }
            plan.steps.push(Step::DeletePolicy { policy: policy.clone() });
        }
        Ok(())
    }

    /// Returns the ARNs of the certificates that go.
    async fn plan_removal_of_thing(
        &self,
        name: &ThingName,
        force: bool,
        plan: &mut Plan,
    ) -> Result<Vec<String>, Error> {
        let thing = self.describe_thing(name).await?;
        let marker = thing.as_ref().and_then(|thing| Marker::of(&thing.attributes));
        if thing.is_some() && !marker.as_ref().is_some_and(|marker| marker.thing) && !force {
            return Err(Error::NotMadeHere { what: format!("thing {name}") });
        }
        let noted = marker.clone().unwrap_or_default();
        let mut certificates = Box::pin(self.certificates_of(name)).await?;
        certificates.retain(CertificateState::is_known);
        let attached = certificates.len();
        // A run that was interrupted may have detached one already. One that was replaced is with another device by now.
        for id in noted.ids().map(CertificateId::named_by_aws) {
            let is_new = certificates.iter().all(|each| each.id != id);
            let found = if is_new { Box::pin(self.certificate(&id)).await? } else { None };
            certificates.extend(found.filter(|found| found.others_than(name).next().is_none()));
        }
        let of_others = |each: &&CertificateState| {
            !each.certificate.as_ref().is_some_and(|certificate| noted.names(certificate))
        };
        if let Some(other) = certificates.iter().find(of_others).filter(|_| !force) {
            return Err(Error::NotMadeHere { what: format!("certificate {} on thing {name}", other.id) });
        }
        if certificates.len() > 1 {
            let ids: Vec<&str> = certificates.iter().map(|each| each.id.as_str()).collect();
            let (count, ids) = (ids.len(), ids.join(", "));
            plan.warnings.push(format!("thing {name} has {count} certificates, and all of them go: {ids}"));
        }
        // What the marker has to say before a certificate is detached: it has to be found again, should the run end before
        // it is deleted.
        let all = certificates.iter().fold(noted.clone(), |all, each| all.with_id(each.id.as_str()));
        if marker.is_some() && all != noted {
            let attributes = BTreeMap::from([(MADE.to_owned(), all.value())]);
            plan.steps.push(Step::UpdateThing { thing: name.clone(), attributes });
        }
        let mut leaving = Vec::new();
        for (index, certificate) in certificates.into_iter().enumerate() {
            let (thing, id) = (name.clone(), certificate.id.clone());
            let detach = Step::DetachThingPrincipal { thing, certificate: id.clone() };
            if certificate.others_than(name).next().is_some() {
                plan.steps.push(detach);
                plan.steps.push(Step::keep(Kind::Certificate, id, "other things have it too"));
                continue;
            }
            if certificate.is_active() {
                let status = Status::Inactive;
                plan.steps.push(Step::UpdateCertificate { certificate: id.clone(), status });
            }
            let detached = certificate.policies.into_iter();
            plan.steps.extend(detached.map(|policy| Step::DetachPolicy { policy, certificate: id.clone() }));
            plan.steps.extend((index < attached).then_some(detach));
            plan.steps.push(Step::DeleteCertificate { certificate: id.clone() });
            leaving.push(plan.scope.arn(&format!("cert/{id}")));
        }
        if thing.is_some() {
            plan.steps.push(Step::DeleteThing { thing: name.clone() });
        }
        Ok(leaving)
    }

    /// Whether the policy says what this program makes policies say, and only these certificates have it.
    async fn policy_is_ours(
        &self,
        policy: &PolicyName,
        force: bool,
        leaving: &[String],
        plan: &Plan,
    ) -> Result<bool, Error> {
        let Some(found) = self.get_policy(policy).await? else { return Ok(false) };
        if !force && !Grants::made(&found, &plan.scope) {
            return Ok(false);
        }
        Ok(self.targets_of(policy).await?.iter().all(|target| leaving.contains(target)))
    }
}
