//! Takes back what was made: first the way in (the certificate), then the attachments, the certificate, the thing, and
//! the policy when nothing else has it. In this order a run that was interrupted can be repeated.

use std::collections::BTreeMap;

use crate::arn::ArnScope;
use crate::calls::{FoundCertificate, pauses};
use crate::certificate::CertificateId;
use crate::change::{Action, Change, Subject};
use crate::error::Error;
use crate::grants::Grants;
use crate::marker::{ATTRIBUTE, Marker};
use crate::name::{PolicyName, ThingName};
use crate::provisioner::Provisioner;

/// What is to be taken back.
#[derive(Debug, Clone)]
pub struct Removal {
    /// The thing, with its certificates.
    pub thing: ThingName,
    /// The policy that was made for it. It goes when nothing else has it.
    pub policy: PolicyName,
    /// Whether the policy stays in any case.
    pub keep_policy: bool,
    /// Whether what this program did not make goes all the same.
    pub force: bool,
}

/// What there is to take back, in the order in which it goes.
#[derive(Debug)]
pub struct RemovalPlan {
    removal: Removal,
    thing_exists: bool,
    /// What the thing's marker has to say before a certificate is detached: that one has to be found again, should the
    /// run end before it is deleted.
    marker: Option<Marker>,
    certificates: Vec<OnThing>,
    policy_goes: bool,
    old_versions: Vec<String>,
}

#[derive(Debug)]
struct OnThing {
    found: FoundCertificate,
    policies: Vec<String>,
    attached: bool,
    /// Other things have it too: then only its attachment to this one goes.
    shared: bool,
}

impl Provisioner {
    /// What would be taken back. Nothing is written.
    ///
    /// # Errors
    /// [`Error::NotMadeHere`] for a thing or a certificate that this program did not make, unless forced; and every
    /// call may fail.
    pub async fn plan_removal(&self, removal: Removal) -> Result<RemovalPlan, Error> {
        let thing = self.aws.describe_thing(&removal.thing).await?;
        let marker = thing.as_ref().and_then(|thing| Marker::of(&thing.attributes));
        if thing.is_some() && marker.is_none() && !removal.force {
            return Err(Error::NotMadeHere { what: format!("thing {}", removal.thing) });
        }
        let noted = marker.clone().unwrap_or_default();
        let certificates = self.certificates_of(&removal, &noted).await?;
        let ids = certificates.iter().map(|certificate| certificate.found.registered.id.as_str());
        let all = ids.fold(noted.clone(), Marker::with_id);
        let marker = marker.filter(|_| all != noted).map(|_| all);
        let policy_goes = !removal.keep_policy && self.policy_is_ours(&removal, &certificates).await?;
        let old_versions =
            if policy_goes { self.aws.old_policy_versions(&removal.policy).await? } else { Vec::new() };
        Ok(RemovalPlan {
            thing_exists: thing.is_some(),
            marker,
            certificates,
            policy_goes,
            old_versions,
            removal,
        })
    }

    /// Takes it back, and tells each change when it is done. Safe to repeat after an error, with a new plan.
    ///
    /// # Errors
    /// Every call may fail.
    pub async fn remove(&self, plan: &RemovalPlan, mut on_change: impl FnMut(&Change)) -> Result<(), Error> {
        let removal = &plan.removal;
        if let Some(marker) = &plan.marker {
            let attributes = BTreeMap::from([(ATTRIBUTE.to_owned(), marker.value())]);
            self.aws.set_attributes(&removal.thing, &attributes).await?;
        }
        for certificate in &plan.certificates {
            let registered = &certificate.found.registered;
            if !certificate.shared {
                if certificate.found.status == "ACTIVE" {
                    self.aws.deactivate_certificate(&registered.id).await?;
                }
                for policy in &certificate.policies {
                    self.aws.detach_policy(policy, registered).await?;
                }
            }
            if certificate.attached {
                self.aws.detach_thing_principal(&removal.thing, registered).await?;
            }
            if !certificate.shared {
                self.aws.delete_certificate(&registered.id).await?;
            }
            certificate.changes(removal).iter().for_each(&mut on_change);
        }
        if plan.thing_exists {
            self.aws.delete_thing(&removal.thing).await?;
            on_change(&plan.thing_change());
        }
        if plan.policy_goes {
            for version in &plan.old_versions {
                self.aws.delete_policy_version(&removal.policy, version).await?;
            }
            let action = self.delete_policy(&removal.policy).await?;
            on_change(&Change::new(Subject::Policy(removal.policy.clone()), action));
        }
        Ok(())
    }

    async fn delete_policy(&self, policy: &PolicyName) -> Result<Action, Error> {
        for pause in pauses() {
            if self.aws.delete_policy(policy).await? {
                return Ok(Action::Delete);
            }
            if !self.aws.targets_of(policy).await?.is_empty() {
                return Ok(Action::Keep("another device has it".to_owned()));
            }
            tokio::time::sleep(pause).await;
        }
        let note = "AWS still counts what was detached from it, run this again in five minutes";
        Ok(Action::Keep(note.to_owned()))
    }

    /// Those on the thing, and those that the marker names: a run that was interrupted may have detached one already.
    async fn certificates_of(&self, removal: &Removal, marker: &Marker) -> Result<Vec<OnThing>, Error> {
        let mut ids: Vec<CertificateId> = Vec::new();
        for principal in self.aws.principals_of(&removal.thing).await? {
            match CertificateId::in_arn(&principal) {
                Some(id) => ids.push(id),
                None => return Err(Error::NotMadeHere { what: format!("principal {principal}") }),
            }
        }
        let attached = ids.len();
        let noted = marker.certificates().iter().map(|id| CertificateId::named_by_aws(id));
        ids.extend(noted.filter(|id| !ids.contains(id)).collect::<Vec<_>>());
        let mut found = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            let Some(certificate) = self.aws.describe_certificate(id).await? else { continue };
            let made_here = certificate.certificate.as_ref().is_some_and(|pem| marker.names(pem));
            if !made_here && !removal.force {
                return Err(Error::NotMadeHere {
                    what: format!("certificate {id} on thing {}", removal.thing),
                });
            }
            let things = self.aws.things_of(&certificate.registered).await?;
            found.push(OnThing {
                policies: self.aws.policies_of(&certificate.registered).await?,
                attached: index < attached,
                shared: things.iter().any(|thing| thing.name != removal.thing.as_str()),
                found: certificate,
            });
        }
        Ok(found)
    }

    /// Whether the policy says what this program makes policies say, and only these certificates have it.
    async fn policy_is_ours(&self, removal: &Removal, certificates: &[OnThing]) -> Result<bool, Error> {
        let Some(policy) = self.aws.get_policy(&removal.policy).await? else { return Ok(false) };
        let scope = ArnScope::of(&policy.arn).map_err(Error::Arn)?;
        if !removal.force && !Grants::made(&policy.document, &scope) {
            return Ok(false);
        }
        let leaving = |target: &String| {
            certificates.iter().any(|each| !each.shared && each.found.registered.arn == *target)
        };
        Ok(self.aws.targets_of(&removal.policy).await?.iter().all(leaving))
    }
}

impl RemovalPlan {
    /// Line by line what would be done.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<Change> =
            self.certificates.iter().flat_map(|certificate| certificate.changes(&self.removal)).collect();
        if self.thing_exists {
            changes.push(self.thing_change());
        }
        if self.policy_goes {
            changes.push(Change::new(Subject::Policy(self.removal.policy.clone()), Action::Delete));
        }
        changes
    }

    fn thing_change(&self) -> Change {
        Change::new(Subject::Thing(self.removal.thing.clone()), Action::Delete)
    }
}

impl OnThing {
    fn changes(&self, removal: &Removal) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.attached {
            changes.push(Change::new(Subject::ThingAttachment(removal.thing.clone()), Action::Delete));
        }
        let certificate = Subject::Certificate(self.found.registered.id.clone());
        if self.shared {
            changes.push(Change::new(certificate, Action::Keep("other things have it too".to_owned())));
            return changes;
        }
        let attachments = self.policies.iter().cloned().map(Subject::PolicyAttachment);
        changes.extend(attachments.map(|subject| Change::new(subject, Action::Delete)));
        changes.push(Change::new(certificate, Action::Delete));
        changes
    }
}
