//! What is missing until a device is registered.

use std::collections::BTreeMap;

use crate::attributes::{self, Marker};
use crate::certificate::{CertificateState, FINAL};
use crate::device::{Attachment, Device, OtherCertificates, Status};
use crate::error::Error;
use crate::name::CertificateId;
use crate::plan::Plan;
use crate::provisioner::Provisioner;
use crate::step::{Kind, Step};
use crate::thing::ThingState;

impl Provisioner {
    /// Everything is looked at, and what must not be done is refused, before the first step. `known_as`: the id under which AWS
    /// has the certificate, where it is not its SHA-256.
    pub(crate) async fn plan_registration(
        &self,
        device: &Device,
        known_as: Option<&CertificateId>,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let mut thing = Box::pin(self.status(&device.thing)).await?;
        self.check_type(device, thing.as_ref()).await?;
        let on_thing =
            thing.as_mut().map(|thing| std::mem::take(&mut thing.certificates)).unwrap_or_default();
        let computed = CertificateId::of(&device.certificate);
        // By the id that AWS should give it; and where AWS has it under another id, among the thing's own certificates.
        let is_own = |found: &CertificateState| {
            found.id == *known_as.unwrap_or(&computed)
                || found.certificate.as_ref() == Some(&device.certificate)
        };
        let (own, others): (Vec<_>, Vec<_>) = on_thing.into_iter().partition(is_own);
        let found = match own.into_iter().next() {
            Some(found) => Some(found),
            None => Box::pin(self.certificate(known_as.unwrap_or(&computed))).await?,
        };
        if let Some(found) = &found {
            let marker = thing.as_ref().and_then(|thing| Marker::of(&thing.attributes));
            check_status(device, found, marker.as_ref(), &self.command_options)?;
        }
        let others = steps_for_others(device, others)?;

        let wanted = attributes::wanted(device, thing.as_ref(), found.is_none(), &mut plan.warnings)?;
        // First, since AWS may refuse the document: nothing is left behind then.
        self.plan_policy(device, plan).await?;
        plan.steps.push(thing_step(device, thing.as_ref(), wanted));
        let groups = self.plan_groups(device, thing, plan).await?;
        let id = found.as_ref().map_or(computed, |found| found.id.clone());
        plan.steps.push(match &found {
            Some(found) => Step::keep(Kind::Certificate, &id, found.status.as_str()),
            None => Step::RegisterCertificateWithoutCA {
                certificate: id.clone(),
                pem: device.certificate.to_pem(),
            },
        });
        let policies = found.as_ref().map(|found| found.policies.as_slice()).unwrap_or_default();
        self.plan_policies_on(device, &id, policies, plan).await?;
        self.plan_group_policies(device, groups, plan).await?;
        plan.steps.push(self.attachment_step(device, &id, found.as_ref())?);
        plan.steps.extend(others);
        if device.settings.status == Status::Active
            && !found.as_ref().is_some_and(CertificateState::is_active)
        {
            plan.steps.push(Step::UpdateCertificate { certificate: id, status: Status::Active });
        }
        let endpoint = self.endpoint().await?;
        plan.steps.push(Step::keep(Kind::Endpoint, &endpoint, "looked up"));
        plan.endpoint = Some(endpoint);
        Ok(())
    }

    /// A thing without a type could get one only once, and a thing that has another cannot.
    async fn check_type(&self, device: &Device, thing: Option<&ThingState>) -> Result<(), Error> {
        let Some(wanted) = device.wanted_type() else { return Ok(()) };
        let Some(thing) = thing else { return self.check_thing_type(wanted).await };
        if thing.thing_type.as_deref() == Some(wanted) {
            return Ok(());
        }
        let found =
            thing.thing_type.as_ref().map_or("no type".to_owned(), |found| format!("the type {found}"));
        Err(Error::ThingType { thing: device.thing.clone(), found, wanted: wanted.to_owned() })
    }

    /// Returns the groups that the thing is in then, with their policies.
    async fn plan_groups(
        &self,
        device: &Device,
        thing: Option<ThingState>,
        plan: &mut Plan,
    ) -> Result<Vec<(String, Vec<String>)>, Error> {
        let mut groups = thing.map(|thing| thing.groups).unwrap_or_default();
        for group in device.wanted_groups() {
            if groups.iter().any(|(name, _)| name == group) {
                plan.steps.push(Step::keep(Kind::ThingGroup, group, ""));
                continue;
            }
            self.check_group(group).await?;
            let thing = device.thing.clone();
            plan.steps.push(Step::AddThingToThingGroup { thing, group: group.clone() });
            groups.push((group.clone(), self.policies_of_group(group).await?));
        }
        Ok(groups)
    }

    /// Refused where others have the certificate and one of them would be alone with it.
    fn attachment_step(
        &self,
        device: &Device,
        id: &CertificateId,
        found: Option<&CertificateState>,
    ) -> Result<Step, Error> {
        let (thing, attachment) = (&device.thing, device.settings.attachment);
        let others: Vec<_> = found.iter().flat_map(|found| found.others_than(thing)).collect();
        let exclusively = others.iter().any(|(_, how)| *how == Some(Attachment::Exclusive));
        if !others.is_empty() && (attachment == Attachment::Exclusive || exclusively) {
            let others = others.iter().map(|(name, _)| name.clone()).collect();
            let options = self.command_options.clone();
            return Err(Error::CertificateElsewhere { id: id.clone(), others, options });
        }
        let is_there = found.is_some_and(|found| found.things.len() > others.len());
        let how = found.and_then(|found| found.attachment_to(thing));
        // Where AWS does not say how, it is left as it is.
        if is_there && how.is_none_or(|how| how == attachment) {
            return Ok(Step::keep(Kind::ThingAttachment, thing, ""));
        }
        let (thing, certificate) = (thing.clone(), id.clone());
        Ok(Step::AttachThingPrincipal { thing, certificate, attachment, again: is_there })
    }
}

fn thing_step(device: &Device, found: Option<&ThingState>, wanted: BTreeMap<String, String>) -> Step {
    let thing = device.thing.clone();
    match found {
        None => {
            let thing_type = device.wanted_type().map(str::to_owned);
            Step::CreateThing { thing, thing_type, attributes: wanted }
        }
        Some(_) if wanted.is_empty() => Step::keep(Kind::Thing, thing, ""),
        Some(_) => Step::UpdateThing { thing, attributes: wanted },
    }
}

/// What becomes of the certificates that the thing has beside the device's.
fn steps_for_others(device: &Device, others: Vec<CertificateState>) -> Result<Vec<Step>, Error> {
    let thing = device.thing.clone();
    let mut steps = Vec::new();
    match device.settings.other_certificates {
        OtherCertificates::Refuse if others.is_empty() => {}
        OtherCertificates::Refuse => {
            let told = others.iter().map(|other| format!("certificate {} ({})", other.id, other.status));
            return Err(Error::OtherCertificates { thing, others: told.collect::<Vec<_>>().join(", ") });
        }
        OtherCertificates::Keep => steps.extend(others.iter().map(|other| {
            Step::keep(Kind::Certificate, &other.id, format!("{}, also on this thing", other.status))
        })),
        OtherCertificates::Replace => {
            for other in others {
                let certificate = other.id.clone();
                if other.others_than(&thing).next().is_some() {
                    steps.push(Step::keep(Kind::Certificate, &certificate, "other things have it too"));
                } else if other.is_active() {
                    let certificate = certificate.clone();
                    steps.push(Step::UpdateCertificate { certificate, status: Status::Inactive });
                }
                steps.push(Step::DetachThingPrincipal { thing: thing.clone(), certificate });
            }
        }
    }
    Ok(steps)
}

/// An INACTIVE certificate is activated only as the rest of a registration that was interrupted: it was never modified, and
/// not registered to stay INACTIVE.
fn check_status(
    device: &Device,
    found: &CertificateState,
    marker: Option<&Marker>,
    options: &str,
) -> Result<(), Error> {
    let wanted = device.settings.status;
    let kept_inactive = marker.is_some_and(|marker| marker.keeps_inactive(&device.certificate));
    let is_rest = found.status == "INACTIVE" && found.never_modified && !kept_inactive;
    if found.status == wanted.as_str() || is_rest {
        return Ok(());
    }
    let because = if kept_inactive && found.never_modified {
        "it was registered with --inactive"
    } else {
        "somebody may have meant it"
    };
    let verb = if wanted == Status::Active { "activate" } else { "deactivate" };
    let remedy = match found.status.as_str() {
        "ACTIVE" | "INACTIVE" => {
            let (thing, id) = (&device.thing, &found.id);
            format!("`se050-iot {verb} --thing-name {thing}{options}`, or --certificate-id {id}")
        }
        _ => FINAL.to_owned(),
    };
    let (id, status) = (found.id.clone(), found.status.clone());
    Err(Error::CertificateStatus { id, status, because, wanted: wanted.as_str(), remedy })
}
