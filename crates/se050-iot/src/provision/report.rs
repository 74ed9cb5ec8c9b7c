//! What `se050-iot provision` says of one device.

use std::io::{self, Write};
use std::path::Path;

use aws_iot_provision::{Action, Change, Device, DeviceCertificate, Plan, Provisioned, Status};
use device_identity::{Checked, KeyConfig};
use serde_json::{Value, json};

use super::config;
use crate::shell::quoted;
use crate::terminal::say;

pub(super) fn change(out: &mut impl Write, change: &Change) -> io::Result<()> {
    writeln!(out, "{change}")?;
    out.flush()
}

pub(super) fn plan(out: &mut impl Write, checked: &Checked, plan: &Plan) -> io::Result<()> {
    writeln!(out, "identity: {}", checked.summary())?;
    write!(out, "{plan}")?;
    let count = plan.changes.iter().filter(|change| change.is_change()).count();
    match count {
        0 => writeln!(out, "nothing to do"),
        count => writeln!(out, "{count} to do; nothing was written"),
    }
}

pub(super) fn plan_json(source: &str, device: &Device, checked: &Checked, plan: &Plan) -> Value {
    let steps: Vec<Value> = plan.changes.iter().map(change_json).collect();
    json!({
        "source": source,
        "thingName": device.thing().as_str(),
        "certificateId": device.certificate().fingerprint(),
        "identity": checked.summary(),
        "changes": plan.changes_anything(),
        "steps": steps,
    })
}

pub(super) fn text(
    out: &mut impl Write,
    provisioned: &Provisioned,
    checked: &Checked,
    on_the_device: &str,
    is_local: bool,
) -> io::Result<()> {
    let Provisioned { thing, certificate_id, status, policy, endpoint, changes, .. } = provisioned;
    writeln!(out)?;
    if !changes.iter().any(Change::is_change) {
        writeln!(out, "Nothing was changed: everything was there as it should be.")?;
        writeln!(out)?;
    }
    writeln!(out, "thing        {thing}")?;
    writeln!(out, "certificate  {certificate_id}, {}", status.as_str())?;
    writeln!(out, "identity     {}", checked.summary())?;
    writeln!(out, "policy       {policy}")?;
    writeln!(out, "endpoint     {endpoint}")?;
    writeln!(out)?;
    if *status == Status::Inactive {
        writeln!(out, "The device gets in once its certificate is activated:")?;
        writeln!(out, "  aws iot update-certificate --certificate-id {certificate_id} --new-status ACTIVE")?;
    }
    writeln!(out, "On the device:")?;
    writeln!(out, "  {on_the_device}")?;
    if is_local {
        writeln!(out, "A local AWS IoT Core also needs --ca-file and --port, as it printed them.")?;
    }
    out.flush()
}

/// The command with which the device tries its registration.
pub(super) fn command_on_the_device(
    provisioned: &Provisioned,
    key: Option<&KeyConfig>,
    certificate: &DeviceCertificate,
    config: Option<&Path>,
) -> String {
    if let Some(path) = config {
        let name = path.file_name().map(|name| name.display().to_string()).unwrap_or_default();
        return format!("pubsub --config {}   (copy {} there)", quoted(&name), path.display());
    }
    let (endpoint, thing) = (&provisioned.endpoint, &provisioned.thing);
    let mut command = format!("pubsub --endpoint {endpoint} --client-id {thing}");
    match config::key_of(key, certificate) {
        Ok(KeyConfig { label, pkcs11_lib, .. }) => {
            command.push_str(&format!(" --key-label {}", quoted(&label)));
            if let Some(module) = pkcs11_lib {
                command.push_str(&format!(" --pkcs11-lib {}", quoted(&module)));
            }
        }
        Err(_) => command.push_str(" --key-label LABEL"),
    }
    command
}

pub(super) fn json(provisioned: &Provisioned, checked: &Checked) -> Value {
    let steps: Vec<Value> = provisioned.changes.iter().map(change_json).collect();
    json!({
        "thingName": provisioned.thing.as_str(),
        "thingArn": provisioned.thing_arn,
        "certificateId": provisioned.certificate_id.as_str(),
        "certificateArn": provisioned.certificate_arn,
        "certificateStatus": provisioned.status.as_str(),
        "identity": checked.summary(),
        "policyName": provisioned.policy.as_str(),
        "endpoint": provisioned.endpoint,
        "steps": steps,
    })
}

pub(crate) fn change_json(change: &Change) -> Value {
    let note = match &change.action {
        Action::Update(note) | Action::Keep(note) => note.as_str(),
        _ => "",
    };
    json!({
        "step": change.subject.kind(), "name": change.subject.name(), "outcome": change.action.kind(), "note": note,
    })
}

pub(super) fn warn_of_everything(path: &Path) {
    say!(
        "warning: the policy in {} allows iot:* on *: whoever holds this device can connect as any device, read and \
         write every topic and shadow, and take part in every job; without --policy-file it gets only its own topics",
        path.display()
    );
}
