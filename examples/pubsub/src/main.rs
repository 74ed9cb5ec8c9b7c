//! From the chip to the cloud on one screen: opens the key in the SE050, connects to AWS IoT Core with it (mutual TLS, every
//! signature made in the chip), subscribes to a topic, publishes to it at QoS 1, receives what it published, disconnects.
//!
//! Needs a device that is registered (`se050-iot provision`) and NXP's PKCS#11 module, or any other token's.

mod args;
mod target;

use std::collections::HashSet;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use args::Args;
use aws_iot_mqtt::{Client, DisconnectReason, QoS};
use rustls_se050::{ClientConfigBuilder, ClientIdentity, exit_status, roots_from_pem_file};
use se050_key::{Certificate, Pin, Token};
use target::Target;

/// How long the own messages may take to come back.
const RETURN: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let args = Args::from_command_line();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(args.verbosity.level()).init();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:?}");
            // 75 when only a new process can open the chip again: for the supervisor.
            ExitCode::from(exit_status(error.as_ref()))
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    // NXP's module prints its log to standard output; ours shall be readable.
    let out = se050_key::stdout::set_aside()?;
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(pubsub(args, out))
}

async fn pubsub(args: &Args, mut out: impl Write) -> anyhow::Result<()> {
    let target = Target::of(args)?;
    let mut token = Token::builder(&target.pkcs11_lib);
    if let Some(label) = &args.token_label {
        token = token.token_label(label.as_str());
    }
    if let Some(pin) = Pin::find(args.pin_file.as_deref())? {
        token = token.pin(pin);
    }
    let token = token.open()?;
    let certificate = match (&args.cert, &target.certificate) {
        (Some(path), _) => Certificate::from_file(path)?,
        (None, Some(selector)) => token.certificate(selector)?,
        (None, None) => token.certificate_of_key(&target.key)?,
    };
    let key = token.key_of(&target.key, &certificate)?;
    let identity = ClientIdentity::new(key, &certificate)?;
    let roots = match &target.ca_file {
        Some(path) => roots_from_pem_file(path)?,
        None => aws_iot_mqtt::roots::amazon(),
    };
    let tls = ClientConfigBuilder::new(&identity, roots).tls_versions(args.tls_version.into()).build()?;

    let client_id = target.client_id.unwrap_or_else(|| format!("se050-{:.16}", certificate.fingerprint()));
    let topic = target.topic.unwrap_or_else(|| format!("{client_id}/pubsub"));
    let builder = Client::builder(&target.endpoint, &client_id, Arc::new(tls)).port(target.port);
    let connected = builder.connect().await;
    let client = connected.map_err(|error| match identity.explain(&error) {
        Some(explanation) => anyhow::Error::new(error).context(explanation),
        None => error.into(),
    })?;
    writeln!(out, "connected to {} port {} as {client_id}", target.endpoint, target.port)?;
    let mut messages = client.subscribe(&topic, QoS::AtLeastOnce).await?;
    writeln!(out, "subscribed to {topic}")?;
    // QoS 1 delivers at least once, and others may publish to the topic too: only what is ours counts, and once.
    let mut awaited = HashSet::new();
    for number in 1..=args.count {
        let text = format!("{} [{number}]", args.message);
        client.publish(&topic, QoS::AtLeastOnce, text.clone()).await?;
        writeln!(out, "published {text:?}: acknowledged")?;
        awaited.insert(text.into_bytes());
    }
    while !awaited.is_empty() {
        let message = tokio::time::timeout(RETURN, messages.next()).await.with_context(|| {
            let seconds = RETURN.as_secs();
            format!("a message did not come back within {seconds} s: does the policy allow iot:Receive on {topic}?")
        })?;
        let message = message.context("the connection ended before all messages were back")?;
        if awaited.remove(message.payload.as_ref()) {
            writeln!(out, "received {:?}", String::from_utf8_lossy(&message.payload))?;
        }
    }
    client.disconnect(DisconnectReason::Normal).await?;
    writeln!(out, "sent {0}, received {0}", args.count)?;
    Ok(())
}
