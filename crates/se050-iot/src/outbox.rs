//! `se050-iot outbox`: the messages that a program keeps on its disk until the server has them.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use aws_iot_mqtt::durable::{self, SetAsideContent, Status, StoredMessage};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, Subcommand};
use der::DateTime;
use serde_json::{Value, json};

use crate::json;
use crate::terminal::say;

/// Most characters of a payload in a line.
const PREVIEW: usize = 60;

#[derive(Subcommand)]
pub(crate) enum OutboxCommand {
    /// Shows how many messages wait, since when, what became of the others, and what was written to the disk
    Status(StatusArgs),
    /// Lists the messages that wait, the oldest first
    Show(ShowArgs),
    /// Writes the messages that wait as JSON, one on each line; they stay where they are
    Export(ExportArgs),
    /// Removes all messages; they are lost
    Clear(ClearArgs),
}

#[derive(Args)]
pub(crate) struct StoreArgs {
    /// The directory that the program was given, as with `telemetry --durable DIR`
    #[arg(value_name = "DIR", required_unless_present = "durable")]
    directory: Option<PathBuf>,
    /// The same
    #[arg(long, value_name = "DIR", conflicts_with = "directory", hide = true)]
    durable: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Print JSON, one object on each line
    #[arg(long)]
    json: bool,
    /// List what was set aside instead: messages that the server refused, and damaged records
    #[arg(long)]
    set_aside: bool,
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Export what was set aside instead
    #[arg(long)]
    set_aside: bool,
    /// Write to this file instead of standard output, which is `-`
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ClearArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Remove only what was set aside
    #[arg(long)]
    set_aside: bool,
    /// Remove messages although the server does not have them
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(command: OutboxCommand, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        OutboxCommand::Status(args) => status(&args, out),
        OutboxCommand::Show(args) => show(&args, out),
        OutboxCommand::Export(args) => export(&args, out),
        OutboxCommand::Clear(args) => clear(&args, out),
    }
}

fn status(args: &StatusArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let status = durable::status(&args.store.directory())?;
    let totals = status.totals;
    let written = if args.json {
        let object = json!({
            "directory": args.store.directory().display().to_string(),
            "owner": status.owner,
            "messages": status.messages,
            "payloadBytes": status.payload_bytes,
            "oldest": status.oldest.map(shown),
            "setAside": status.set_aside,
            "damaged": status.damaged,
            "fileBytes": status.file_bytes,
            "totals": {
                "accepted": totals.accepted,
                "acknowledged": totals.acknowledged,
                "expired": totals.expired,
                "dropped": totals.dropped,
                "setAside": totals.set_aside,
                "damaged": totals.damaged,
                "payloadBytes": totals.payload_bytes,
                "writtenBytes": totals.written_bytes,
            },
        });
        json::print(out, &object)
    } else {
        lines(&status).iter().try_for_each(|(name, text)| writeln!(out, "{name:<13} {text}"))
    };
    written.context("cannot write to standard output")
}

fn lines(status: &Status) -> Vec<(&'static str, String)> {
    let totals = status.totals;
    let oldest = status.oldest.map_or(String::new(), |oldest| {
        let age = SystemTime::now().duration_since(oldest).unwrap_or_default();
        format!(", the oldest since {} ({} s)", shown(oldest), age.as_secs())
    });
    let factor = totals.written_bytes as f64 / totals.payload_bytes.max(1) as f64;
    let mut lines = vec![
        ("in use by", status.owner.clone().unwrap_or_else(|| "nobody".to_owned())),
        (
            "waiting",
            format!("{} messages, {} bytes of payload{oldest}", status.messages, status.payload_bytes),
        ),
        ("set aside", format!("{} (se050-iot outbox show --set-aside)", status.set_aside)),
        (
            "so far",
            format!(
                "accepted {}, acknowledged {}, expired {}, dropped {}, set aside {}",
                totals.accepted, totals.acknowledged, totals.expired, totals.dropped, totals.set_aside
            ),
        ),
        (
            "written",
            format!(
                "{} bytes for {} bytes of payload ({factor:.1} times as much); the file system adds whole blocks and its \
                 journal",
                totals.written_bytes, totals.payload_bytes
            ),
        ),
        ("files", format!("{} bytes", status.file_bytes)),
    ];
    if status.damaged > 0 {
        lines.push((
            "damaged",
            format!("{} places, which the program sets aside when it comes to them", status.damaged),
        ));
    }
    lines
}

fn show(args: &ShowArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let directory = args.store.directory();
    let written = if args.set_aside {
        let items = durable::set_aside(&directory)?;
        items.iter().try_for_each(|item| {
            if args.json {
                return writeln!(out, "{}", set_aside_json(item));
            }
            let what = match &item.what {
                SetAsideContent::Message(message) => line(message),
                SetAsideContent::Bytes { segment, offset, bytes } => {
                    format!("{} bytes of file {segment:016x} from {offset} on", bytes.len())
                }
                _ => String::new(),
            };
            writeln!(out, "{what}\n    set aside {}: {}", shown(item.at), item.reason)
        })
    } else {
        durable::messages(&directory)?.try_for_each(|message| match args.json {
            true => writeln!(out, "{}", message_json(&message)),
            false => writeln!(out, "{}", line(&message)),
        })
    };
    written.and_then(|()| out.flush()).context("cannot write to standard output")
}

fn export(args: &ExportArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let directory = args.store.directory();
    let mut text = String::new();
    let mut push = |value: Value| text.push_str(&format!("{value}\n"));
    if args.set_aside {
        durable::set_aside(&directory)?.iter().map(set_aside_json).for_each(&mut push);
    } else {
        durable::messages(&directory)?.map(|message| message_json(&message)).for_each(&mut push);
    }
    let count = text.lines().count();
    match args.output.as_ref().filter(|file| file.as_os_str() != "-") {
        Some(file) => {
            crate::files::write(file, text.as_bytes())?;
            say!("{count} messages written to {}", file.display());
            Ok(())
        }
        None => out
            .write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .context("cannot write to standard output"),
    }
}

fn clear(args: &ClearArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let directory = args.store.directory();
    let status = durable::status(&directory)?;
    let (count, what) = match args.set_aside {
        true => (status.set_aside, "messages and records that were set aside"),
        false => (status.messages + status.set_aside, "messages, those that were set aside among them,"),
    };
    anyhow::ensure!(
        args.yes || count == 0,
        "nothing was removed: {count} {what} would be lost; `se050-iot outbox export` saves them, and `--yes` removes them"
    );
    durable::clear(&directory, args.set_aside)?;
    writeln!(out, "{count} {what} removed").context("cannot write to standard output")
}

impl StoreArgs {
    fn directory(&self) -> PathBuf {
        self.directory.clone().or_else(|| self.durable.clone()).unwrap_or_default()
    }
}

fn line(message: &StoredMessage) -> String {
    let preview = match std::str::from_utf8(&message.payload) {
        Ok(text) if text.chars().count() > PREVIEW => {
            format!("{}...", text.chars().take(PREVIEW).collect::<String>())
        }
        Ok(text) => text.to_owned(),
        Err(_) => "(not text)".to_owned(),
    };
    // On one line, whatever is in it.
    let preview = preview.replace(['\n', '\r', '\t'], " ");
    let StoredMessage { key, topic, payload, accepted, .. } = message;
    format!("{key}  {}  {topic}  {} bytes  {preview}", shown(*accepted), payload.len())
}

fn message_json(message: &StoredMessage) -> Value {
    let mut object = json!({
        "key": message.key,
        "topic": message.topic.as_str(),
        "qos": 1,
        "retain": message.retain,
        "accepted": shown(message.accepted),
        "expires": message.expires.map(shown),
    });
    let (name, payload) = match std::str::from_utf8(&message.payload) {
        Ok(text) => ("payload", text.to_owned()),
        Err(_) => ("payloadBase64", BASE64_STANDARD.encode(&message.payload)),
    };
    object[name] = payload.into();
    if let Some(properties) = &message.properties {
        object["contentType"] = properties.content_type.clone().into();
        object["responseTopic"] = properties.response_topic.as_ref().map(|topic| topic.as_str()).into();
        object["correlationDataBase64"] =
            properties.correlation_data.as_ref().map(|data| BASE64_STANDARD.encode(data)).into();
        object["userProperties"] = json!(properties.user_properties);
    }
    object
}

fn set_aside_json(item: &durable::SetAsideItem) -> Value {
    let mut object = match &item.what {
        SetAsideContent::Message(message) => message_json(message),
        SetAsideContent::Bytes { segment, offset, bytes } => json!({
            "file": format!("{segment:016x}"),
            "offset": offset,
            "bytesBase64": BASE64_STANDARD.encode(bytes),
        }),
        _ => json!({}),
    };
    object["setAside"] = shown(item.at).into();
    object["reason"] = item.reason.clone().into();
    object
}

/// As RFC 3339 writes it.
fn shown(time: SystemTime) -> String {
    // The type knows whole seconds alone, and the years 1970 to 9999.
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    DateTime::from_unix_duration(Duration::from_secs(seconds)).map_or("?".to_owned(), |time| time.to_string())
}
