//! What the arguments mean for taking devices in.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use aws_iot_provision::fleet::{Expectations, Intake};
use aws_iot_provision::{
    Attachment, DeviceCertificate, OtherCertificates, PolicyDocument, Rights, Settings, Status,
};
use device_identity::Requirements;

use super::args::{DeviceArgs, SettingsArgs};

pub(super) fn intake(args: &DeviceArgs) -> anyhow::Result<Intake> {
    let authorities = match &args.intake.nxp_ca {
        Some(path) => authorities(path)?,
        None => Vec::new(),
    };
    let template = args.thing_name.as_deref().filter(|name| args.fleet.is_some() || name.contains('{'));
    Ok(Intake {
        requirements: Requirements {
            authorities,
            nonce: args.intake.nonce.clone(),
            proof_required: args.intake.require_proof,
        },
        expectations: args.intake.expect.as_deref().map(Expectations::from_csv).transpose()?,
        template: template.map(str::parse).transpose()?,
        settings: Arc::new(settings(&args.settings)?),
    })
}

fn settings(args: &SettingsArgs) -> anyhow::Result<Settings> {
    let mut settings = Settings::new(args.policy_name.clone());
    settings.rights = match &args.policy_file {
        Some(path) => Rights::Document(read_policy(path)?),
        None => Rights::Least(args.grants.grants()?),
    };
    if args.shared {
        settings.attachment = Attachment::Shared;
    }
    settings.other_certificates = match (args.replace, args.add) {
        (true, _) => OtherCertificates::Replace,
        (_, true) => OtherCertificates::Keep,
        _ => OtherCertificates::Refuse,
    };
    settings.detach_other_policies = args.detach_other_policies;
    if args.inactive {
        settings.status = Status::Inactive;
    }
    settings.thing_type.clone_from(&args.thing_type);
    settings.attributes = args.attribute.iter().cloned().collect();
    settings.groups.clone_from(&args.group);
    Ok(settings)
}

fn authorities(path: &Path) -> anyhow::Result<Vec<DeviceCertificate>> {
    let name = path.display();
    let bytes = fs::read(path).with_context(|| format!("cannot read the CA certificates from {name}"))?;
    let authorities = DeviceCertificate::all_from_pem(&bytes)
        .with_context(|| format!("cannot use the CA certificates from {name}"))?;
    // An empty list would mean that the issuer is not verified.
    anyhow::ensure!(
        !authorities.is_empty(),
        "there is no CA certificate in {name}; give the chip maker's in PEM"
    );
    Ok(authorities)
}

pub(crate) fn read_policy(path: &Path) -> anyhow::Result<PolicyDocument> {
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the policy from {name}"))?;
    PolicyDocument::from_json(&text).with_context(|| format!("cannot use the policy from {name}"))
}
