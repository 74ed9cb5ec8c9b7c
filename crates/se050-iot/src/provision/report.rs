//! What `se050-iot provision` says of one device.

use std::io::{self, Write};
use std::path::Path;

use aws_iot_provision::{Action, Change, Device, Plan, Provisioned};
use device_identity::Checked;
use serde_json::{Value, json};

pub(super) fn change(out: &mut impl Write, change: &Change) -> io::Result<()> {
    writeln!(out, "{change}")?;
    out.flush()
}

pub(super) fn plan(
    out: &mut impl Write,
    as_json: bool,
    device: &Device,
    checked: &Checked,
    plan: &Plan,
) -> io::Result<()> {
    if as_json {
        let steps: Vec<Value> = plan.changes.iter().map(change_json).collect();
        let object = json!({
            "thingName": device.thing().as_str(),
            "certificateId": device.certificate().fingerprint(),
            "identity": checked.summary(),
            "changes": plan.changes_anything(),
            "steps": steps,
        });
        return writeln!(out, "{object}");
    }
    writeln!(out, "identity: {}", checked.summary())?;
    write!(out, "{plan}")?;
    let count = plan.changes.iter().filter(|change| change.is_change()).count();
    match count {
        0 => writeln!(out, "nothing to do"),
        count => writeln!(out, "{count} to do; nothing was written"),
    }
}

pub(super) fn text(
    out: &mut impl Write,
    provisioned: &Provisioned,
    checked: &Checked,
    key_label: &str,
    is_local: bool,
) -> io::Result<()> {
    let Provisioned { thing, certificate_id, policy, endpoint, changes, .. } = provisioned;
    writeln!(out)?;
    if !changes.iter().any(Change::is_change) {
        writeln!(out, "Nothing was changed: everything was there as it should be.")?;
        writeln!(out)?;
    }
    writeln!(out, "thing        {thing}")?;
    writeln!(out, "certificate  {certificate_id}")?;
    writeln!(out, "identity     {}", checked.summary())?;
    writeln!(out, "policy       {policy}")?;
    writeln!(out, "endpoint     {endpoint}")?;
    writeln!(out)?;
    writeln!(out, "On the device:")?;
    writeln!(out, "  pubsub --endpoint {endpoint} --client-id {thing} --key-label {key_label}")?;
    if is_local {
        writeln!(out, "A local AWS IoT Core also needs --ca-file and --port, as it printed them.")?;
    }
    out.flush()
}

pub(super) fn json(out: &mut impl Write, provisioned: &Provisioned, checked: &Checked) -> io::Result<()> {
    let steps: Vec<Value> = provisioned.changes.iter().map(change_json).collect();
    let object = json!({
        "thingName": provisioned.thing.as_str(),
        "thingArn": provisioned.thing_arn,
        "certificateId": provisioned.certificate_id.as_str(),
        "certificateArn": provisioned.certificate_arn,
        "identity": checked.summary(),
        "policyName": provisioned.policy.as_str(),
        "endpoint": provisioned.endpoint,
        "steps": steps,
    });
    writeln!(out, "{object}")?;
    out.flush()
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
    eprintln!(
        "warning: the policy in {} allows iot:* on *: whoever holds this device can connect as any device, read and \
         write every topic and shadow, and take part in every job; without --policy-file it gets only its own topics",
        path.display()
    );
}
