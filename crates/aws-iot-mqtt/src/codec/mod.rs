//! Bytes to packets and back. The packets and their encoding are rumqttc's; every work-around for them is in this
//! folder.
//!
//! rumqttc 0.25.1 takes a packet that ends too early for "more bytes are needed" and swallows it, and knows neither of
//! the two short forms of DISCONNECT (MQTT 5, section 3.14.2.1). So the frame is cut out here.

mod output;
mod properties;
mod reason;

use bytes::BytesMut;
use rumqttc::v5::mqttbytes;
use rumqttc::v5::mqttbytes::v5::{Disconnect, DisconnectReasonCode, Packet, check};

pub(crate) use self::output::Output;
pub(crate) use self::properties::{last_will, message, publish_properties, wire_qos};
pub(crate) use self::reason::Reason;
use crate::{Cause, Error};

/// The first bytes of packets (MQTT 5, section 2.1.2).
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBACK: u8 = 0x90;
const UNSUBACK: u8 = 0xB0;
const DISCONNECT: u8 = 0xE0;

/// How a server breaks the protocol.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a {0} that cannot be read: {1}")]
    Packet(&'static str, String),
    #[error(
        "a {0} that cannot be read: it has the form of MQTT 3.1.1, which ends before the properties of MQTT 5"
    )]
    Mqtt311(&'static str),
    #[error("a packet that cannot be read: its first byte is {0:#04x}, which no packet has")]
    Flags(u8),
    #[error("a packet of {0} bytes, more than the {1} that this client said it takes")]
    TooLarge(usize, u32),
    #[error("a packet that only a client sends: {0}")]
    WrongDirection(&'static str),
    #[error("a message with QoS 2, which was not asked for")]
    Qos2,
    #[error("a message whose topic is not a topic: {0}")]
    Topic(String),
    #[error("a message that cannot be read: its {0}")]
    Property(String),
    #[error("more than {0} bytes of unacknowledged messages, which is all that this client said it takes")]
    TooMuchInFlight(usize),
    #[error("{0} where CONNACK had to come")]
    NoConnAck(&'static str),
    #[error("a CONNACK whose {0} is {1}, which is not allowed")]
    ConnAckProperty(&'static str, u32),
    #[error("a CONNACK that claims an earlier session, although a clean start was asked for")]
    SessionPresent,
}

impl Malformed {
    /// The reason code of the DISCONNECT that answers it (MQTT 5, section 3.14.2.1).
    pub(crate) fn disconnect_reason(&self) -> u8 {
        match self {
            Self::Packet(..) | Self::Mqtt311(_) | Self::Flags(_) | Self::Property(_) => 0x81,
            Self::WrongDirection(_)
            | Self::NoConnAck(_)
            | Self::ConnAckProperty(..)
            | Self::SessionPresent => 0x82,
            Self::Topic(_) => 0x90,
            Self::TooMuchInFlight(_) => 0x93,
            Self::TooLarge(..) => 0x95,
            Self::Qos2 => 0x9B,
        }
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self::Protocol { source: Cause::new(malformed) }
    }
}

/// Takes the next packet out of `buffer`, if all of it is there.
pub(crate) fn decode(buffer: &mut BytesMut, max_bytes: u32) -> Result<Option<Packet>, Malformed> {
    let frame = match check(buffer.iter(), Some(max_bytes)) {
        Ok(header) => buffer.split_to(header.frame_length()),
        Err(mqttbytes::Error::InsufficientBytes(missing)) => {
            buffer.reserve(missing);
            return Ok(None);
        }
        Err(mqttbytes::Error::PayloadSizeLimitExceeded { pkt_size, .. }) => {
            return Err(Malformed::TooLarge(pkt_size, max_bytes));
        }
        Err(error) => return Err(unreadable("packet", &error)),
    };
    match *frame.as_ref() {
        [first, ..] if !flags_are_valid(first) => Err(Malformed::Flags(first)),
        // Flags and return code, packet id and return code: what MQTT 3.1.1 has there.
        [CONNACK, 2, ..] => Err(Malformed::Mqtt311("CONNACK")),
        [SUBACK, 3, ..] => Err(Malformed::Mqtt311("SUBACK")),
        [UNSUBACK, 2, ..] => Err(Malformed::Mqtt311("UNSUBACK")),
        [first, ..] => read(frame).map(Some).map_err(|error| unreadable(name(first), &error)),
        [] => Ok(None),
    }
}

/// The low four bits are fixed for all packets but PUBLISH, which is no duplicate at QoS 0 (MQTT 5, sections 2.1.3 and
/// 3.3.1). rumqttc 0.25.1 does not look at them.
fn flags_are_valid(first: u8) -> bool {
    let (packet_type, flags) = (first >> 4, first & 0x0F);
    match packet_type {
        3 => !matches!(flags & 0b1110, 0b1000 | 0b0110 | 0b1110),
        6 | 8 | 10 => flags == 0b0010,
        _ => flags == 0,
    }
}

fn read(mut frame: BytesMut) -> Result<Packet, mqttbytes::Error> {
    let short_disconnect = match *frame.as_ref() {
        [DISCONNECT, 0] => Some(DisconnectReasonCode::NormalDisconnection),
        [DISCONNECT, 1, reason] => Some(DisconnectReasonCode::try_from(reason)?),
        _ => None,
    };
    match short_disconnect {
        Some(reason) => Ok(Packet::Disconnect(Disconnect::new(reason))),
        None => Packet::read(&mut frame, None),
    }
}

fn name(first: u8) -> &'static str {
    match first & 0xF0 {
        CONNACK => "CONNACK",
        PUBLISH => "message (PUBLISH)",
        0x40 => "PUBACK",
        SUBACK => "SUBACK",
        UNSUBACK => "UNSUBACK",
        DISCONNECT => "DISCONNECT",
        _ => "packet",
    }
}

fn unreadable(what: &'static str, error: &mqttbytes::Error) -> Malformed {
    use mqttbytes::Error as E;
    Malformed::Packet(
        what,
        match error {
            // rumqttc says "topic" of every text.
            E::TopicNotUtf8 => "a text in it is not UTF-8".to_owned(),
            E::InvalidPropertyType(number) => {
                format!("it has a property {number:#04x} that is not allowed there")
            }
            E::InsufficientBytes(_) | E::BoundaryCrossed(_) | E::MalformedPacket => {
                "it ends in the middle of a field".to_owned()
            }
            other => other.to_string(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Result<Option<Packet>, Malformed> {
        decode(&mut BytesMut::from(bytes), 1000)
    }

    #[test]
    fn every_form_of_disconnect_is_read() {
        for (bytes, reason) in [
            (&[0xE0, 0][..], DisconnectReasonCode::NormalDisconnection),
            (&[0xE0, 1, 0x8E], DisconnectReasonCode::SessionTakenOver),
            (&[0xE0, 2, 0x8E, 0], DisconnectReasonCode::SessionTakenOver),
        ] {
            match decoded(bytes) {
                Ok(Some(Packet::Disconnect(packet))) => assert_eq!(packet.reason_code, reason),
                other => panic!("{bytes:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_packet_in_pieces_waits_for_its_end() {
        let whole = [0x40, 2, 0, 7];
        for length in 0..whole.len() {
            assert!(matches!(decoded(&whole[..length]), Ok(None)), "{length}");
        }
        assert!(matches!(decoded(&whole), Ok(Some(Packet::PubAck(ack))) if ack.pkid == 7));
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic_nor_a_wait() {
        for (case, bytes) in [
            ("a length that does not end", &[0x40, 0xFF, 0xFF, 0xFF, 0xFF][..]),
            ("a packet shorter than its inside", &[0x40, 1, 0]),
            ("a SUBACK that ends in its properties", &[0x90, 2, 0, 1]),
            ("a DISCONNECT with an unknown reason", &[0xE0, 1, 0x42]),
            ("a packet type that does not exist", &[0x00, 1, 0]),
            ("a message whose topic goes past the end", &[0x30, 3, 0, 9, b'a']),
            ("more than we take", &[0x30, 0xFF, 0x7F]),
            ("a PUBACK with flags", &[0x42, 2, 0, 1]),
            ("a SUBACK with the flags of a SUBSCRIBE", &[0x92, 4, 0, 1, 0, 0]),
            ("a duplicate at QoS 0", &[0x38, 4, 0, 1, b't', 0]),
            ("QoS 3", &[0x36, 6, 0, 1, b't', 0, 1, 0]),
            ("a message at QoS 1 with the packet id 0", &[0x32, 6, 0, 1, b't', 0, 0, 0]),
        ] {
            assert!(decoded(bytes).is_err(), "{case}: {:?}", decoded(bytes));
        }
        for first in 0..=255_u8 {
            // PINGREQ, PINGRESP and DISCONNECT are the only ones without a body.
            let empty = decoded(&[first, 0]);
            assert_eq!(empty.is_ok(), matches!(first, 0xC0 | 0xD0 | 0xE0), "{first:#x}: {empty:?}");
        }
        // A cheap stand-in for fuzzing: a fixed sequence, every short frame length, every packet type.
        let mut state = 1_u32;
        for round in 0..200_000_u32 {
            let bytes: Vec<u8> = (0..(round % 24))
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            let mut frame = vec![(round % 256) as u8, bytes.len() as u8];
            frame.extend(bytes);
            assert!(!matches!(decoded(&frame), Ok(None)), "a whole frame is never waited for: {frame:?}");
        }
    }
}
