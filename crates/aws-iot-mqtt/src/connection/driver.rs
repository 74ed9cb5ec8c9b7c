//! The loop between the socket, the application and the session: all of the I/O of one connection, and none of the
//! protocol.

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tracing::debug;

use super::DISCONNECT_TIMEOUT;
use super::shared::{Closing, Shared};
use super::tls_errors;
use crate::client::Outcome;
use crate::clock::{Moment, after};
use crate::session::{Command, Session};
use crate::{Cause, Error};

/// Room for one read from the socket, and most bytes of one write: as much as one TLS record carries (RFC 8446,
/// section 5.1).
const CHUNK: usize = 16 * 1024;
/// Where nothing else is due: when the loop looks again.
const LONG: Duration = Duration::from_secs(3600);

pub(super) struct Driver<'a, S> {
    pub(super) stream: S,
    /// What was received and not yet taken by the session.
    pub(super) received: BytesMut,
    pub(super) session: &'a mut Session,
    pub(super) commands: &'a mut mpsc::Receiver<Command>,
    pub(super) closing: &'a mut Closing,
    pub(super) shared: &'a Shared,
    /// The server, as errors name it.
    pub(super) server: String,
}

/// How a connection ended.
pub(super) enum Ended {
    /// The application wanted it.
    Closed(Outcome),
    /// It was lost.
    Lost(Error),
}

/// What the socket did.
enum Io {
    Read(io::Result<usize>),
    Written,
    WriteFailed(io::Error),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<'_, S> {
    /// Runs until the application or the server ends it.
    pub(super) async fn run(mut self) -> Ended {
        let outcome = self.drive().await;
        match &outcome {
            Ok(()) => self.disconnect(&outcome).await,
            // The server may still be there: it is told why.
            Err(
                Error::NotDrained { .. }
                | Error::Protocol { .. }
                | Error::KeepAlive { .. }
                | Error::OperationTimeout { .. },
            ) => self.disconnect(&outcome).await,
            // Nobody is there any more to be told.
            Err(_) => {}
        }
        match outcome {
            Ok(()) | Err(Error::NotDrained { .. }) => Ended::Closed(outcome),
            Err(error) => Ended::Lost(error),
        }
    }

    async fn drive(&mut self) -> Outcome {
        let (mut batch, mut commands_come, mut flushed) = (Vec::new(), true, true);
        let mut alarm = pin!(sleep_until(tokio::time::Instant::now() + LONG));
        // What came together with CONNACK.
        self.session.received(&mut self.received, Moment::now())?;
        loop {
            let now = Moment::now();
            self.session.send(now);
            self.session.complete();
            if self.closing.has_begun() {
                // What the application acknowledged before it asked for the end is sent as well.
                self.session.woken();
                if self.is_drained(flushed, now.instant)? {
                    return Ok(());
                }
            }
            let next = self.session.deadline(now).into_iter().chain(self.closing.until()).min();
            let next = tokio::time::Instant::from_std(next.unwrap_or_else(|| after(now.instant, LONG)));
            // The deadline of a busy connection moves on with every packet, and to set a timer costs more than a packet
            // does: it is set only where it would fire too late. Where it fires too early, nothing is due yet.
            if next < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(next);
            }
            let Self { stream, received, session, commands, closing, shared, .. } = self;
            let wants_messages = session.wants_messages();
            tokio::select! {
                io = poll_fn(|context| poll_io(context, stream, received, session, shared, &mut flushed)) => match io {
                    Io::Read(read) => self.read(read)?,
                    Io::Written => {}
                    Io::WriteFailed(error) => return Err(self.last_words(error).await),
                },
                () = shared.outbox.accepted(), if wants_messages => {}
                count = commands.recv_many(&mut batch, 16), if commands_come => {
                    commands_come = count > 0;
                    batch.drain(..).for_each(|command| self.session.command(command, Moment::now()));
                }
                () = shared.waker.woken() => self.session.woken(),
                () = closing.asked() => {
                    self.commands.close();
                    self.shared.outbox.close();
                }
                () = alarm.as_mut() => self.session.timer(Moment::now())?,
            }
        }
    }

    fn is_drained(&self, flushed: bool, now: Instant) -> Result<bool, Error> {
        if self.session.is_drained() && flushed && self.commands.is_empty() {
            return Ok(true);
        }
        let messages = self.shared.outbox.depth().0;
        match self.closing.overdue(now) {
            // Nothing is lost: a subscription was not answered, or a received message not acknowledged, which comes again.
            Some(_) if messages == 0 => Ok(true),
            Some(after) => Err(Error::NotDrained { messages, after }),
            None => Ok(false),
        }
    }

    fn read(&mut self, read: io::Result<usize>) -> Result<(), Error> {
        match read {
            Ok(0) => Err(self.lost(tls_errors::closed())),
            Ok(count) => {
                self.shared.counters.bytes_received.add(count);
                self.session.received(&mut self.received, Moment::now())
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    async fn disconnect(&mut self, outcome: &Outcome) {
        self.session.disconnect(outcome, self.closing.reason());
        let farewell = async {
            self.stream.write_all(self.session.output()).await?;
            self.stream.shutdown().await?;
            // The server hangs up next. To go before it may cost it our last packets: a reset overtakes them.
            while self.stream.read_buf(&mut self.received).await? > 0 {
                self.received.clear();
            }
            io::Result::Ok(())
        };
        // What matters was acknowledged before.
        match timeout(DISCONNECT_TIMEOUT, farewell).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "closing the connection"),
            Err(_) => debug!("the server does not close the connection"),
        }
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
        match timeout(DISCONNECT_TIMEOUT, words).await {
            Ok(Some(words)) => words,
            Ok(None) | Err(_) => self.lost(error),
        }
    }

    fn lost(&self, error: io::Error) -> Error {
        tls_errors::alert(&error, &self.server).unwrap_or_else(|| Error::Lost {
            unanswered: self.session.unanswered(),
            source: Cause::new(tls_errors::in_words(error)),
        })
    }
}

/// Writes what there is, as far as the socket takes it, and reads what has come. Reading goes on whatever cannot be
/// written: the acknowledgements that make room come this way.
fn poll_io<S: AsyncRead + AsyncWrite + Unpin>(
    context: &mut Context<'_>,
    stream: &mut S,
    received: &mut BytesMut,
    session: &mut Session,
    shared: &Shared,
    flushed: &mut bool,
) -> Poll<Io> {
    let mut written = false;
    match poll_write(context, stream, session, shared, flushed, &mut written) {
        Poll::Ready(Err(error)) => return Poll::Ready(Io::WriteFailed(error)),
        Poll::Ready(Ok(())) | Poll::Pending => {}
    }
    if received.capacity() - received.len() < CHUNK / 4 {
        received.reserve(CHUNK);
    }
    match pin!(stream.read_buf(received)).poll(context) {
        Poll::Ready(read) => Poll::Ready(Io::Read(read)),
        Poll::Pending if written => Poll::Ready(Io::Written),
        Poll::Pending => Poll::Pending,
    }
}

fn poll_write<S: AsyncWrite + Unpin>(
    context: &mut Context<'_>,
    stream: &mut S,
    session: &mut Session,
    shared: &Shared,
    flushed: &mut bool,
    written: &mut bool,
) -> Poll<io::Result<()>> {
    while let Some(chunk) =
        session.output().get(..session.output().len().min(CHUNK)).filter(|chunk| !chunk.is_empty())
    {
        let Poll::Ready(result) = Pin::new(&mut *stream).poll_write(context, chunk) else {
            return Poll::Pending;
        };
        match result? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            count => {
                (*flushed, *written) = (false, true);
                shared.counters.bytes_sent.add(count);
                session.written(count, Moment::now());
            }
        }
    }
    if !*flushed {
        let Poll::Ready(result) = Pin::new(stream).poll_flush(context) else { return Poll::Pending };
        result?;
        (*flushed, *written) = (true, true);
    }
    Poll::Ready(Ok(()))
}
