//! MQTT packets on the wire. The codec is rumqttc's; framing, and the packets that it reads or writes wrongly,
//! are done here.

use bytes::{BufMut as _, BytesMut};
use rumqttc::v5::mqttbytes::Error as CodecError;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, Packet, check};

use crate::limits::PACKET_BYTES;

/// What a client sent.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one call; boxing would cost an allocation a packet"
)]
pub(super) enum Incoming {
    Packet(Packet),
    /// DISCONNECT, and whether the client wants its will message to be published.
    Disconnect {
        publish_will: bool,
    },
}

/// Why what a client sent is not a packet.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireFault {
    #[error("it sent a packet of more than {PACKET_BYTES} bytes")]
    TooLarge,
    #[error("it speaks MQTT of protocol level {level}; only MQTT 5 is simulated")]
    Protocol { level: u8 },
    #[error("it sent a malformed packet")]
    Malformed(#[source] Option<CodecError>),
}

/// Takes the next packet out of `buffer`, or `None` when it is not complete yet.
pub(super) fn take_packet(buffer: &mut BytesMut) -> Result<Option<Incoming>, WireFault> {
    let header = match check(buffer.iter(), Some(PACKET_BYTES)) {
        Ok(header) => header,
        Err(CodecError::InsufficientBytes(_)) => return Ok(None),
        Err(CodecError::PayloadSizeLimitExceeded { .. }) => return Err(WireFault::TooLarge),
        Err(error) => return Err(WireFault::Malformed(Some(error))),
    };
    // Cut here, and not by the codec: a packet that ends within a field makes it ask for more bytes for ever.
    let mut frame = buffer.split_to(header.frame_length());
    let first = frame.first().copied().unwrap_or_default();
    if !flags_are_valid(first) {
        return Err(WireFault::Malformed(None));
    }
    if first >> 4 == PACKET_DISCONNECT {
        return read_disconnect(&frame).map(Some);
    }
    match Packet::read(&mut frame, Some(PACKET_BYTES)) {
        Ok(packet) => Ok(Some(Incoming::Packet(packet))),
        Err(CodecError::InvalidProtocolLevel(level)) => Err(WireFault::Protocol { level }),
        // The name of MQTT 3.1 is MQIsdp.
        Err(CodecError::InvalidProtocol) => Err(WireFault::Protocol { level: 3 }),
        Err(error) => Err(WireFault::Malformed(Some(error))),
    }
}

/// Appends a packet to `buffer`. One that the codec cannot write is left out.
pub(super) fn put_packet(buffer: &mut BytesMut, packet: &Packet) {
    let length = buffer.len();
    if let Err(error) = packet.write(buffer, None) {
        tracing::error!(%error, "the codec cannot write a packet: left out");
        buffer.truncate(length);
    }
}

/// Appends a DISCONNECT with no properties. Not by the codec, which writes a wrong length or a wrong reason.
pub(super) fn put_disconnect(buffer: &mut BytesMut, reason: DisconnectReasonCode) {
    buffer.put_slice(&[PACKET_DISCONNECT << 4, 2, reason as u8, 0]);
}

/// Appends the refusal that a client of MQTT 3.1 or 3.1.1 understands: return code 1, unacceptable protocol version.
pub(super) fn put_unacceptable_protocol(buffer: &mut BytesMut) {
    buffer.put_slice(&[0x20, 2, 0, 1]);
}

const PACKET_DISCONNECT: u8 = 14;

/// The low four bits are fixed for all packets but PUBLISH (MQTT 5, section 2.1.3).
fn flags_are_valid(first: u8) -> bool {
    match first >> 4 {
        3 => true,
        6 | 8 | 10 => first & 0x0f == 2,
        _ => first & 0x0f == 0,
    }
}

/// Reads a DISCONNECT. Not by the codec, which refuses the shortest form, without reason code or properties.
fn read_disconnect(frame: &[u8]) -> Result<Incoming, WireFault> {
    let reason = match frame {
        [_, 0] => 0,
        // The length of the rest, then the reason code; long lengths (properties) end with a byte below 0x80.
        [_, length, reason, ..] if *length < 0x80 => *reason,
        [_, _, length, reason, ..] if *length < 0x80 => *reason,
        [_, _, _, length, reason, ..] if *length < 0x80 => *reason,
        _ => return Err(WireFault::Malformed(None)),
    };
    // 4 is "disconnect with will message", any error code implies it (MQTT 5, section 3.14.2.1).
    Ok(Incoming::Disconnect { publish_will: reason != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disconnect_is_read_in_every_form() {
        let cases: &[(&str, &[u8], bool)] = &[
            ("shortest", &[0xe0, 0], false),
            ("reason only", &[0xe0, 1, 4], true),
            ("reason and no properties", &[0xe0, 2, 0, 0], false),
        ];
        for (name, bytes, will) in cases {
            match take_packet(&mut BytesMut::from(*bytes)) {
                Ok(Some(Incoming::Disconnect { publish_will })) => assert_eq!(publish_will, *will, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_packet_that_ends_within_a_field_is_malformed_and_not_incomplete() {
        // A CONNECT whose client id says that it is longer than the packet.
        let connect = [0x10, 0x0d, 0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 30, 0, 0xff, 0xff];
        assert!(matches!(take_packet(&mut BytesMut::from(&connect[..])), Err(WireFault::Malformed(_))));
    }

    #[test]
    fn random_bytes_never_panic() {
        // A fixed pseudo-random sequence (xorshift), so that a failure can be repeated.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..100_000 {
            let length = (next() % 60) as usize;
            let mut frame = vec![(next() % 256) as u8, length as u8];
            frame.extend((0..length).map(|_| (next() % 256) as u8));
            let _ = take_packet(&mut BytesMut::from(frame.as_slice()));
        }
    }
}
