//! The MQTT packets that a case reads and writes, versions 3.1.1 and 5.
//!
//! Written for the judge alone, from the two standards: what it thinks of a packet must not come from the code that it judges.

use std::fmt;

/// The protocol level that CONNECT names for MQTT 5 (MQTT 5, section 3.1.2.2). Version 3.1.1 has 4.
pub(crate) const MQTT_5: u8 = 5;

/// A packet from the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    /// CONNECT.
    Connect(Connect),
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK, with its packet identifier.
    PubAck(u16),
    /// SUBSCRIBE.
    Subscribe(Subscribe),
    /// UNSUBSCRIBE: packet identifier and number of filters.
    Unsubscribe(u16, usize),
    /// PINGREQ.
    PingReq,
    /// DISCONNECT, with its reason code.
    Disconnect(u8),
    /// Any other packet, by its type.
    Other(u8),
}

/// What a case looks at in a CONNECT packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connect {
    /// 4 (MQTT 3.1.1) or 5.
    pub(crate) level: u8,
    /// Clean Start, or Clean Session.
    pub(crate) clean: bool,
    /// Seconds.
    pub(crate) keep_alive: u16,
    /// Seconds; MQTT 5 only.
    pub(crate) session_expiry: u32,
    /// The client identifier.
    pub(crate) client_id: String,
}

/// What a case looks at in a PUBLISH packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publish {
    /// The topic name.
    pub(crate) topic: String,
    /// 0, 1 or 2.
    pub(crate) qos: u8,
    /// The packet identifier, where the QoS is not 0.
    pub(crate) id: Option<u16>,
    /// The RETAIN flag.
    pub(crate) retain: bool,
    /// The DUP flag.
    pub(crate) duplicate: bool,
    /// Whether it carries a user property (MQTT 5, section 3.3.2.3.7).
    pub(crate) user_property: bool,
    /// The payload.
    pub(crate) payload: Vec<u8>,
}

/// What a case looks at in a SUBSCRIBE packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscribe {
    /// The packet identifier.
    pub(crate) id: u16,
    /// Each topic filter with its maximum QoS.
    pub(crate) filters: Vec<(String, u8)>,
}

/// Why bytes are no packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a malformed packet: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// Takes one packet from the front of `buffer`, or nothing while it is not complete. `level` is what CONNECT has named.
///
/// # Errors
/// The bytes are no MQTT packet.
pub(crate) fn take(buffer: &mut Vec<u8>, level: u8) -> Result<Option<Packet>, Malformed> {
    let mut reader = Reader(buffer);
    let (Some(first), Ok(length)) = (reader.byte(), reader.variable_byte_integer()) else {
        return if buffer.len() < 5 { Ok(None) } else { Err(Malformed("the remaining length")) };
    };
    let header = buffer.len() - reader.0.len();
    let Some(body) = reader.bytes(length) else { return Ok(None) };
    let packet = parse(first, Reader(body), level)?;
    buffer.drain(..header + length);
    Ok(Some(packet))
}

fn parse(first: u8, mut body: Reader<'_>, level: u8) -> Result<Packet, Malformed> {
    let cut = Malformed("it ends too early");
    Ok(match first >> 4 {
        1 => Packet::Connect(connect(body)?),
        3 => {
            let qos = (first >> 1) & 3;
            let topic = body.string()?;
            let id = if qos > 0 { Some(body.u16().ok_or(cut.clone())?) } else { None };
            let user_property = level == MQTT_5 && body.properties()?.contains(&0x26);
            let (retain, duplicate) = (first & 1 != 0, first & 8 != 0);
            Packet::Publish(Publish {
                topic,
                qos,
                id,
                retain,
                duplicate,
                user_property,
                payload: body.0.to_owned(),
            })
        }
        4 => Packet::PubAck(body.u16().ok_or(cut)?),
        8 => {
            let id = body.u16().ok_or(cut.clone())?;
            if level == MQTT_5 {
                body.properties()?;
            }
            let mut filters = Vec::new();
            while !body.0.is_empty() {
                filters.push((body.string()?, body.byte().ok_or(cut.clone())? & 3));
            }
            Packet::Subscribe(Subscribe { id, filters })
        }
        10 => {
            let id = body.u16().ok_or(cut)?;
            if level == MQTT_5 {
                body.properties()?;
            }
            let mut filters = 0;
            while !body.0.is_empty() {
                body.string()?;
                filters += 1;
            }
            Packet::Unsubscribe(id, filters)
        }
        12 => Packet::PingReq,
        14 => Packet::Disconnect(body.byte().unwrap_or(0)),
        other => Packet::Other(other),
    })
}

fn connect(mut body: Reader<'_>) -> Result<Connect, Malformed> {
    let cut = Malformed("CONNECT ends too early");
    if body.string()? != "MQTT" {
        return Err(Malformed("CONNECT does not name the protocol MQTT"));
    }
    let level = body.byte().ok_or(cut.clone())?;
    let flags = body.byte().ok_or(cut.clone())?;
    let keep_alive = body.u16().ok_or(cut)?;
    let session_expiry = if level == MQTT_5 { body.session_expiry()? } else { 0 };
    Ok(Connect { level, clean: flags & 2 != 0, keep_alive, session_expiry, client_id: body.string()? })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    fn variable_byte_integer(&mut self) -> Result<usize, Malformed> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte().ok_or(Malformed("a length is cut"))?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("a length of more than four bytes"))
    }

    fn string(&mut self) -> Result<String, Malformed> {
        let length = self.u16().ok_or(Malformed("a string's length is cut"))?;
        let bytes = self.bytes(usize::from(length)).ok_or(Malformed("a string is cut"))?;
        String::from_utf8(bytes.to_owned()).map_err(|_| Malformed("a string is not UTF-8"))
    }

    /// Skips the properties, and returns their identifiers (MQTT 5, section 2.2.2.2).
    fn properties(&mut self) -> Result<Vec<u8>, Malformed> {
        let mut ids = Vec::new();
        self.each_property(|id, _| ids.push(id))?;
        Ok(ids)
    }

    fn session_expiry(&mut self) -> Result<u32, Malformed> {
        let mut expiry = 0;
        self.each_property(|id, value| {
            if id == 0x11 {
                expiry = Reader(value).u32().unwrap_or(0);
            }
        })?;
        Ok(expiry)
    }

    fn each_property(&mut self, mut each: impl FnMut(u8, &[u8])) -> Result<(), Malformed> {
        let cut = Malformed("the properties are cut");
        let length = self.variable_byte_integer()?;
        let mut properties = Reader(self.bytes(length).ok_or(cut.clone())?);
        while let Some(id) = properties.byte() {
            let before = properties.0;
            match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => drop(properties.byte().ok_or(cut.clone())?),
                0x13 | 0x21..=0x23 => drop(properties.u16().ok_or(cut.clone())?),
                0x02 | 0x11 | 0x18 | 0x27 => drop(properties.u32().ok_or(cut.clone())?),
                0x0b => drop(properties.variable_byte_integer()?),
                0x26 => drop((properties.string()?, properties.string()?)),
                0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => {
                    let length = properties.u16().ok_or(cut.clone())?;
                    properties.bytes(usize::from(length)).ok_or(cut.clone())?;
                }
                _ => return Err(Malformed("an unknown property")),
            }
            each(id, before.get(..before.len() - properties.0.len()).unwrap_or_default());
        }
        Ok(())
    }
}

/// CONNACK: accepted.
pub(crate) fn connack(level: u8, session_present: bool) -> Vec<u8> {
    let mut body = vec![u8::from(session_present), 0];
    if level == MQTT_5 {
        body.push(0);
    }
    frame(0x20, &body)
}

/// PUBACK: success.
pub(crate) fn puback(id: u16) -> Vec<u8> {
    frame(0x40, &id.to_be_bytes())
}

/// SUBACK: each filter at the QoS that was asked for.
pub(crate) fn suback(level: u8, subscribe: &Subscribe) -> Vec<u8> {
    let mut body = subscribe.id.to_be_bytes().to_vec();
    if level == MQTT_5 {
        body.push(0);
    }
    body.extend(subscribe.filters.iter().map(|(_, qos)| (*qos).min(1)));
    frame(0x90, &body)
}

/// UNSUBACK: success for each filter.
pub(crate) fn unsuback(level: u8, id: u16, filters: usize) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if level == MQTT_5 {
        body.push(0);
        body.resize(body.len() + filters, 0);
    }
    frame(0xb0, &body)
}

/// PINGRESP.
pub(crate) fn pingresp() -> Vec<u8> {
    frame(0xd0, &[])
}

/// PUBLISH at QoS 1.
pub(crate) fn publish(level: u8, topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = (topic.len() as u16).to_be_bytes().to_vec();
    body.extend(topic.as_bytes());
    body.extend(id.to_be_bytes());
    if level == MQTT_5 {
        body.push(0);
    }
    body.extend(payload);
    frame(0x32, &body)
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let digit = (length % 128) as u8;
        length /= 128;
        packet.push(if length > 0 { digit | 0x80 } else { digit });
        if length == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_packet_of_the_standard_is_read() {
        // MQTT 5, figure 3-6's variable header, with a client identifier "a" behind it.
        let mut bytes =
            vec![0x10, 19, 0, 4, b'M', b'Q', b'T', b'T', 5, 0b10, 0, 10, 5, 0x11, 0, 0, 0, 10, 0, 1, b'a'];
        let expected =
            Connect { level: 5, clean: true, keep_alive: 10, session_expiry: 10, client_id: "a".into() };
        assert_eq!(take(&mut bytes, 5), Ok(Some(Packet::Connect(expected))));
        assert!(bytes.is_empty());
    }

    #[test]
    fn what_is_written_is_read() {
        for level in [4, 5] {
            let mut bytes = publish(level, "a/b", 7, &[1; 200]);
            let Ok(Some(Packet::Publish(read))) = take(&mut bytes, level) else { panic!("level {level}") };
            assert_eq!((read.topic.as_str(), read.id, read.payload.len()), ("a/b", Some(7), 200));
        }
    }

    #[test]
    fn an_incomplete_packet_waits_and_a_broken_one_is_refused() {
        let whole = publish(5, "a", 1, b"x");
        for end in 0..whole.len() {
            assert_eq!(take(&mut whole[..end].to_vec(), 5), Ok(None), "{end}");
        }
        assert!(take(&mut vec![0x30, 0xff, 0xff, 0xff, 0xff, 1], 5).is_err());
        assert!(take(&mut vec![0x30, 2, 0, 9], 5).is_err());
    }
}
