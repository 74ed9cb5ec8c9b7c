//! An account of ministack, and devices in it.

use std::path::Path;
use std::process::Command;

use aws_iot_mqtt::Builder;
use serde_json::Value;
use test_peers::{AwsCli, Issued, Ministack, Pki, aws_cli, output_of};

use super::{client, tls};

/// What `se050-iot policy device --shadow --jobs` grants.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}"},
{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":[
"arn:aws:iot:*:*:topic/$aws/things/${iot:Connection.Thing.ThingName}/shadow/*",
"arn:aws:iot:*:*:topic/$aws/things/${iot:Connection.Thing.ThingName}/jobs/*"]},
{"Effect":"Allow","Action":"iot:Subscribe","Resource":[
"arn:aws:iot:*:*:topicfilter/$aws/things/${iot:Connection.Thing.ThingName}/shadow/*",
"arn:aws:iot:*:*:topicfilter/$aws/things/${iot:Connection.Thing.ThingName}/jobs/*"]}]}"#;

pub(crate) struct Account {
    pub(crate) ministack: Ministack,
    cli: AwsCli,
    pki: Pki,
    policy: String,
}

impl Account {
    /// With the policy of the services; `None` where ministack or the AWS CLI is missing.
    pub(crate) fn new() -> Option<Self> {
        Self::with_policy(POLICY)
    }

    pub(crate) fn with_policy(policy: &str) -> Option<Self> {
        let ministack = Ministack::start()?;
        let cli = aws_cli(ministack.environment())?;
        Some(Self { ministack, cli, pki: Pki::new(), policy: policy.to_owned() })
    }

    /// `aws ARGUMENTS`, and its answer.
    pub(crate) fn aws(&self, arguments: &[&str]) -> Value {
        let output = output_of(&mut self.cli.command(arguments));
        if output.trim_ascii().is_empty() { Value::Null } else { serde_json::from_slice(&output).unwrap() }
    }

    /// `aws ARGUMENTS`, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.cli.command(arguments)
    }

    /// A thing of that name, with a certificate that has the policy.
    pub(crate) fn device(&self, thing: &str) -> Issued {
        let device = self.pki.client(thing);
        self.ministack.register(thing, &device.certificate_pem, &self.policy).unwrap();
        device
    }

    /// A client of that device.
    pub(crate) fn client(&self, thing: &str, device: &Issued) -> Builder {
        let ca = std::fs::read_to_string(self.ministack.ca_file()).unwrap();
        client(self.ministack.mqtt_port(), thing, tls(device, &ca))
    }

    /// As [`awsiotsdk`], against ministack.
    pub(crate) fn awsiotsdk(
        &self,
        thing: &str,
        device: &Issued,
        script: &str,
        arguments: &[&str],
    ) -> Option<Value> {
        awsiotsdk((self.ministack.mqtt_port(), &self.ministack.ca_file()), thing, device, script, arguments)
    }
}

/// `SCRIPT ENDPOINT-PORT CA CERTIFICATE KEY THING ARGUMENTS`, in Python with AWS's device SDK; its answer. `None` where it is missing.
pub(crate) fn awsiotsdk(
    (port, ca_file): (u16, &Path),
    thing: &str,
    device: &Issued,
    script: &str,
    arguments: &[&str],
) -> Option<Value> {
    let mut python = test_peers::python("awsiot")?;
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let prelude = include_str!("awsiotsdk.py");
    python.arg(file("script.py", &format!("{prelude}\n{script}")));
    python.arg(port.to_string()).arg(ca_file);
    python.arg(file("certificate.pem", &device.certificate_pem)).arg(file("key.pem", &device.key_pem));
    let command: &mut Command = python.arg(thing).args(arguments);
    Some(serde_json::from_slice(&output_of(command)).unwrap())
}
