//! What is missing until a device is registered.

use std::collections::BTreeMap;

use crate::attributes;
use crate::calls::{AttachedThing, FoundThing, Provisioner};
use crate::certificate::{CertificateId, FoundCertificate};
use crate::device::{Attachment, Device, OtherCertificates, Status};
use crate::error::Error;
use crate::marker::Marker;
use crate::plan::{Plan, Purpose};
use crate::step::{Kind, Step};

impl Plan {
    /// The certificate of the device that is registered: its step comes before those of others.
    pub(crate) fn certificate(&self) -> Option<CertificateId> {
        let mut described = self.steps.iter().map(Step::describe);
        let own = described.find(|step| step.kind == Kind::Certificate)?;
        matches!(self.purpose, Purpose::Register(_)).then(|| CertificateId::named_by_aws(own.name))
    }
}

impl Provisioner {
    /// Everything is looked at, and what must not be done is refused, before the first step. `known_as`: the id under which AWS
    /// has the certificate, where it is not its SHA-256.
    pub(crate) async fn plan_registration(
        &self,
        device: &Device,
        known_as: Option<&CertificateId>,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let aws = self;
        let settings = &device.settings;
        let thing = aws.describe_thing(&device.thing).await?;
        self.check_type(device, thing.as_ref()).await?;
        let on_thing = match &thing {
            Some(_) => aws.certificates_of(&device.thing).await?,
            None => Vec::new(),
        };
        let found = self.find_certificate(device, known_as, &on_thing).await?;
        if let Some(found) = &found {
            let marker = thing.as_ref().and_then(|thing| Marker::of(&thing.attributes));
            check_status(device, found, marker.as_ref(), &aws.command_options)?;
        }
        let id =
            found.as_ref().map_or_else(|| CertificateId::of(&device.certificate), |found| found.id.clone());
        let others = self.plan_others(device, &id, on_thing).await?;

        let wanted = attributes::wanted(device, thing.as_ref(), found.is_none(), &mut plan.warnings)?;
        // First, since AWS may refuse the document: nothing is left behind then.
        self.plan_policy(device, plan).await?;
        plan.steps.push(thing_step(device, thing.as_ref(), wanted));
        let groups = self.plan_groups(device, thing.is_some(), plan).await?;
        plan.steps.push(match &found {
            Some(found) => Step::keep(Kind::Certificate, &id, found.status.as_str()),
            None => Step::RegisterCertificateWithoutCA {
                certificate: id.clone(),
                pem: device.certificate.to_pem(),
            },
        });
        let things = match &found {
            Some(_) => aws.things_of(&id).await?,
            None => Vec::new(),
        };
        let policies = match &found {
            Some(_) => aws.policies_of(&id).await?,
            None => Vec::new(),
        };
        self.plan_policies_on(device, &id, &policies, plan).await?;
        self.plan_group_policies(device, groups, plan).await?;
        plan.steps.push(self.attachment_step(device, &id, &things)?);
        plan.steps.extend(others);
        if settings.status == Status::Active && !found.as_ref().is_some_and(FoundCertificate::is_active) {
            plan.steps.push(Step::UpdateCertificate { certificate: id, status: Status::Active });
        }
        let endpoint = aws.endpoint().await?;
        plan.steps.push(Step::keep(Kind::Endpoint, &endpoint, "looked up"));
        plan.endpoint = Some(endpoint);
        Ok(())
    }

    /// A thing without a type could get one only once, and a thing that has another cannot.
    async fn check_type(&self, device: &Device, thing: Option<&FoundThing>) -> Result<(), Error> {
        let Some(wanted) = device.wanted_type() else { return Ok(()) };
        let Some(thing) = thing else { return self.check_thing_type(wanted).await };
        if thing.thing_type.as_deref() == Some(wanted) {
            return Ok(());
        }
        let found =
            thing.thing_type.as_ref().map_or("no type".to_owned(), |found| format!("the type {found}"));
        Err(Error::ThingType { thing: device.thing.clone(), found, wanted: wanted.to_owned() })
    }

    /// By the id that AWS should give it; and where AWS has it under another id, among the thing's own certificates.
    async fn find_certificate(
        &self,
        device: &Device,
        known_as: Option<&CertificateId>,
        on_thing: &[CertificateId],
    ) -> Result<Option<FoundCertificate>, Error> {
        let computed = CertificateId::of(&device.certificate);
        if let Some(found) = self.describe_certificate(known_as.unwrap_or(&computed)).await? {
            return Ok(Some(found));
        }
        for id in on_thing {
            if let Some(found) = self.describe_certificate(id).await?
                && found.certificate.as_ref() == Some(&device.certificate)
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// What becomes of the certificates that the thing has beside the device's.
    async fn plan_others(
        &self,
        device: &Device,
        id: &CertificateId,
        on_thing: Vec<CertificateId>,
    ) -> Result<Vec<Step>, Error> {
        let (mut steps, mut told) = (Vec::new(), Vec::new());
        for other in on_thing.into_iter().filter(|other| other != id) {
            let found = self.describe_certificate(&other).await?;
            let status = found.as_ref().map_or("unknown status", |found| &found.status);
            told.push(format!("certificate {other} ({status})"));
            match device.settings.other_certificates {
                OtherCertificates::Refuse => {}
                OtherCertificates::Keep => {
                    steps.push(Step::keep(
                        Kind::Certificate,
                        &other,
                        format!("{status}, also on this thing"),
                    ));
                }
                OtherCertificates::Replace => {
                    let things = self.things_of(&other).await?;
                    let only_here = things.iter().all(|thing| thing.name == device.thing.as_str());
                    if !only_here {
                        steps.push(Step::keep(Kind::Certificate, &other, "other things have it too"));
                    } else if found.is_some_and(|found| found.is_active()) {
                        let certificate = other.clone();
                        steps.push(Step::UpdateCertificate { certificate, status: Status::Inactive });
                    }
                    steps
                        .push(Step::DetachThingPrincipal { thing: device.thing.clone(), certificate: other });
                }
            }
        }
        if !told.is_empty() && device.settings.other_certificates == OtherCertificates::Refuse {
            return Err(Error::OtherCertificates { thing: device.thing.clone(), others: told.join(", ") });
        }
        Ok(steps)
    }

    /// Returns the groups that the thing is in then.
    async fn plan_groups(
        &self,
        device: &Device,
        thing_exists: bool,
        plan: &mut Plan,
    ) -> Result<Vec<String>, Error> {
        let mut groups = if thing_exists { self.groups_of(&device.thing).await? } else { Vec::new() };
        for group in device.wanted_groups() {
            if groups.contains(group) {
                plan.steps.push(Step::keep(Kind::ThingGroup, group, ""));
                continue;
            }
            self.check_group(group).await?;
            let thing = device.thing.clone();
            plan.steps.push(Step::AddThingToThingGroup { thing, group: group.clone() });
            groups.push(group.clone());
        }
        Ok(groups)
    }

    /// Refused where others have the certificate and one of them would be alone with it.
    fn attachment_step(
        &self,
        device: &Device,
        id: &CertificateId,
        things: &[AttachedThing],
    ) -> Result<Step, Error> {
        let attachment = device.settings.attachment;
        let (own, others): (Vec<_>, Vec<_>) =
            things.iter().partition(|thing| thing.name == device.thing.as_str());
        let exclusively = others.iter().any(|thing| thing.attachment == Some(Attachment::Exclusive));
        if !others.is_empty() && (attachment == Attachment::Exclusive || exclusively) {
            let others = others.iter().map(|thing| thing.name.clone()).collect();
            let options = self.command_options.clone();
            return Err(Error::CertificateElsewhere { id: id.clone(), others, options });
        }
        // Where AWS does not say how, it is left as it is.
        let again = match own.first().map(|thing| thing.attachment) {
            None => false,
            Some(Some(found)) if found != attachment => true,
            Some(_) => return Ok(Step::keep(Kind::ThingAttachment, &device.thing, "")),
        };
        Ok(Step::AttachThingPrincipal {
            thing: device.thing.clone(),
            certificate: id.clone(),
            attachment,
            again,
        })
    }
}

fn thing_step(device: &Device, found: Option<&FoundThing>, wanted: BTreeMap<String, String>) -> Step {
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

/// An INACTIVE certificate is activated only as the rest of a registration that was interrupted: it was never modified, and
/// not registered to stay INACTIVE.
fn check_status(
    device: &Device,
    found: &FoundCertificate,
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
            format!(
                "`se050-iot {verb} --thing-name {}{options}`, or --certificate-id {}",
                device.thing, found.id
            )
        }
        _ => "AWS does not change it back; the device needs another certificate".to_owned(),
    };
    Err(Error::CertificateStatus {
        id: found.id.clone(),
        status: found.status.clone(),
        because,
        wanted: wanted.as_str(),
        remedy,
    })
}
