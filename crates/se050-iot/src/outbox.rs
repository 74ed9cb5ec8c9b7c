//! `se050-iot outbox`: the messages that a program keeps on its disk until the server has them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use aws_iot_mqtt::PayloadFormat;
use aws_iot_mqtt::durable::{self, SetAsideContent, Status, StoredMessage};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, Subcommand};
use der::DateTime;
use serde_json::{Map, Value, json};

use crate::terminal::say;
use crate::{files, json};

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
            "volatile": status.volatile,
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
    if let Some(why) = status.volatile {
        lines.push(("not durable", why.to_owned()));
    }
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
                return writeln!(out, "{}", Value::Object(set_aside_json(item)));
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
            true => writeln!(out, "{}", Value::Object(message_json(&message))),
            false => writeln!(out, "{}", line(&message)),
        })
    };
    written.and_then(|()| out.flush()).context("cannot write to standard output")
}

fn export(args: &ExportArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let Some(file) = args.output.as_ref().filter(|file| file.as_os_str() != "-") else {
        write_all(args, out)?.context("cannot write to standard output")?;
        return Ok(());
    };
    // Under its name only when it is whole.
    let partial = files::with_ending(file, "partial");
    let cannot = || format!("cannot write {}", file.display());
    let mut writer = BufWriter::new(File::create(&partial).with_context(cannot)?);
    let written = write_all(args, &mut writer).and_then(|written| {
        let count = written.and_then(|count| writer.get_ref().sync_all().map(|()| count));
        let count = count.and_then(|count| std::fs::rename(&partial, file).map(|()| count));
        count.with_context(cannot)
    });
    if written.is_err() {
        // The error to tell is the one before.
        let _ = std::fs::remove_file(&partial);
    }
    say!("{} messages written to {}", written?, file.display());
    Ok(())
}

/// Writes one message after the other: the store may be larger than the memory.
fn write_all(args: &ExportArgs, out: &mut impl Write) -> anyhow::Result<std::io::Result<u64>> {
    let directory = args.store.directory();
    let mut count = 0;
    let mut write = |object| {
        count += 1;
        writeln!(out, "{}", Value::Object(object))
    };
    let written = if args.set_aside {
        durable::set_aside(&directory)?.iter().map(set_aside_json).try_for_each(&mut write)
    } else {
        durable::messages(&directory)?.map(|message| message_json(&message)).try_for_each(&mut write)
    };
    Ok(written.and_then(|()| out.flush()).map(|()| count))
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

fn message_json(message: &StoredMessage) -> Map<String, Value> {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    put("key", message.key.into());
    put("topic", message.topic.as_str().into());
    put("qos", 1.into());
    put("retain", message.retain.into());
    put("accepted", shown(message.accepted).into());
    put("expires", message.expires.map(shown).into());
    match std::str::from_utf8(&message.payload) {
        Ok(text) => put("payload", text.into()),
        Err(_) => put("payloadBase64", BASE64_STANDARD.encode(&message.payload).into()),
    }
    if let Some(properties) = &message.properties {
        let correlation_data = properties.correlation_data.as_ref().map(|data| BASE64_STANDARD.encode(data));
        let format = properties.payload_format.map(|format| match format {
            PayloadFormat::Bytes => "bytes",
            PayloadFormat::Utf8 => "utf8",
        });
        put("payloadFormat", format.into());
        let interval = properties.message_expiry_interval.map(|interval| interval.as_secs());
        put("messageExpiryIntervalSeconds", interval.into());
        put("contentType", properties.content_type.clone().into());
        put("responseTopic", properties.response_topic.as_ref().map(|topic| topic.as_str()).into());
        put("correlationDataBase64", correlation_data.into());
        put("userProperties", json!(properties.user_properties));
    }
    object
}

fn set_aside_json(item: &durable::SetAsideItem) -> Map<String, Value> {
    let mut object = match &item.what {
        SetAsideContent::Message(message) => message_json(message),
        SetAsideContent::Bytes { segment, offset, bytes } => Map::from_iter([
            ("file".to_owned(), format!("{segment:016x}").into()),
            ("offset".to_owned(), (*offset).into()),
            ("bytesBase64".to_owned(), BASE64_STANDARD.encode(bytes).into()),
        ]),
        _ => Map::new(),
    };
    object.insert("setAside".to_owned(), shown(item.at).into());
    object.insert("reason".to_owned(), item.reason.clone().into());
    object
}

/// As RFC 3339 writes it.
fn shown(time: SystemTime) -> String {
    // The type knows whole seconds alone, and the years 1970 to 9999.
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    DateTime::from_unix_duration(Duration::from_secs(seconds)).map_or("?".to_owned(), |time| time.to_string())
}
