//! What `se050-iot provision` says.

use std::io::{self, Write};
use std::path::Path;

use aws_iot_provision::{ClientOptions, Provisioned, Step};
use serde_json::{Value, json};

/// The factory key "cloud connection key 0, RSA2048", object 0xF0000110, as that module wants it named.
const KEY_LABEL: &str = "sss:100100F0";

pub(super) fn step(out: &mut impl Write, step: &Step) -> io::Result<()> {
    writeln!(out, "{step}")?;
    out.flush()
}

pub(super) fn text(
    out: &mut impl Write,
    provisioned: &Provisioned,
    options: &ClientOptions,
) -> io::Result<()> {
    let Provisioned { thing, certificate_id, policy, endpoint, .. } = provisioned;
    writeln!(out)?;
    writeln!(out, "thing        {thing}")?;
    writeln!(out, "certificate  {certificate_id}")?;
    writeln!(out, "policy       {policy}")?;
    writeln!(out, "endpoint     {endpoint}")?;
    writeln!(out)?;
    writeln!(out, "The device may connect now. On the device:")?;
    writeln!(out, "  pubsub --endpoint {endpoint} --client-id {thing} --key-label {KEY_LABEL}")?;
    if options.endpoint_url.is_some() {
        writeln!(out, "A local AWS IoT Core also needs --ca-file and --port, as it printed them.")?;
    }
    out.flush()
}

pub(super) fn json(out: &mut impl Write, provisioned: &Provisioned) -> io::Result<()> {
    let steps: Vec<Value> = provisioned
        .steps
        .iter()
        .map(|Step { subject, outcome, .. }| {
            json!({"step": subject.kind(), "name": subject.name(), "outcome": outcome.kind()})
        })
        .collect();
    let object = json!({
        "thingName": provisioned.thing.as_str(),
        "thingArn": provisioned.thing_arn,
        "certificateId": provisioned.certificate_id.as_str(),
        "certificateArn": provisioned.certificate_arn,
        "policyName": provisioned.policy.as_str(),
        "endpoint": provisioned.endpoint,
        "steps": steps,
    });
    writeln!(out, "{object}")?;
    out.flush()
}

pub(super) fn warn_of_everything(path: &Path) {
    eprintln!(
        "warning: the policy in {} allows iot:* on *: whoever holds this device can connect as any device, read and \
         write every topic and shadow, and take part in every job; without --policy-file it gets only its own topics",
        path.display()
    );
}
