//! `se050-iot objects`: the keys and certificates that NXP put into the chip, and which of them are there.

use std::io::Write;

use anyhow::Context as _;
use clap::Args;
use se050_device::TokenArgs;
use se050_key::{ByteOrder, Error, FactoryKey, ObjectId, Selector, Token};
use serde_json::{Value, json};

use crate::json;

/// What `se050-iot objects` is told.
#[derive(Args)]
pub(crate) struct ObjectsArgs {
    #[command(flatten)]
    token: TokenArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// An object as it is listed.
struct Object {
    name: String,
    id: ObjectId,
    label: String,
    state: State,
}

enum State {
    Key {
        kind: String,
    },
    Certificate {
        kind: String,
        bytes: usize,
        subject: String,
        not_after: String,
    },
    /// It is there, and cannot be used.
    Unusable {
        reason: String,
    },
    Absent,
}

pub(crate) fn run(args: &ObjectsArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let token = args.token.token(&[])?;
    let info = token.info();
    let Some(order) = info.label_byte_order() else {
        anyhow::bail!(
            "the token {:?} is no SE050, so it has no factory objects: pkcs11-tool --list-objects lists what it has",
            info.label
        );
    };
    let mut objects = Vec::new();
    for factory_key in FactoryKey::ALL {
        objects.push(key(&token, factory_key, order)?);
        objects.push(certificate(&token, factory_key, order)?);
    }
    let written = if args.json {
        let objects: Vec<Value> = objects.iter().map(Object::to_json).collect();
        json::print(out, &json!({ "objects": objects }))
    } else {
        objects.iter().try_for_each(|object| writeln!(out, "{}", object.line()))
    };
    written.context("cannot write to standard output")
}

fn key(token: &Token, factory_key: &FactoryKey, order: ByteOrder) -> Result<Object, Error> {
    let id = factory_key.key;
    let found = token.key(&Selector::from(id), None);
    let state = state(found, |key| State::Key { kind: key.public_key().kind().to_string() })?;
    Ok(Object { name: factory_key.name.to_owned(), id, label: id.label(order), state })
}

fn certificate(token: &Token, factory_key: &FactoryKey, order: ByteOrder) -> Result<Object, Error> {
    let id = factory_key.certificate;
    let found = token.certificate(&Selector::from(id));
    let state = state(found, |certificate| State::Certificate {
        kind: certificate.public_key().kind().to_string(),
        bytes: certificate.as_der().len(),
        subject: certificate.subject().to_owned(),
        not_after: certificate.not_after().to_string(),
    })?;
    Ok(Object { name: format!("{}-cert", factory_key.name), id, label: id.label(order), state })
}

/// An object that is missing or unusable is listed as such; a chip that fails is an error.
fn state<T>(found: Result<T, Error>, of: impl FnOnce(T) -> State) -> Result<State, Error> {
    match found {
        Ok(found) => Ok(of(found)),
        Err(Error::NotFound { .. }) => Ok(State::Absent),
        Err(error @ (Error::UnsupportedKey { .. } | Error::NotACertificate { .. })) => {
            Ok(State::Unusable { reason: error.to_string() })
        }
        Err(error) => Err(error),
    }
}

impl Object {
    fn line(&self) -> String {
        let state = match &self.state {
            State::Key { kind } => format!("{kind} key pair"),
            State::Certificate { kind, bytes, subject, not_after } => {
                format!("certificate for {kind}, {bytes} bytes, {subject}, valid until {not_after}")
            }
            State::Unusable { reason } => format!("unusable: {reason}"),
            State::Absent => "not present".to_owned(),
        };
        format!("{:31} {}  {}  {state}", self.name, self.id, self.label)
    }

    fn to_json(&self) -> Value {
        let (kind, bytes, subject, not_after, reason) = match &self.state {
            State::Key { kind } => (Some(kind), None, None, None, None),
            State::Certificate { kind, bytes, subject, not_after } => {
                (Some(kind), Some(*bytes), Some(subject), Some(not_after), None)
            }
            State::Unusable { reason } => (None, None, None, None, Some(reason)),
            State::Absent => (None, None, None, None, None),
        };
        json!({
            "name": self.name,
            "id": self.id.to_string(),
            "label": self.label,
            "present": !matches!(self.state, State::Absent),
            "type": if self.name.ends_with("-cert") { "certificate" } else { "key" },
            "kind": kind,
            "bytes": bytes,
            "subject": subject,
            "notAfter": not_after,
            "unusable": reason,
        })
    }
}
