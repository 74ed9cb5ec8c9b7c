//! Bytes to packets and back. The packets and their encoding are rumqttc's; every work-around for them is in this
//! folder.
//!
//! rumqttc 0.25.1 takes a packet that ends too early for "more bytes are needed", and knows neither of the two short forms
//! of DISCONNECT (MQTT 5, section 3.14.2.1). So the frame is cut out and checked here.

mod output;
mod properties;
mod rules;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::BytesMut;
use rumqttc::v5::mqttbytes;
use rumqttc::v5::mqttbytes::v5::{Disconnect, DisconnectReasonCode, Packet};

pub(crate) use self::output::Output;
pub(crate) use self::properties::{last_will, message, publish_properties, seconds, wire_qos};
use crate::{Cause, Error, ReasonCode};

/// Something that a server must not send.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct ProtocolError {
    what: Cow<'static, str>,
    /// The reason code of the DISCONNECT that answers it (MQTT 5, section 3.14.2.1).
    pub(crate) reason: u8,
    /// It is in an acknowledgement, and so in the answer to a request of this client.
    pub(crate) in_answer: bool,
}

impl ProtocolError {
    /// The server claims a session in answer to a clean start (MQTT 5, section 3.2.2.1.1).
    pub(crate) const SESSION_PRESENT: Self = Self {
        what: Cow::Borrowed("a CONNACK that claims an earlier session, although a clean start was asked for"),
        reason: 0x82,
        in_answer: false,
    };

    /// The one that `error` reports.
    pub(crate) fn of(error: &Error) -> Option<&Self> {
        let Error::Protocol { source } = error else { return None };
        source.downcast_ref()
    }

    pub(crate) fn in_answer(reason: u8, what: String) -> Self {
        Self { in_answer: true, ..Self::new(reason, what) }
    }

    pub(crate) fn new(reason: u8, what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), reason, in_answer: false }
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol { source: Cause::new(error) }
    }
}

/// A packet of a server.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) packet: Packet,
    /// Its reason codes: those in `packet` have a type of their own for each kind of packet, which does not tell the number.
    pub(crate) reasons: Vec<ReasonCode>,
}

impl Received {
    /// Of a packet that has one. Left out, it is 0 (MQTT 5, sections 3.4.2.1 and 3.14.2.1).
    pub(crate) fn reason(&self) -> ReasonCode {
        self.reasons.first().copied().unwrap_or(ReasonCode(0))
    }

    /// The server's own words (reason string).
    pub(crate) fn text(&mut self) -> Option<String> {
        match &mut self.packet {
            Packet::ConnAck(packet) => packet.properties.as_mut()?.reason_string.take(),
            Packet::PubAck(packet) => packet.properties.as_mut()?.reason_string.take(),
            Packet::SubAck(packet) => packet.properties.as_mut()?.reason_string.take(),
            Packet::Disconnect(packet) => packet.properties.as_mut()?.reason_string.take(),
            _ => None,
        }
    }
}

/// Takes the next packet of a server out of `buffer`, if all of it is there.
pub(crate) fn decode(buffer: &mut BytesMut, max_bytes: u32) -> Result<Option<Received>, ProtocolError> {
    let Some((header, body)) = header(buffer)? else { return Ok(None) };
    let length = header + body;
    if length > max_bytes as usize {
        let what =
            format!("a packet of {length} bytes, more than the {max_bytes} that this client said it takes");
        return Err(ProtocolError::new(0x95, what));
    }
    if buffer.len() < length {
        buffer.reserve(length - buffer.len());
        return Ok(None);
    }
    let mut frame = buffer.split_to(length);
    let first = frame.first().copied().unwrap_or_default();
    rules::check(first, frame.get(header..).unwrap_or_default())
        .map(|reasons| reasons.iter().copied().map(ReasonCode).collect())
        .and_then(|reasons| match read(&mut frame) {
            Ok(packet) => Ok(Some(Received { packet, reasons })),
            Err(error) => Err(unreadable(first, &error)),
        })
        .map_err(|error| ProtocolError { in_answer: rules::is_answer(first), ..error })
}

/// How many bytes the first byte and the length take, and the length (MQTT 5, section 2.1). `None` if more bytes are needed.
fn header(buffer: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
    let mut length = 0;
    for position in 1..=4 {
        let Some(byte) = buffer.get(position) else { return Ok(None) };
        length |= usize::from(byte & 0x7F) << (7 * (position - 1));
        if byte & 0x80 == 0 {
            // In the fewest bytes (section 1.5.5).
            if *byte == 0 && position > 1 {
                break;
            }
            return Ok(Some((position + 1, length)));
        }
    }
    Err(ProtocolError::new(0x81, "a packet that cannot be read: its length is not a variable byte integer"))
}

fn read(frame: &mut BytesMut) -> Result<Packet, mqttbytes::Error> {
    let short_disconnect = match *frame.as_ref() {
        [0xE0, 0] => Some(DisconnectReasonCode::NormalDisconnection),
        [0xE0, 1, reason] => Some(DisconnectReasonCode::try_from(reason)?),
        _ => None,
    };
    match short_disconnect {
        Some(reason) => Ok(Packet::Disconnect(Disconnect::new(reason))),
        None => Packet::read(frame, None),
    }
}

/// What the rules leave to rumqttc: the reason codes of each packet.
fn unreadable(first: u8, error: &mqttbytes::Error) -> ProtocolError {
    use mqttbytes::Error as E;
    rules::malformed(
        first,
        match error {
            E::InvalidConnectReturnCode(code)
            | E::InvalidReason(code)
            | E::InvalidSubscribeReasonCode(code) => {
                format!("its reason code {code:#04x} is not one of MQTT 5 for it")
            }
            other => other.to_string(),
        },
    )
}

/// Takes the next packet of either side out of `buffer`, for tests that read what this client sends.
#[cfg(test)]
pub(crate) fn decode_sent(buffer: &mut BytesMut) -> Option<Packet> {
    let (header, body) = header(buffer).unwrap().filter(|(header, body)| buffer.len() >= header + body)?;
    Some(read(&mut buffer.split_to(header + body)).unwrap())
}
