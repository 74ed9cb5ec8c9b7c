//! What AWS has of a thing; and its certificate's status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calls::Provisioner;
use crate::certificate::CertificateId;
use crate::device::{Attachment, Status};
use crate::error::Error;
use crate::name::ThingName;
use crate::plan::Plan;
use crate::step::{Kind, Step};

/// A thing with all that hangs on it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ThingState {
    /// Its name.
    pub thing_name: ThingName,
    /// Its type, if it has one.
    pub thing_type: Option<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// The groups that it is in.
    pub groups: Vec<String>,
    /// The policies that it has through its groups, by group.
    pub group_policies: BTreeMap<String, Vec<String>>,
    /// Its certificates.
    pub certificates: Vec<CertificateState>,
}

/// A certificate on a thing.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CertificateState {
    /// Its id.
    pub certificate_id: CertificateId,
    /// Its status in AWS's words.
    pub status: String,
    /// How it is attached, where AWS tells.
    pub attachment: Option<Attachment>,
    /// The policies on it.
    pub policies: Vec<String>,
}

/// A certificate is to be activated or deactivated.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatusChange {
    /// The thing whose certificate it is.
    pub thing: Option<ThingName>,
    /// The certificate; without it, the thing's only one.
    pub certificate: Option<CertificateId>,
    /// What it is to be.
    pub status: Status,
}

impl ThingState {
    /// Whether a device can get in: with a certificate that is ACTIVE, and a policy on it or on a group.
    pub fn lets_in(&self) -> bool {
        let by_group = !self.group_policies.is_empty();
        self.certificates
            .iter()
            .any(|each| each.status == "ACTIVE" && (by_group || !each.policies.is_empty()))
    }
}

impl Provisioner {
    /// What AWS has of a thing, or `None` if there is none of that name.
    ///
    /// # Errors
    /// Every call may fail.
    pub async fn status(&self, thing: &ThingName) -> Result<Option<ThingState>, Error> {
        let aws = self;
        let Some(found) = aws.describe_thing(thing).await? else { return Ok(None) };
        let mut certificates = Vec::new();
        for id in aws.certificates_of(thing).await? {
            let status =
                aws.describe_certificate(&id).await?.map_or("unknown".to_owned(), |found| found.status);
            let things = aws.things_of(&id).await?;
            let own = things.into_iter().find(|other| other.name == thing.as_str());
            certificates.push(CertificateState {
                status,
                attachment: own.and_then(|own| own.attachment),
                policies: aws.policies_of(&id).await?,
                certificate_id: id,
            });
        }
        let groups = aws.groups_of(thing).await?;
        let group_policies = aws.policies_by_group(&groups).await?;
        Ok(Some(ThingState {
            thing_name: thing.clone(),
            thing_type: found.thing_type,
            attributes: found.attributes,
            groups,
            group_policies,
            certificates,
        }))
    }

    pub(crate) async fn plan_status_change(
        &self,
        change: &StatusChange,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let ids = match (&change.certificate, &change.thing) {
            (Some(id), _) => vec![id.clone()],
            (None, Some(thing)) => self.certificates_of(thing).await?,
            (None, None) => Vec::new(),
        };
        let mut found = Vec::new();
        for id in &ids {
            found.extend(self.describe_certificate(id).await?);
        }
        let certificate = match (found.as_slice(), &change.thing) {
            ([certificate], _) => certificate,
            ([], Some(thing)) => {
                return Err(Error::NotRegistered { thing: thing.clone(), what: "has no certificate" });
            }
            (several, Some(thing)) if !several.is_empty() => {
                let listed = several.iter().map(|each| format!("{} ({})", each.id, each.status));
                let certificates = listed.collect::<Vec<_>>().join(", ");
                return Err(Error::WhichCertificate { thing: thing.clone(), certificates });
            }
            _ => {
                let id = ids.first().map(ToString::to_string).unwrap_or_default();
                return Err(Error::NoCertificate { id });
            }
        };
        let id = certificate.id.clone();
        plan.steps.push(match certificate.status.as_str() {
            found if found == change.status.as_str() => Step::keep(Kind::Certificate, &id, found),
            "ACTIVE" | "INACTIVE" => Step::UpdateCertificate { certificate: id, status: change.status },
            status => {
                return Err(Error::CertificateStatus {
                    id,
                    status: status.to_owned(),
                    because: "AWS keeps such a certificate so",
                    wanted: change.status.as_str(),
                    remedy: "AWS does not change it back; the device needs another certificate".to_owned(),
                });
            }
        });
        Ok(())
    }
}
