//! What `up` prints.

use std::io::{self, Write};

use aws_iot_provision::{Applied, Device, Plan, Step};
use device_identity::DeviceConfig;
use se050_device::KeyAndCertificate;
use se050_key::Selector;
use serde_json::{Value, json};

use super::config_file::{Change, ConfigFile};
use crate::account::{Account, steps_json};
use crate::json;
use crate::shell::quoted;

/// The chip in words.
pub(super) struct Chip {
    key: String,
    kind: String,
    subject: String,
}

impl Chip {
    pub(super) fn of(key: &Selector, pair: &KeyAndCertificate) -> Self {
        Self {
            key: key.as_str().to_owned(),
            kind: pair.certificate.public_key().kind().to_string(),
            subject: pair.certificate.subject().to_owned(),
        }
    }
}

pub(super) struct Report<'a, W> {
    as_json: bool,
    account: &'a Account,
    device: &'a Device,
    config: &'a DeviceConfig,
    out: &'a mut W,
}

impl<'a, W: Write> Report<'a, W> {
    pub(super) fn new(
        as_json: bool,
        account: &'a Account,
        device: &'a Device,
        config: &'a DeviceConfig,
        out: &'a mut W,
    ) -> Self {
        Self { as_json, account, device, config, out }
    }

    pub(super) fn begin(&mut self, chip: &Chip) -> io::Result<()> {
        if self.as_json {
            return Ok(());
        }
        self.account.print(self.out)?;
        let id = self.device.certificate.fingerprint();
        writeln!(self.out, "  chip key {} ({}), certificate {id} ({})", chip.key, chip.kind, chip.subject)?;
        self.out.flush()
    }

    pub(super) fn step(&mut self, step: &Step) -> io::Result<()> {
        if self.as_json {
            return Ok(());
        }
        writeln!(self.out, "{step}")?;
        self.out.flush()
    }

    pub(super) fn configuration(&mut self, file: &ConfigFile, change: Change) -> io::Result<()> {
        if self.as_json {
            return Ok(());
        }
        let unchanged = if change == Change::Unchanged { ": unchanged" } else { "" };
        writeln!(self.out, "{} device configuration {}{unchanged}", change.sign(), file.path().display())?;
        self.out.flush()
    }

    pub(super) fn plan(&mut self, plan: &Plan, file: &ConfigFile, change: Change) -> io::Result<()> {
        let changes = plan.steps.iter().filter(|step| step.is_change()).count()
            + usize::from(change != Change::Unchanged);
        if self.as_json {
            let id = self.device.certificate.fingerprint();
            let object = self.object(&plan.steps, &plan.warnings, file, change, &id, false);
            return json::print(self.out, &self.account.json(object));
        }
        for step in &plan.steps {
            self.step(step)?;
        }
        self.configuration(file, change)?;
        let DeviceConfig { endpoint, port, client_id, topic_prefix, .. } = self.config;
        writeln!(
            self.out,
            "  one message to {topic_prefix}/{} and back, as {client_id} at {endpoint} port {port}",
            super::TOPIC
        )?;
        if let Some(whose) = file.is_of_another(self.config) {
            writeln!(
                self.out,
                "{} {whose}: `up` asks before it replaces it; --yes does it without asking",
                file.path().display()
            )?;
        }
        match changes {
            0 => writeln!(self.out, "nothing to change"),
            count => writeln!(self.out, "{count} to change; nothing was changed"),
        }?;
        self.out.flush()
    }

    pub(super) fn end(
        &mut self,
        applied: &Applied,
        file: &ConfigFile,
        change: Change,
        topic: &str,
    ) -> io::Result<()> {
        if self.as_json {
            let id = applied.certificate_id.as_ref().map_or("", |id| id.as_str());
            let object = self.object(&applied.steps, &applied.plan.warnings, file, change, id, true);
            return json::print(self.out, &self.account.json(object));
        }
        let DeviceConfig { endpoint, port, client_id, thing, .. } = self.config;
        writeln!(self.out, "  connected to {endpoint} port {port} as {client_id}, with the key in the chip")?;
        writeln!(self.out, "  message to {topic}: sent and received")?;
        writeln!(self.out)?;
        let changed = applied.steps.iter().any(Step::is_change) || change != Change::Unchanged;
        if !changed {
            writeln!(self.out, "Nothing was changed: everything was there as it should be.")?;
        }
        writeln!(self.out, "{thing} is on AWS IoT Core. Next:")?;
        let path = file.path().display().to_string();
        let config = quoted(&path);
        writeln!(self.out, "  pubsub --config {config}")?;
        writeln!(self.out, "  se050-iot doctor --config {config}")?;
        writeln!(
            self.out,
            "The device needs no AWS credentials: remove yours from this machine when you are done."
        )?;
        self.out.flush()
    }

    fn object(
        &self,
        steps: &[Step],
        warnings: &[String],
        file: &ConfigFile,
        change: Change,
        certificate_id: &str,
        received: bool,
    ) -> Value {
        let DeviceConfig { endpoint, port, client_id, topic_prefix, thing, key, .. } = self.config;
        let changes = change != Change::Unchanged || steps.iter().any(Step::is_change);
        json!({
            "thingName": thing,
            "certificateId": certificate_id,
            "keyLabel": key.label,
            "policyName": self.device.settings.policy.as_str(),
            "endpoint": endpoint,
            "port": port,
            "clientId": client_id,
            "topic": format!("{topic_prefix}/{}", super::TOPIC),
            "changes": changes,
            "steps": steps_json(steps),
            "warnings": warnings,
            "configuration": { "file": file.path().display().to_string(), "outcome": change.name() },
            "messageReceived": received,
        })
    }
}
