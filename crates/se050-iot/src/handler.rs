//! A program that does what AWS IoT asks for. It is started without a shell; what is to be done is on its standard input, never in its
//! arguments, which every process of the machine can read.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio::{join, select};

use crate::terminal::say;

/// EX_DATAERR of sysexits.h: with this status the handler says that the request is none for this device.
const REJECTED: i32 = 65;
/// How long a handler that was told to end (SIGTERM) may take.
const ENDING: Duration = Duration::from_secs(10);
/// How long the rest of its output is read once the handler has ended: a process that it has left behind may hold the pipes open
/// for as long as it lives.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Longest line of a handler's output that is kept together, in bytes: what AWS IoT takes for a value.
const LINE_BYTES: u64 = 1024;

/// For the help of `jobs run` and `commands run`.
pub(crate) const AFTER_HELP: &str = "\
The handler is started without a shell, and without arguments. It finds the document on its standard input. With its exit status it says
how it went: 0 done; 65 none for this device (REJECTED); anything else failed (FAILED), with the last line of its standard error as
the reason. Lines NAME=VALUE on its standard output are reported to AWS IoT. When this program is told to end, so is the handler, by
SIGTERM.";

#[derive(Debug, Clone)]
pub(crate) struct Handler {
    program: PathBuf,
    timeout: Option<Duration>,
}

/// How a handler has ended.
#[derive(Debug)]
pub(crate) enum End {
    Done,
    /// The request is none for this device.
    Rejected(String),
    /// A code as AWS IoT commands take it, and a description.
    Failed(&'static str, String),
}

impl Handler {
    /// A program that can be started. Its name is looked up in PATH where it has no slash.
    pub(crate) fn new(program: &Path, timeout: Option<Duration>) -> anyhow::Result<Self> {
        let is_path = program.as_os_str().as_encoded_bytes().contains(&b'/');
        let found = is_path.then(|| std::fs::metadata(program)).transpose();
        found.with_context(|| format!("cannot use the handler {}", program.display()))?;
        Ok(Self { program: program.to_owned(), timeout })
    }

    pub(crate) fn with_timeout(&self, timeout: Option<Duration>) -> Self {
        Self { timeout: self.timeout.or(timeout), ..self.clone() }
    }

    /// Runs it to its end. Lines `NAME=VALUE` of its standard output go to `values`. A future that is dropped ends the handler.
    pub(crate) async fn run(
        self,
        document: Vec<u8>,
        environment: Vec<(&'static str, String)>,
        values: mpsc::Sender<(String, String)>,
    ) -> End {
        let mut command = Command::new(&self.program);
        command.envs(environment).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C in the terminal is for this program, which ends the handler in order.
        command.process_group(0);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let reason = format!("cannot start the handler {}: {error}", self.program.display());
                return End::Failed("HANDLER_NOT_STARTED", reason);
            }
        };
        let mut child = Running(child);
        let (stdin, stdout, stderr) = (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take());
        let feed = async move {
            if let Some(mut stdin) = stdin {
                // A handler need not read it.
                let _ = stdin.write_all(&document).await;
            }
        };
        let read = async move {
            let Some(stdout) = stdout else { return };
            let mut lines = BufReader::new(stdout);
            while let Some(line) = next_line(&mut lines).await {
                match line.split_once('=') {
                    // Nobody listens any more only when this future is about to be dropped.
                    Some((name, value)) => {
                        drop(values.send((name.trim().to_owned(), value.trim().to_owned())).await)
                    }
                    None => say!("handler: {line}"),
                }
            }
        };
        let mut last = String::new();
        let listen = async {
            let Some(stderr) = stderr else { return };
            let mut lines = BufReader::new(stderr);
            while let Some(line) = next_line(&mut lines).await {
                say!("handler: {line}");
                last = line;
            }
        };
        let ended = {
            let mut talk = pin!(async { join!(feed, read, listen) });
            let mut has_said_all = false;
            let exit = async {
                select! {
                    _ = &mut talk => {
                        has_said_all = true;
                        child.0.wait().await
                    }
                    status = child.0.wait() => status,
                }
            };
            let ended = match self.timeout {
                None => Some(exit.await),
                Some(limit) => timeout(limit, exit).await.ok(),
            };
            if ended.is_some() && !has_said_all {
                let _ = timeout(LAST_WORDS, talk).await;
            }
            ended
        };
        match ended {
            Some(Ok(status)) => judge(status, last),
            Some(Err(error)) => End::Failed("HANDLER_LOST", format!("cannot wait for the handler: {error}")),
            None => {
                child.end().await;
                let limit = self.timeout.unwrap_or_default();
                let reason = format!("the handler took longer than {} s", limit.as_secs());
                End::Failed("HANDLER_TIMED_OUT", reason)
            }
        }
    }
}

fn judge(status: ExitStatus, last: String) -> End {
    let reason = |otherwise: String| if last.trim().is_empty() { otherwise } else { last.trim().to_owned() };
    match (status.code(), status.signal()) {
        (Some(0), _) => End::Done,
        (Some(REJECTED), _) => {
            End::Rejected(reason("the handler does not take it (exit status 65)".to_owned()))
        }
        (Some(code), _) => {
            End::Failed("HANDLER_FAILED", reason(format!("the handler's exit status is {code}")))
        }
        (None, Some(signal)) => End::Failed(
            "HANDLER_CRASHED",
            format!("the handler was ended by signal {signal}: {}", reason(String::new())),
        ),
        (None, None) => End::Failed("HANDLER_CRASHED", "the handler has ended without a status".to_owned()),
    }
}

/// A handler and the processes that it has started. They are told to end when this is dropped.
struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) {
        // It has no id any more once it was waited for.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // An error means that it has ended.
            let _ = kill_process_group(id, signal);
        }
    }

    async fn end(&mut self) {
        self.signal(Signal::TERM);
        if timeout(ENDING, self.0.wait()).await.is_err() {
            self.signal(Signal::KILL);
            // An error means that it was waited for.
            let _ = self.0.wait().await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

/// The next line; longer ones come in pieces.
async fn next_line(reader: &mut BufReader<impl AsyncRead + Unpin>) -> Option<String> {
    let mut line = Vec::new();
    let count = reader.take(LINE_BYTES).read_until(b'\n', &mut line).await.ok()?;
    (count > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
}
