//! What the arguments mean for taking devices in.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_iot_provision::fleet::{Expectations, Intake};
use aws_iot_provision::{Attachment, OtherCertificates, PolicyDocument, Rights, Settings, Status};
use clap::Args;
use device_identity::Requirements;

use super::args::{DeviceArgs, SettingsArgs};
use crate::duration::duration;
use crate::identity::authorities;

/// What is asked of identities.
#[derive(Args)]
#[command(next_help_heading = "Checks before anything is registered")]
pub(super) struct IntakeArgs {
    /// The chip maker's CA certificates (PEM); without it the issuer is not verified
    #[arg(long, value_name = "FILE")]
    nxp_ca: Option<PathBuf>,
    /// The nonce that was issued for this order; a column nonce of the list counts before it
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
    /// Refuse certificates without a proof of possession
    #[arg(long)]
    require_proof: bool,
    /// Refuse proofs that the device signed longer ago, such as 30d or 12h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    proof_max_age: Option<Duration>,
    /// A list (serial or thing_name, fingerprint) that came another way: which device has which certificate
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
}

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
            proof_max_age: args.intake.proof_max_age,
        },
        expectations: args.intake.expect.as_deref().map(Expectations::read).transpose()?,
        template: template.map(str::parse).transpose()?,
        settings: Arc::new(settings(&args.settings)?),
    })
}

/// What the arguments mean for all devices.
pub(crate) fn settings(args: &SettingsArgs) -> anyhow::Result<Settings> {
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

pub(crate) fn read_policy(path: &Path) -> anyhow::Result<PolicyDocument> {
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the policy from {name}"))?;
    PolicyDocument::from_json(&text).with_context(|| format!("cannot use the policy from {name}"))
}
