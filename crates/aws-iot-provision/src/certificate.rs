//! What the account has of a certificate, and the change of its status.

use std::sync::atomic::Ordering;

use aws_sdk_iot::types::{PrincipalThingObject, ThingPrincipalType};
use device_identity::DeviceCertificate;
use serde::{Deserialize, Serialize};

use crate::call::{on, on_certificate, part, unless_missing};
use crate::device::{Attachment, Status};
use crate::error::Error;
use crate::name::{CertificateId, ThingName};
use crate::plan::Plan;
use crate::provisioner::Provisioner;
use crate::step::{Kind, Step};

/// Most that AWS puts on one page (AWS IoT API reference: `maxResults` and `pageSize` of the lists that are used here).
pub(crate) const PAGE: i32 = 250;

/// In the place of a status, where AWS has none.
const UNKNOWN: &str = "unknown";

/// Why AWS's statuses other than ACTIVE and INACTIVE are final.
pub(crate) const FINAL: &str = "AWS does not change it back; the device needs another certificate";

/// A certificate as AWS has it, with all that hangs on it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CertificateState {
    /// Its id.
    pub id: CertificateId,
    /// Its status in AWS's words.
    pub status: String,
    /// The things that have it, and how, where AWS tells.
    pub things: Vec<(String, Option<Attachment>)>,
    /// The policies on it.
    pub policies: Vec<String>,
    /// Whether it is as it was registered. An INACTIVE one is then the rest of a registration that was interrupted, or waits
    /// for its first activation; otherwise somebody deactivated it.
    pub(crate) never_modified: bool,
    /// What was registered, where AWS returned it.
    pub(crate) certificate: Option<DeviceCertificate>,
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

impl CertificateState {
    /// One that is attached to a thing, but not found.
    pub(crate) fn unknown(id: CertificateId) -> Self {
        let (things, policies) = Default::default();
        Self { id, status: UNKNOWN.to_owned(), things, policies, never_modified: false, certificate: None }
    }

    pub(crate) fn is_known(&self) -> bool {
        self.status != UNKNOWN
    }

    /// Whether its status lets a device in.
    pub fn is_active(&self) -> bool {
        self.status == Status::Active.as_str()
    }

    /// How it is attached to that thing, where AWS tells.
    pub fn attachment_to(&self, thing: &ThingName) -> Option<Attachment> {
        self.things.iter().find(|(name, _)| name == thing.as_str())?.1
    }

    pub(crate) fn others_than<'a>(
        &'a self,
        thing: &'a ThingName,
    ) -> impl Iterator<Item = &'a (String, Option<Attachment>)> {
        self.things.iter().filter(|(name, _)| name != thing.as_str())
    }
}

impl Provisioner {
    /// What the account has of a certificate; `None` where none of that id is registered.
    ///
    /// # Errors
    /// Every call may fail.
    pub async fn certificate(&self, id: &CertificateId) -> Result<Option<CertificateState>, Error> {
        let Some(mut state) = self.describe_certificate(id).await? else { return Ok(None) };
        state.things = self.things_of(&state.id).await?;
        state.policies = self.policies_of(&state.id).await?;
        Ok(Some(state))
    }

    /// The certificate alone, without asking for its things and policies.
    async fn describe_certificate(&self, id: &CertificateId) -> Result<Option<CertificateState>, Error> {
        const ACTION: &str = "iot:DescribeCertificate";
        let sent = self.client.describe_certificate().certificate_id(id.as_str()).send();
        let Some(answer) = unless_missing(self.call(on_certificate(ACTION, id), sent).await)? else {
            return Ok(None);
        };
        let found = part(ACTION, "certificateDescription", answer.certificate_description)?;
        let dates = found.creation_date.zip(found.last_modified_date);
        let pem = found.certificate_pem.as_deref().map(str::as_bytes);
        Ok(Some(CertificateState {
            id: CertificateId::named_by_aws(&part(ACTION, "certificateId", found.certificate_id)?),
            status: part(ACTION, "status", found.status)?.as_str().to_owned(),
            things: Vec::new(),
            policies: Vec::new(),
            never_modified: dates.is_some_and(|(created, modified)| created == modified),
            certificate: pem.and_then(|pem| DeviceCertificate::from_pem(pem).ok()),
        }))
    }

    /// The ARN of a certificate in this account.
    pub(crate) async fn certificate_arn(&self, id: &CertificateId) -> Result<String, Error> {
        Ok(self.scope().await?.arn(&format!("cert/{id}")))
    }

    /// Older partitions, moto and ministack know only the older ListPrincipalThings, which does not tell how a certificate is
    /// attached.
    pub(crate) async fn things_of(
        &self,
        id: &CertificateId,
    ) -> Result<Vec<(String, Option<Attachment>)>, Error> {
        let arn = self.certificate_arn(id).await?;
        let subject = format!("certificate {id}");
        if !self.without_v2.load(Ordering::Relaxed) {
            let call = on("iot:ListPrincipalThingsV2", &subject, &arn);
            let pages = self.client.list_principal_things_v2().principal(&arn).max_results(PAGE);
            let sent = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
            match self.call(call, sent).await {
                Ok(things) => return Ok(things.into_iter().map(attached).collect()),
                // ministack answers InvalidRequestException to a path that it does not know.
                Err(error) if error.is_about_the_call() || error.is("InvalidRequestException") => {
                    tracing::debug!(%error, "ListPrincipalThings instead of ListPrincipalThingsV2");
                }
                Err(error) => return Err(error),
            }
        }
        let call = on("iot:ListPrincipalThings", &subject, &arn);
        let pages = self.client.list_principal_things().principal(&arn).max_results(PAGE);
        let sent = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
        let names = unless_missing(self.call(call, sent).await)?.unwrap_or_default();
        self.without_v2.store(true, Ordering::Relaxed);
        Ok(names.into_iter().map(|name| (name, None)).collect())
    }

    pub(crate) async fn plan_status_change(
        &self,
        change: &StatusChange,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let ids = match (&change.certificate, &change.thing) {
            (Some(id), _) => vec![id.clone()],
            (None, Some(thing)) => self.certificate_ids_of(thing).await?,
            (None, None) => Vec::new(),
        };
        let mut found = Vec::new();
        for id in &ids {
            found.extend(self.describe_certificate(id).await?);
        }
        let certificate = match (found.as_slice(), &change.certificate, &change.thing) {
            ([only], _, _) => only,
            ([], _, Some(thing)) => {
                return Err(Error::NotRegistered { thing: thing.clone(), what: "has no certificate" });
            }
            (several, None, Some(thing)) => {
                let listed = several.iter().map(|each| format!("{} ({})", each.id, each.status));
                let certificates = listed.collect::<Vec<_>>().join(", ");
                return Err(Error::WhichCertificate { thing: thing.clone(), certificates });
            }
            (_, id, _) => {
                let id = id.as_ref().map(ToString::to_string).unwrap_or_default();
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
                    remedy: FINAL.to_owned(),
                });
            }
        });
        Ok(())
    }
}

fn attached(thing: PrincipalThingObject) -> (String, Option<Attachment>) {
    let how = match thing.thing_principal_type {
        Some(ThingPrincipalType::ExclusiveThing) => Some(Attachment::Exclusive),
        Some(ThingPrincipalType::NonExclusiveThing) => Some(Attachment::Shared),
        _ => None,
    };
    (thing.thing_name, how)
}
