//! MQTT 5 packets on the wire. The codec is that of `mqtt5-protocol`, which shares nothing with the clients under test.
//! Framing, and the rules that the codec leaves to its user, are here.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use mqtt5_protocol::encoding::decode_variable_int;
use mqtt5_protocol::packet::{MqttPacket, Packet};
use mqtt5_protocol::{FixedHeader, MqttError, PacketType, Properties, PropertyId, PropertyValue, ReasonCode};

use crate::limits::PACKET_BYTES;

/// Why what a client sent is not a packet.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireFault {
    #[error("it sent a packet of more than {PACKET_BYTES} bytes")]
    TooLarge,
    #[error("it speaks {name}; only MQTT 5 is simulated", name = protocol_name(*level))]
    Protocol { level: u8 },
    #[error("it sent a malformed packet: {0}")]
    Malformed(String),
    #[error("it broke the protocol: {0}")]
    ProtocolError(String),
}

impl WireFault {
    /// What CONNACK or DISCONNECT says of it.
    pub(super) fn reason_code(&self) -> ReasonCode {
        match self {
            Self::TooLarge => ReasonCode::PacketTooLarge,
            Self::Protocol { .. } => ReasonCode::UnsupportedProtocolVersion,
            Self::Malformed(_) => ReasonCode::MalformedPacket,
            Self::ProtocolError(_) => ReasonCode::ProtocolError,
        }
    }
}

/// Takes the next packet out of `buffer`, or `None` when it is not complete yet.
pub(super) fn take_packet(buffer: &mut BytesMut) -> Result<Option<Packet>, WireFault> {
    let Some(frame) = take_frame(buffer)? else { return Ok(None) };
    let mut body = frame.clone();
    let header = FixedHeader::decode(&mut body).map_err(malformed)?;
    if header.packet_type == PacketType::Connect {
        check_protocol(&body)?;
    }
    let packet = Packet::decode_from_body(header.packet_type, &header, &mut body).map_err(malformed)?;
    if body.has_remaining() {
        return Err(WireFault::Malformed("it has bytes after its last field".to_owned()));
    }
    check(&packet)?;
    Ok(Some(packet))
}

/// Appends a packet to `buffer`. One that the codec cannot write is left out.
pub(super) fn put_packet(buffer: &mut BytesMut, packet: &impl MqttPacket) {
    let length = buffer.len();
    if let Err(error) = packet.encode(buffer) {
        tracing::error!(%error, "the codec cannot write a packet: left out");
        buffer.truncate(length);
    }
}

/// Appends the refusal that a client of MQTT 3.1 or 3.1.1 understands: return code 1, unacceptable protocol version.
pub(super) fn put_unacceptable_protocol(buffer: &mut BytesMut) {
    buffer.put_slice(&[0x20, 2, 0, 1]);
}

/// Takes one packet's bytes, header included. The codec needs all of them and no more.
fn take_frame(buffer: &mut BytesMut) -> Result<Option<Bytes>, WireFault> {
    // The fixed header is one byte and a length of one to four bytes (MQTT 5, section 2.1).
    let lengths = buffer.get(1..).unwrap_or_default();
    let Some(last) = lengths.iter().take(4).position(|byte| *byte < 0x80) else {
        return if lengths.len() < 4 { Ok(None) } else { Err(WireFault::Malformed("its length".to_owned())) };
    };
    let mut length = lengths.get(..=last).unwrap_or_default();
    let remaining = decode_variable_int(&mut length).map_err(malformed)?;
    let total = usize::try_from(remaining).unwrap_or(usize::MAX).saturating_add(last + 2);
    if total > PACKET_BYTES as usize {
        return Err(WireFault::TooLarge);
    }
    Ok((buffer.len() >= total).then(|| buffer.split_to(total).freeze()))
}

/// Recognizes older protocols before the codec reads what looks different there.
fn check_protocol(body: &[u8]) -> Result<(), WireFault> {
    match body {
        [0, 4, b'M', b'Q', b'T', b'T', 5, ..] => Ok(()),
        [0, 4, b'M', b'Q', b'T', b'T', level, ..] => Err(WireFault::Protocol { level: *level }),
        [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', ..] => Err(WireFault::Protocol { level: 3 }),
        _ => Err(WireFault::Malformed("its protocol name is not MQTT".to_owned())),
    }
}

fn protocol_name(level: u8) -> String {
    match level {
        3 => "MQTT 3.1 (protocol level 3)".to_owned(),
        4 => "MQTT 3.1.1 (protocol level 4)".to_owned(),
        other => format!("MQTT of protocol level {other}"),
    }
}

/// The rules on a client's packets that the codec does not check.
fn check(packet: &Packet) -> Result<(), WireFault> {
    use PropertyId as Id;
    let zero_id = |id: u16| id == 0;
    let (properties, allowed, zero_id): (&Properties, &[Id], bool) = match packet {
        Packet::Connect(connect) => {
            check_properties(&connect.will_properties, &WILL)?;
            (&connect.properties, &CONNECT, false)
        }
        Packet::Publish(publish) => (&publish.properties, &PUBLISH, publish.packet_id == Some(0)),
        Packet::PubAck(ack) => {
            (&ack.properties, &[Id::ReasonString, Id::UserProperty], zero_id(ack.packet_id))
        }
        Packet::Subscribe(subscribe) => (
            &subscribe.properties,
            &[Id::SubscriptionIdentifier, Id::UserProperty],
            zero_id(subscribe.packet_id),
        ),
        Packet::Unsubscribe(unsubscribe) => {
            (&unsubscribe.properties, &[Id::UserProperty], zero_id(unsubscribe.packet_id))
        }
        Packet::Disconnect(disconnect) => {
            (&disconnect.properties, &[Id::SessionExpiryInterval, Id::ReasonString, Id::UserProperty], false)
        }
        _ => return Ok(()),
    };
    if zero_id {
        return Err(WireFault::ProtocolError("packet identifier 0 (MQTT 5, section 2.2.1)".to_owned()));
    }
    check_properties(properties, allowed)
}

/// CONNECT (MQTT 5, section 3.1.2.11).
const CONNECT: [PropertyId; 9] = [
    PropertyId::SessionExpiryInterval,
    PropertyId::ReceiveMaximum,
    PropertyId::MaximumPacketSize,
    PropertyId::TopicAliasMaximum,
    PropertyId::RequestResponseInformation,
    PropertyId::RequestProblemInformation,
    PropertyId::UserProperty,
    PropertyId::AuthenticationMethod,
    PropertyId::AuthenticationData,
];

/// The will message of CONNECT (MQTT 5, section 3.1.3.2).
const WILL: [PropertyId; 7] = [
    PropertyId::WillDelayInterval,
    PropertyId::PayloadFormatIndicator,
    PropertyId::MessageExpiryInterval,
    PropertyId::ContentType,
    PropertyId::ResponseTopic,
    PropertyId::CorrelationData,
    PropertyId::UserProperty,
];

/// PUBLISH from a client (MQTT 5, section 3.3.2.3): a subscription identifier is the server's to send.
const PUBLISH: [PropertyId; 7] = [
    PropertyId::PayloadFormatIndicator,
    PropertyId::MessageExpiryInterval,
    PropertyId::TopicAlias,
    PropertyId::ResponseTopic,
    PropertyId::CorrelationData,
    PropertyId::UserProperty,
    PropertyId::ContentType,
];

fn check_properties(properties: &Properties, allowed: &[PropertyId]) -> Result<(), WireFault> {
    for (id, value) in properties.iter() {
        if !allowed.contains(&id) {
            return Err(WireFault::ProtocolError(format!("property {id:?} does not belong in this packet")));
        }
        let in_range = match (id, value) {
            (PropertyId::ReceiveMaximum, PropertyValue::TwoByteInteger(maximum)) => *maximum > 0,
            (PropertyId::MaximumPacketSize, PropertyValue::FourByteInteger(maximum)) => *maximum > 0,
            // The properties of one byte that a client sends are all 0 or 1.
            (_, PropertyValue::Byte(flag)) => *flag <= 1,
            _ => true,
        };
        if !in_range {
            return Err(WireFault::ProtocolError(format!("property {id:?} has a value that is not allowed")));
        }
    }
    let authentication_data_alone = properties.contains(PropertyId::AuthenticationData)
        && !properties.contains(PropertyId::AuthenticationMethod);
    if authentication_data_alone {
        return Err(WireFault::ProtocolError("authentication data without a method".to_owned()));
    }
    Ok(())
}

fn malformed(error: MqttError) -> WireFault {
    match error {
        MqttError::MalformedPacket(reason) => WireFault::Malformed(reason),
        other => WireFault::Malformed(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
