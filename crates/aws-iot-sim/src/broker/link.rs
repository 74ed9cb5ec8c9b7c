//! One client's TLS connection with its buffers. Reading and writing go on side by side, so a client that does not
//! read cannot stop the broker from hearing (or missing) it.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, Packet};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::wire::{self, Incoming, WireFault};

/// Bytes waiting to be written above which nothing more is taken from the client's queue.
const OUTPUT_HIGH: usize = 64 * 1024;

/// Bytes waiting to be written above which the client is not read from: it has to read its answers first.
const OUTPUT_FULL: usize = 256 * 1024;

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// How long a client that is being closed gets to take its last packet.
const CLOSING: Duration = Duration::from_secs(2);

pub(super) struct Link {
    reader: ReadHalf<TlsStream<TcpStream>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
    input: BytesMut,
    output: BytesMut,
    /// The TLS layer holds bytes that may not be on the network yet.
    unflushed: bool,
}

/// What [`Link::progress`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Read,
    Wrote,
    /// The client closed the connection.
    End,
}

impl Link {
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader, writer, input: BytesMut::new(), output: BytesMut::new(), unflushed: false }
    }

    /// The next packet among the bytes that were read.
    pub(super) fn take(&mut self) -> Result<Option<Incoming>, WireFault> {
        wire::take_packet(&mut self.input)
    }

    /// Queues a packet for [`Self::progress`].
    pub(super) fn send(&mut self, packet: &Packet) {
        wire::put_packet(&mut self.output, packet);
    }

    /// Whether the client takes what is sent to it.
    pub(super) fn has_room(&self) -> bool {
        self.output.len() < OUTPUT_HIGH
    }

    /// Reads or writes, whichever is possible first. Nothing is lost when the future is dropped.
    pub(super) async fn progress(&mut self) -> io::Result<Progress> {
        let may_read = self.output.len() < OUTPUT_FULL;
        self.input.reserve(READ_BYTES);
        tokio::select! {
            read = self.reader.read_buf(&mut self.input), if may_read => {
                Ok(if read? == 0 { Progress::End } else { Progress::Read })
            }
            wrote = write_some(&mut self.writer, &mut self.output, &mut self.unflushed) => {
                wrote.map(|()| Progress::Wrote)
            }
        }
    }

    /// Waits for the first packet.
    pub(super) async fn first(&mut self) -> io::Result<Result<Incoming, WireFault>> {
        loop {
            match self.take() {
                Ok(Some(incoming)) => return Ok(Ok(incoming)),
                Ok(None) => {}
                Err(fault) => return Ok(Err(fault)),
            }
            if self.progress().await? == Progress::End {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Sends a DISCONNECT where there is a reason to give, and closes in good order.
    pub(super) async fn close(mut self, reason: Option<DisconnectReasonCode>) {
        if let Some(reason) = reason {
            wire::put_disconnect(&mut self.output, reason);
        }
        // A client that takes nothing any more is not waited for: the time-out is the answer.
        let _ = timeout(CLOSING, self.finish()).await;
    }

    /// Refuses a client of MQTT 3.1 or 3.1.1 in its own protocol, and closes.
    pub(super) async fn close_unacceptable_protocol(mut self) {
        wire::put_unacceptable_protocol(&mut self.output);
        self.close(None).await;
    }

    async fn finish(&mut self) -> io::Result<()> {
        while !self.output.is_empty() || self.unflushed {
            write_some(&mut self.writer, &mut self.output, &mut self.unflushed).await?;
        }
        self.writer.shutdown().await?;
        // Unread bytes would turn the close into a reset, and the client might lose the last packet.
        let mut unread = BytesMut::with_capacity(READ_BYTES);
        while self.reader.read_buf(&mut unread).await? != 0 {
            unread.clear();
        }
        Ok(())
    }
}

/// Writes or flushes a bit; waits for ever when there is nothing to do.
async fn write_some(
    writer: &mut WriteHalf<TlsStream<TcpStream>>,
    output: &mut BytesMut,
    unflushed: &mut bool,
) -> io::Result<()> {
    if !output.is_empty() {
        writer.write_buf(output).await?;
        *unflushed = true;
    } else if *unflushed {
        writer.flush().await?;
        *unflushed = false;
    } else {
        std::future::pending::<()>().await;
    }
    Ok(())
}
