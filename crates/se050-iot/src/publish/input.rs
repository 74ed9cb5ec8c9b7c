//! What is to be published: one message, or the lines of standard input.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Stdin};
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_iot_mqtt::bytes::Bytes;
use tokio::sync::mpsc;

use super::PubArgs;

/// The most that is read for a message, in bytes: AWS IoT Core takes 128 KiB, and a file may have no end.
const LARGEST: u64 = 1024 * 1024;

/// Where the messages come from.
pub(super) enum Input {
    /// One message, so many times, with a pause between two.
    Message { payload: Bytes, repeat: u64, delay: Duration },
    /// The lines of standard input.
    Lines,
}

/// A message, and its number among all, from 1 on.
pub(super) struct Item {
    pub(super) number: u64,
    /// An error where it could not be read.
    pub(super) payload: anyhow::Result<Bytes>,
}

impl Input {
    pub(super) fn of(args: &PubArgs) -> anyhow::Result<Self> {
        let payload = match (&args.message, &args.file) {
            (Some(message), _) => message.clone().into(),
            (None, Some(file)) => {
                let opened = File::open(file);
                opened
                    .map_err(Into::into)
                    .and_then(whole)
                    .with_context(|| format!("cannot read {}", file.display()))?
            }
            _ if args.stdin_line => return Ok(Self::Lines),
            _ if args.stdin_file => whole(io::stdin()).context("cannot read standard input")?,
            _ => Bytes::new(),
        };
        Ok(Self::Message { payload, repeat: args.repeat, delay: args.repeat_delay })
    }

    /// What the messages are called.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Message { .. } => "message",
            Self::Lines => "line",
        }
    }

    /// The messages, as they come. No more than one is read ahead.
    pub(super) fn start(self) -> io::Result<mpsc::Receiver<Item>> {
        let (sender, items) = mpsc::channel(1);
        match self {
            Self::Message { payload, repeat, delay } => {
                tokio::spawn(async move {
                    for number in 1..=repeat {
                        if number > 1 {
                            tokio::time::sleep(delay).await;
                        }
                        let item = Item { number, payload: Ok(payload.clone()) };
                        if sender.send(item).await.is_err() {
                            return;
                        }
                    }
                });
            }
            Self::Lines => {
                // Reading standard input cannot be called back: the thread ends with the process.
                std::thread::Builder::new().name("stdin".to_owned()).spawn(move || read_lines(&sender))?;
            }
        }
        Ok(items)
    }
}

fn whole(source: impl Read) -> anyhow::Result<Bytes> {
    let mut content = Vec::new();
    source.take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        bail!("it has more than {LARGEST} bytes, and AWS IoT Core takes messages of 131072");
    }
    Ok(content.into())
}

fn read_lines(sender: &mpsc::Sender<Item>) {
    let mut input = BufReader::new(io::stdin());
    let mut number = 0;
    loop {
        let payload = read_line(&mut input);
        number += 1;
        let item = match payload {
            Ok(None) => return,
            Ok(Some(line)) if line.is_empty() => continue,
            Ok(Some(line)) => Item { number, payload: Ok(line) },
            Err(error) => Item { number, payload: Err(error) },
        };
        let is_broken = item.payload.as_ref().is_err_and(|error| error.is::<io::Error>());
        if sender.blocking_send(item).is_err() || is_broken {
            return;
        }
    }
}

/// A line without its end; `None` at the end of the input.
fn read_line(input: &mut BufReader<Stdin>) -> anyhow::Result<Option<Bytes>> {
    let mut line = Vec::new();
    input.by_ref().take(LARGEST).read_until(b'\n', &mut line).context("cannot read standard input")?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == LARGEST {
        input.skip_until(b'\n')?;
        bail!("it has {LARGEST} bytes or more, and AWS IoT Core takes messages of 131072");
    }
    Ok(Some(line.into()))
}
