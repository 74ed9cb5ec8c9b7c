//! The loop between the socket, the application and the session: all of the I/O, and none of the protocol.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep_until, timeout};
use tracing::debug;

use super::tls;
use crate::client::Outcome;
use crate::session::{Command, Session};
use crate::{Cause, Error};

/// How long `disconnect` waits for acknowledgements.
const DRAIN: Duration = Duration::from_secs(10);
/// How long the last bytes may take, and the server's last words.
const GOODBYE: Duration = Duration::from_secs(2);
/// Room for one read from the socket: as much as one TLS record carries (RFC 8446, section 5.1).
const READ: usize = 16 * 1024;
/// Most commands that are taken together, to go out with one write.
const BATCH: usize = 64;

pub(super) struct Driver<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    session: Session,
    received: BytesMut,
    commands: mpsc::Receiver<Command>,
    closing: Arc<Notify>,
    /// The server, as errors name it.
    server: String,
    /// Written, but maybe still in TLS's own buffer.
    flush: bool,
    /// Set when the session is to end: the time until which it waits for acknowledgements.
    draining: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite> Driver<S> {
    pub(super) fn new(
        stream: S,
        session: Session,
        received: BytesMut,
        commands: mpsc::Receiver<Command>,
        closing: Arc<Notify>,
        server: String,
    ) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader, writer, session, received, commands, closing, server, flush: false, draining: None }
    }

    /// Runs until the application or the server ends it.
    pub(super) async fn run(mut self) -> Outcome {
        let outcome = self.drive().await;
        match &outcome {
            Ok(()) | Err(Error::NotDrained { .. } | Error::Protocol { .. }) => {
                self.say_goodbye(&outcome).await
            }
            // Nobody is there any more to be told.
            Err(_) => {}
        }
        outcome
    }

    async fn drive(&mut self) -> Outcome {
        let room = Arc::clone(self.session.room_notice());
        let mut batch = Vec::with_capacity(BATCH);
        // What came together with CONNACK.
        self.session.received(&mut self.received, Instant::now())?;
        loop {
            if self.draining.is_some() && self.commands.is_empty() && self.session.unacknowledged() == 0 {
                return Ok(());
            }
            if self.received.capacity() - self.received.len() < READ / 4 {
                self.received.reserve(READ);
            }
            let wants_commands = self.session.room().min(BATCH);
            let writes = self.session.has_output() || self.flush;
            let deadline = self.session.deadline().into_iter().chain(self.draining).min();
            // Reading goes on whatever else waits: the acknowledgements that make room come this way.
            tokio::select! {
                read = self.reader.read_buf(&mut self.received) => self.read(read)?,
                written = write_some(&mut self.writer, self.session.out()), if writes => match written {
                    Ok(flushed) => {
                        self.flush = !flushed;
                        self.session.written(Instant::now());
                    }
                    Err(error) => return Err(self.last_words(error).await),
                },
                count = self.commands.recv_many(&mut batch, wants_commands), if self.takes(wants_commands) => {
                    if count == 0 {
                        self.drain();
                    }
                    batch.drain(..).for_each(|command| self.session.command(command));
                }
                () = room.notified() => self.session.room_in_queues(),
                () = self.closing.notified() => self.drain(),
                () = until(deadline) => self.timer(Instant::now())?,
            }
        }
    }

    /// After the last command was taken from a closed queue, `recv_many` would return at once, for ever.
    fn takes(&self, wants_commands: usize) -> bool {
        wants_commands > 0 && !(self.draining.is_some() && self.commands.is_empty())
    }

    fn read(&mut self, read: io::Result<usize>) -> Result<(), Error> {
        match read {
            Ok(0) => Err(self.lost(tls::hung_up())),
            Ok(_) => self.session.received(&mut self.received, Instant::now()),
            Err(error) => Err(self.lost(error)),
        }
    }

    fn timer(&mut self, now: Instant) -> Result<(), Error> {
        if self.draining.is_some_and(|until| now >= until) {
            return Err(Error::NotDrained { messages: self.session.unacknowledged(), after: DRAIN });
        }
        self.session.timer(now)
    }

    /// Takes no further commands, and waits for the answers to those that were accepted.
    fn drain(&mut self) {
        if self.draining.is_none() {
            self.commands.close();
            self.draining = Some(Instant::now() + DRAIN);
        }
    }

    async fn say_goodbye(&mut self, outcome: &Outcome) {
        self.session.goodbye(outcome);
        let farewell = async {
            self.writer.write_all_buf(self.session.out()).await?;
            self.writer.shutdown().await?;
            // The server hangs up next. To go before it may cost it our last packets: a reset overtakes them.
            while self.reader.read_buf(&mut self.received).await? > 0 {
                self.received.clear();
            }
            io::Result::Ok(())
        };
        // What matters was acknowledged before.
        match timeout(GOODBYE, farewell).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "closing the connection"),
            Err(_) => debug!("the server does not close the connection"),
        }
    }

    /// Writing failed. Why the server hung up is perhaps still there to be read.
    async fn last_words(&mut self, error: io::Error) -> Error {
        let words = async {
            loop {
                let read = self.reader.read_buf(&mut self.received).await;
                if matches!(read, Ok(0)) {
                    return None;
                }
                if let Err(error) = self.read(read) {
                    return Some(error);
                }
            }
        };
        match timeout(GOODBYE, words).await {
            Ok(Some(words)) => words,
            Ok(None) | Err(_) => self.lost(error),
        }
    }

    fn lost(&self, error: io::Error) -> Error {
        tls::alert(&error, &self.server).unwrap_or_else(|| Error::Lost {
            unanswered: self.session.unanswered(),
            source: Cause::new(error),
        })
    }
}

/// One step of writing: what is there, all together, then the flush. True when everything is with the socket.
async fn write_some<W: AsyncWrite + Unpin>(writer: &mut W, out: &mut BytesMut) -> io::Result<bool> {
    if out.is_empty() {
        writer.flush().await?;
        return Ok(true);
    }
    if writer.write_buf(out).await? == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(false)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => pending().await,
    }
}
