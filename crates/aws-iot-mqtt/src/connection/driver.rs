//! The loop between the socket, the application and the session: all of the I/O of one connection, and none of the
//! protocol.

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep_until, timeout};
use tracing::debug;

use super::supervisor::Engine;
use super::{DISCONNECT_TIMEOUT, TLS_BUFFER, tls};
use crate::Error;
use crate::client::Outcome;
use crate::clock::{Moment, after};

/// Room for one read from the socket: as much as one TLS record carries (RFC 8446, section 5.1).
const CHUNK: usize = 16 * 1024;
/// Most bytes of one write: as much as TLS's buffer takes. With a single record, a message of 16 KiB would take two writes.
const WRITE: usize = TLS_BUFFER;
/// Where nothing else is due: when the loop looks again.
const LONG: Duration = Duration::from_secs(3600);

pub(super) struct Driver<'a, S> {
    pub(super) stream: S,
    /// What was received and not yet taken by the session.
    pub(super) received: BytesMut,
    pub(super) engine: &'a mut Engine,
    /// The server, as errors name it.
    pub(super) server: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<'_, S> {
    /// Runs until the application ends it. An error where the connection was lost.
    pub(super) async fn run(mut self) -> Result<Outcome, Error> {
        let outcome = self.drive().await;
        // After any other error, nobody is there any more to be told why.
        if let Ok(())
        | Err(
            Error::NotDrained { .. }
            | Error::Protocol { .. }
            | Error::KeepAlive { .. }
            | Error::OperationTimeout { .. },
        ) = &outcome
        {
            self.disconnect(&outcome).await;
        }
        match outcome {
            Ok(()) | Err(Error::NotDrained { .. }) => Ok(outcome),
            Err(error) => Err(error),
        }
    }

    async fn drive(&mut self) -> Outcome {
        let shared = Arc::clone(&self.engine.session.shared);
        let mut due = after(Moment::now().instant, LONG);
        let mut alarm = pin!(sleep_until(due.into()));
        // What came together with CONNACK.
        self.engine.session.received(&mut self.received, Moment::now())?;
        loop {
            let now = Moment::now();
            let closing = self.engine.take_commands(now);
            // Here, because a socket that is always ready would keep the alarm from ever being asked.
            if now.instant >= due {
                self.engine.session.timer(now)?;
            }
            if closing {
                // What the application acknowledged before it asked for the end is sent as well.
                self.engine.session.woken();
            }
            self.engine.session.send(now);
            let was_full = self.engine.session.output_is_full();
            let write = poll_fn(|context| Poll::Ready(io::Result::Ok(self.poll_write(context)?.is_ready())));
            let written = match write.await {
                Ok(written) => written,
                Err(error) => return Err(self.last_words(error).await),
            };
            let more = was_full && !self.engine.session.output_is_full();
            if closing && written && self.engine.is_drained() {
                return Ok(());
            }
            if let Some(outcome) = self.engine.overdue(now.instant) {
                return outcome;
            }
            due = self.engine.deadline(now).unwrap_or(after(now.instant, LONG));
            // The deadline of a busy connection moves on with every packet, and to set a timer costs more than a packet
            // does: it is set only where it would fire too late. Where it fires too early, nothing is due yet.
            if tokio::time::Instant::from_std(due) < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(due.into());
            }
            tokio::select! {
                // The waker last: where the socket is ready, this thread does not sleep, and waking it would be a system
                // call for nothing.
                biased;
                io = poll_fn(|context| self.poll_io(context, written, more)) => match io {
                    Ok(Some(read)) => self.read(read)?,
                    Ok(None) => {}
                    Err(error) => return Err(self.last_words(error).await),
                },
                () = alarm.as_mut() => {}
                () = shared.waker.notified() => self.engine.session.woken(),
            }
        }
    }

    fn read(&mut self, read: io::Result<usize>) -> Result<(), Error> {
        match read {
            Ok(0) => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                self.engine.session.shared.counters.lock().bytes_received += count as u64;
                self.engine.session.received(&mut self.received, Moment::now())
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    async fn disconnect(&mut self, outcome: &Outcome) {
        let reason = self.engine.session.shared.closing.get().copied().unwrap_or_default();
        self.engine.session.disconnect(outcome, reason);
        let farewell = async {
            self.stream.write_all(self.engine.session.output()).await?;
            self.stream.shutdown().await?;
            // The server hangs up next. To go before it may cost it our last packets: a reset overtakes them.
            while self.stream.read_buf(&mut self.received).await? > 0 {
                self.received.clear();
            }
            io::Result::Ok(())
        };
        // What matters was acknowledged before, so it does not matter whether this fails.
        let result = timeout(DISCONNECT_TIMEOUT, farewell).await;
        debug!(?result, "the connection is closed");
    }

    /// Writing failed. Why the server hung up is perhaps still there to be read.
    async fn last_words(&mut self, error: io::Error) -> Error {
        let words = async {
            loop {
                let read = self.stream.read_buf(&mut self.received).await;
                if matches!(read, Ok(0)) {
                    return None;
                }
                if let Err(error) = self.read(read) {
                    return Some(error);
                }
            }
        };
        timeout(DISCONNECT_TIMEOUT, words).await.ok().flatten().unwrap_or_else(|| self.lost(error))
    }

    fn lost(&self, error: io::Error) -> Error {
        tls::alert(&error, &self.server).unwrap_or_else(|| Error::Lost {
            unanswered: self.engine.session.unanswered(),
            source: tls::in_words(error),
        })
    }

    /// Reads what has come, and writes the rest of what the socket did not take before. Reading goes on whatever cannot be
    /// written: the acknowledgements that make room come this way. `more`: messages may wait for the room that was made.
    /// Gives what was read; `None` where only something was written; an error where writing failed.
    fn poll_io(
        &mut self,
        context: &mut Context<'_>,
        all_written: bool,
        more: bool,
    ) -> Poll<io::Result<Option<io::Result<usize>>>> {
        let left = self.engine.session.output().len();
        let mut progress = more;
        if !all_written {
            progress |= self.poll_write(context)?.is_ready() || self.engine.session.output().len() < left;
        }
        if self.received.capacity() - self.received.len() < CHUNK / 4 {
            self.received.reserve(CHUNK);
        }
        match pin!(self.stream.read_buf(&mut self.received)).poll(context) {
            Poll::Ready(read) => Poll::Ready(Ok(Some(read))),
            Poll::Pending if progress => Poll::Ready(Ok(None)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Writes what there is, as far as the socket takes it. Ready when the operating system has all of it.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let output = self.engine.session.output();
            let chunk = output.get(..WRITE).unwrap_or(output);
            if chunk.is_empty() {
                return Pin::new(&mut self.stream).poll_flush(context);
            }
            match ready!(Pin::new(&mut self.stream).poll_write(context, chunk))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    self.engine.session.shared.counters.lock().bytes_sent += count as u64;
                    self.engine.session.written(count, Moment::now());
                }
            }
        }
    }
}
