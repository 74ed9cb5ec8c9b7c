//! What `se050-iot provision` says of one device.

use std::io::{self, Write};

use anyhow::Context as _;
use aws_iot_provision::{Applied, Device, Plan, Rights, Status, Step};
use device_identity::KeyConfig;
use serde_json::{Value, json};

use super::args::DeviceArgs;
use super::config;
use crate::account::{Account, steps_json};
use crate::shell::quoted;
use crate::{json, policy_setup};

pub(super) fn step(out: &mut impl Write, step: &Step) -> io::Result<()> {
    writeln!(out, "{step}")?;
    out.flush()
}

pub(super) fn plan(out: &mut impl Write, device: &Device, plan: &Plan) -> io::Result<()> {
    writeln!(out, "identity: {}", device.identity)?;
    plan.steps.iter().try_for_each(|each| writeln!(out, "{each}"))?;
    match plan.changes().count() {
        0 => writeln!(out, "nothing to do"),
        count => writeln!(out, "{count} to do; nothing was written"),
    }
}

pub(super) fn plan_json(source: &str, device: &Device, plan: &Plan) -> Value {
    json!({
        "source": source,
        "thingName": device.thing.as_str(),
        "certificateId": device.certificate.fingerprint(),
        "identity": device.identity,
        "changes": plan.changes_anything(),
        "warnings": plan.warnings,
        "steps": steps_json(&plan.steps),
    })
}

/// Writes the device's configuration, and tells what was registered and what comes next.
pub(super) fn registered(
    account: &Account,
    args: &DeviceArgs,
    device: &Device,
    applied: &Applied,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let endpoint = applied.plan.endpoint.as_deref().unwrap_or_default();
    if let Some(path) = &args.config.device_config {
        config::write(path, &args.config, device, endpoint)?;
    }
    let printed = if args.json {
        json::print(out, &account.json(registered_json(device, applied, endpoint)))
    } else {
        text(args, device, applied, endpoint, out)
    };
    printed.context("cannot print the result; the device is registered")
}

fn text(
    args: &DeviceArgs,
    device: &Device,
    applied: &Applied,
    endpoint: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    let (id, status) = (id(applied), device.settings.status);
    writeln!(out)?;
    if !applied.steps.iter().any(Step::is_change) {
        writeln!(out, "Nothing was changed: everything was there as it should be.")?;
        writeln!(out)?;
    }
    writeln!(out, "thing        {}", device.thing)?;
    writeln!(out, "certificate  {id}, {}", status.as_str())?;
    writeln!(out, "identity     {}", device.identity)?;
    writeln!(out, "policy       {}", device.settings.policy)?;
    writeln!(out, "endpoint     {endpoint}")?;
    writeln!(out)?;
    if status == Status::Inactive {
        writeln!(out, "The device gets in once its certificate is activated:")?;
        writeln!(out, "  se050-iot activate --thing-name {}{}", device.thing, args.aws.guarded_words())?;
    }
    match &args.config.device_config {
        Some(path) => writeln!(out, "Copy {} to the device, and there:", path.display())?,
        None => writeln!(out, "On the device:")?,
    }
    for command in commands_on_the_device(args, device, endpoint) {
        writeln!(out, "  {command}")?;
    }
    if let Rights::Least(grants) = &device.settings.rights {
        let (scope, policy) = (&applied.plan.scope, &device.settings.policy);
        let options = args.aws.words_without_region();
        policy_setup::tell(&policy_setup::commands(scope, grants, policy, &options));
    }
    if args.aws.is_local() {
        writeln!(out, "A local AWS IoT Core also needs --ca-file and --port, as it printed them.")?;
    }
    out.flush()
}

fn id(applied: &Applied) -> &str {
    applied.certificate_id.as_ref().map_or("", |id| id.as_str())
}

/// The commands with which the device tries its registration.
fn commands_on_the_device(args: &DeviceArgs, device: &Device, endpoint: &str) -> Vec<String> {
    if let Some(path) = &args.config.device_config {
        let name = path.file_name().map(|name| name.display().to_string()).unwrap_or_default();
        return ["se050-iot doctor", "pubsub"]
            .map(|program| format!("{program} --config {}", quoted(&name)))
            .into();
    }
    let mut command = format!("pubsub --endpoint {endpoint} --client-id {}", device.thing);
    match config::key_of(device.key.as_ref(), &device.certificate) {
        Ok(KeyConfig { label, certificate, pkcs11_lib, token_label, pin_file, .. }) => {
            for (option, value) in [
                ("--key-label", Some(label)),
                ("--cert-label", certificate),
                ("--pkcs11-lib", pkcs11_lib),
                ("--token-label", token_label),
                ("--pin-file", pin_file),
            ] {
                if let Some(value) = value {
                    command.push_str(&format!(" {option} {}", quoted(&value)));
                }
            }
        }
        Err(_) => command.push_str(" --key-label LABEL"),
    }
    vec![command]
}

fn registered_json(device: &Device, applied: &Applied, endpoint: &str) -> Value {
    let scope = &applied.plan.scope;
    json!({
        "thingName": device.thing.as_str(),
        "thingArn": scope.arn(&format!("thing/{}", device.thing)),
        "certificateId": id(applied),
        "certificateArn": scope.arn(&format!("cert/{}", id(applied))),
        "certificateStatus": device.settings.status.as_str(),
        "identity": device.identity,
        "policyName": device.settings.policy.as_str(),
        "endpoint": endpoint,
        "warnings": applied.plan.warnings,
        "steps": steps_json(&applied.steps),
    })
}
