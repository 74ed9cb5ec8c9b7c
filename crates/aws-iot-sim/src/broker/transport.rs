//! One client's TLS connection with its buffers. It reads while it writes: a client that does not read is still heard,
//! and its keep-alive is still checked.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, BytesMut};
use mqtt5_protocol::ReasonCode;
use mqtt5_protocol::packet::disconnect::DisconnectPacket;
use mqtt5_protocol::packet::{MqttPacket, Packet};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::pace::{Pace, portion};
use super::wire::{self, WireFault};
use crate::faults::ActiveFaults;

/// Bytes waiting to be written above which nothing more is taken from the client's queue.
const OUTPUT_HIGH: usize = 64 * 1024;

/// Bytes waiting to be written above which the client is not read from: it has to read its answers first.
const OUTPUT_FULL: usize = 256 * 1024;

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// How long a client has to read its last packet when the broker closes the connection.
const CLOSING: Duration = Duration::from_secs(2);

pub(super) struct Transport {
    reader: ReadHalf<TlsStream<TcpStream>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
    input: BytesMut,
    output: BytesMut,
    /// The TLS layer holds bytes that may not be on the network yet.
    unflushed: bool,
    faults: Arc<ActiveFaults>,
    reading: Pace,
    writing: Pace,
}

/// What [`Transport::progress`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Read,
    Wrote,
    /// The client closed the connection.
    End,
}

impl Transport {
    pub(super) fn new(stream: TlsStream<TcpStream>, faults: Arc<ActiveFaults>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader,
            writer,
            input: BytesMut::new(),
            output: BytesMut::new(),
            unflushed: false,
            faults,
            reading: Pace::new(),
            writing: Pace::new(),
        }
    }

    /// The next packet among the bytes that were read.
    pub(super) fn take(&mut self) -> Result<Option<Packet>, WireFault> {
        wire::take_packet(&mut self.input)
    }

    /// Queues a packet for [`Self::progress`].
    pub(super) fn send(&mut self, packet: &impl MqttPacket) {
        wire::put_packet(&mut self.output, packet);
    }

    /// Whether more may be sent: the client reads what it gets.
    pub(super) fn has_room(&self) -> bool {
        self.output.len() < OUTPUT_HIGH
    }

    /// Reads or writes, whichever is possible first. Nothing is lost when the future is dropped.
    pub(super) async fn progress(&mut self) -> io::Result<Progress> {
        let may_read = self.output.len() < OUTPUT_FULL;
        let rate = self.faults.bytes_per_second();
        let portion = portion(rate, READ_BYTES);
        self.input.reserve(READ_BYTES);
        let (reader, input, reading) = (&mut self.reader, &mut self.input, &self.reading);
        let (writer, output, unflushed, writing) =
            (&mut self.writer, &mut self.output, &mut self.unflushed, &self.writing);
        tokio::select! {
            read = async {
                reading.ready(rate).await;
                reader.read_buf(&mut input.limit(portion)).await
            }, if may_read => {
                let bytes = read?;
                // The fault may have been switched on while it waited.
                self.reading.carried(bytes, self.faults.bytes_per_second());
                Ok(if bytes == 0 { Progress::End } else { Progress::Read })
            }
            wrote = async {
                writing.ready(rate.filter(|_| !output.is_empty())).await;
                write_some(writer, output, unflushed, rate.map(|_| portion)).await
            } => {
                self.writing.carried(wrote?, self.faults.bytes_per_second());
                Ok(Progress::Wrote)
            }
        }
    }

    /// Waits for the first packet.
    pub(super) async fn first(&mut self) -> io::Result<Result<Packet, WireFault>> {
        loop {
            match self.take() {
                Ok(Some(packet)) => return Ok(Ok(packet)),
                Ok(None) => {}
                Err(fault) => return Ok(Err(fault)),
            }
            if self.progress().await? == Progress::End {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Sends a DISCONNECT where there is a reason to give, and closes in good order.
    pub(super) async fn close(mut self, reason: Option<ReasonCode>) {
        if let Some(reason) = reason {
            wire::put_packet(&mut self.output, &DisconnectPacket::new(reason));
        }
        // The time-out is for a client that no longer reads.
        let _ = timeout(CLOSING, self.finish()).await;
    }

    /// Refuses a client of MQTT 3.1 or 3.1.1 in its own protocol, and closes.
    pub(super) async fn close_unacceptable_protocol(mut self) {
        wire::put_unacceptable_protocol(&mut self.output);
        self.close(None).await;
    }

    async fn finish(&mut self) -> io::Result<()> {
        while !self.output.is_empty() || self.unflushed {
            write_some(&mut self.writer, &mut self.output, &mut self.unflushed, None).await?;
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

/// Writes, `most` bytes at once where that is given, or flushes; waits for ever when there is nothing to do. Returns how
/// many bytes it wrote.
async fn write_some(
    writer: &mut WriteHalf<TlsStream<TcpStream>>,
    output: &mut BytesMut,
    unflushed: &mut bool,
    most: Option<usize>,
) -> io::Result<usize> {
    if !output.is_empty() {
        let end = most.unwrap_or(output.len()).min(output.len());
        let written = writer.write(output.get(..end).unwrap_or_default()).await?;
        output.advance(written);
        *unflushed = true;
        return Ok(written);
    }
    if *unflushed {
        writer.flush().await?;
        *unflushed = false;
    } else {
        std::future::pending::<()>().await;
    }
    Ok(0)
}
