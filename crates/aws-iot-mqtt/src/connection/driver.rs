//! The loop between the socket, the application and the session: all of the I/O of one connection, and none of the
//! protocol.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tracing::debug;

use super::alarm::Alarm;
use super::shared::{Closing, Shared};
use super::tls;
use crate::client::Outcome;
use crate::session::{Command, Output, Session};
use crate::{Cause, Error};

/// How long the last bytes may take, and the server's last words.
const GOODBYE: Duration = Duration::from_secs(2);
/// Room for one read from the socket: as much as one TLS record carries (RFC 8446, section 5.1).
const READ: usize = 16 * 1024;
/// Most messages that are taken from the outbox together, to go out with one write.
const BATCH: usize = 256;

pub(super) struct Driver<'a, S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    received: BytesMut,
    session: &'a mut Session,
    commands: &'a mut mpsc::Receiver<Command>,
    closing: &'a mut Closing,
    shared: &'a Shared,
    /// The server, as errors name it.
    server: String,
    /// Written, but maybe still in TLS's own buffer.
    flush: bool,
    /// Commands may still come.
    commands_come: bool,
}

/// How a connection ended.
pub(super) enum Ended {
    /// The application wanted it.
    Asked(Outcome),
    /// It was lost.
    Lost(Error),
}

impl<'a, S: AsyncRead + AsyncWrite> Driver<'a, S> {
    pub(super) fn new(
        stream: S,
        received: BytesMut,
        session: &'a mut Session,
        commands: &'a mut mpsc::Receiver<Command>,
        closing: &'a mut Closing,
        shared: &'a Shared,
        server: String,
    ) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader,
            writer,
            received,
            session,
            commands,
            closing,
            shared,
            server,
            flush: false,
            commands_come: true,
        }
    }

    /// Runs until the application or the server ends it.
    pub(super) async fn run(mut self) -> Ended {
        let outcome = self.drive().await;
        match &outcome {
            Ok(()) | Err(Error::NotDrained { .. } | Error::Protocol { .. }) => {
                self.say_goodbye(&outcome).await;
            }
            // Nobody is there any more to be told.
            Err(_) => {}
        }
        match outcome {
            Ok(()) | Err(Error::NotDrained { .. }) => Ended::Asked(outcome),
            Err(error) => Ended::Lost(error),
        }
    }

    async fn drive(&mut self) -> Outcome {
        let bell: Arc<Notify> = self.session.bell();
        let mut batch = Vec::new();
        let mut alarm = Alarm::new();
        // What came together with CONNACK.
        self.session.received(&mut self.received, Instant::now())?;
        loop {
            let now = Instant::now();
            self.feed(now);
            if self.closing.has_begun() && self.is_drained(now)? {
                return Ok(());
            }
            if self.received.capacity() - self.received.len() < READ / 4 {
                self.received.reserve(READ);
            }
            let writes = self.session.has_output() || self.flush;
            let takes = self.session.room() > 0;
            alarm.not_later_than(self.session.deadline().into_iter().chain(self.closing.until()).min());
            // Reading goes on whatever else waits: the acknowledgements that make room come this way.
            tokio::select! {
                read = self.reader.read_buf(&mut self.received) => self.read(read)?,
                written = write_some(&mut self.writer, self.session.out()), if writes => match written {
                    Ok(count) => {
                        self.flush = count > 0;
                        self.shared.counters.bytes_sent.add(count);
                        self.session.written(Instant::now());
                    }
                    Err(error) => return Err(self.last_words(error).await),
                },
                () = self.shared.queue.filled(), if takes => {}
                count = self.commands.recv_many(&mut batch, 16), if self.commands_come => {
                    self.commands_come = count > 0;
                    batch.drain(..).for_each(|command| self.session.command(command));
                }
                () = bell.notified() => self.session.room_in_queues(),
                () = self.closing.asked() => {
                    self.commands.close();
                    self.shared.queue.close();
                }
                () = alarm.rings() => self.session.timer(Instant::now())?,
            }
        }
    }

    /// Takes what may go out now, and tells the outbox what has left it.
    fn feed(&mut self, now: Instant) {
        loop {
            let room = self.session.room().min(BATCH);
            if room > 0 {
                self.shared.queue.take(room, self.session.outgoing());
            }
            self.session.send(now);
            if !self.shared.settle(self.session) {
                return;
            }
        }
    }

    fn is_drained(&self, now: Instant) -> Result<bool, Error> {
        let messages = self.shared.queue.depth().0;
        if messages == 0 && self.commands.is_empty() {
            return Ok(true);
        }
        match self.closing.overdue(now) {
            Some(after) => Err(Error::NotDrained { messages, after }),
            None => Ok(false),
        }
    }

    fn read(&mut self, read: io::Result<usize>) -> Result<(), Error> {
        match read {
            Ok(0) => Err(self.lost(tls::closed())),
            Ok(count) => {
                self.shared.counters.bytes_received.add(count);
                self.session.received(&mut self.received, Instant::now())
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    async fn say_goodbye(&mut self, outcome: &Outcome) {
        self.session.goodbye(outcome, self.closing.reason());
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
            source: Cause::new(tls::in_words(error)),
        })
    }
}

/// One step of writing: what is there, all together, then the flush, for which it returns 0.
async fn write_some<W: AsyncWrite + Unpin>(writer: &mut W, out: &mut Output) -> io::Result<usize> {
    if !out.has_remaining() {
        writer.flush().await?;
        return Ok(0);
    }
    match writer.write_buf(out).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        count => Ok(count),
    }
}
