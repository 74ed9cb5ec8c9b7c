//! What MQTT 5 allows a server to send. rumqttc 0.25.1 checks little of it, so each packet is checked here first.

use std::ops::RangeInclusive;

use super::ProtocolError;

/// Reason codes of the DISCONNECT that answers a fault (MQTT 5, section 3.14.2.1).
const MALFORMED: u8 = 0x81;
const PROTOCOL_ERROR: u8 = 0x82;
const TOPIC_NAME_INVALID: u8 = 0x90;
const TOPIC_ALIAS_INVALID: u8 = 0x94;

/// Packet types: the upper half of the first byte (MQTT 5, section 2.1.2).
const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBACK: u8 = 9;
const UNSUBACK: u8 = 11;
const PINGRESP: u8 = 13;
const DISCONNECT: u8 = 14;
const NAMES: [&str; 16] = [
    "a packet of the reserved type 0",
    "a CONNECT",
    "a CONNACK",
    "a PUBLISH",
    "a PUBACK",
    "a PUBREC",
    "a PUBREL",
    "a PUBCOMP",
    "a SUBSCRIBE",
    "a SUBACK",
    "an UNSUBSCRIBE",
    "an UNSUBACK",
    "a PINGREQ",
    "a PINGRESP",
    "a DISCONNECT",
    "an AUTH",
];

/// What a property may hold.
enum Value {
    /// An integer: its bytes, and what it may be.
    Integer(usize, RangeInclusive<usize>),
    /// A variable byte integer that is not 0.
    Identifier,
    /// This client allows no topic alias: its CONNECT has no Topic Alias Maximum (section 3.1.2.11.5).
    Alias,
    Text,
    /// A text without wildcards.
    Topic,
    Binary,
    /// Two texts.
    Pair,
}

const FLAG: Value = Value::Integer(1, 0..=1);
const TWO_BYTES: Value = Value::Integer(2, 0..=0xFFFF);
const FOUR_BYTES: Value = Value::Integer(4, 0..=0xFFFF_FFFF);

/// Number, name, value, and in which packets a server may send the property (MQTT 5, section 2.2.2.2).
type Property = (u8, &'static str, Value, &'static [u8]);
const PROPERTIES: [Property; 20] = [
    (0x01, "payload format indicator", FLAG, &[PUBLISH]),
    (0x02, "message expiry interval", FOUR_BYTES, &[PUBLISH]),
    (0x03, "content type", Value::Text, &[PUBLISH]),
    (0x08, "response topic", Value::Topic, &[PUBLISH]),
    (0x09, "correlation data", Value::Binary, &[PUBLISH]),
    (0x0B, "subscription identifier", Value::Identifier, &[PUBLISH]),
    (0x11, "session expiry interval", FOUR_BYTES, &[CONNACK]),
    (0x12, "assigned client identifier", Value::Text, &[CONNACK]),
    (0x13, "server keep alive", TWO_BYTES, &[CONNACK]),
    (0x1A, "response information", Value::Text, &[CONNACK]),
    (0x1C, "server reference", Value::Text, &[CONNACK, DISCONNECT]),
    (0x1F, "reason string", Value::Text, &[CONNACK, PUBACK, SUBACK, UNSUBACK, DISCONNECT]),
    (0x21, "receive maximum", Value::Integer(2, 1..=0xFFFF), &[CONNACK]),
    (0x22, "topic alias maximum", TWO_BYTES, &[CONNACK]),
    (0x23, "topic alias", Value::Alias, &[PUBLISH]),
    (0x24, "maximum QoS", FLAG, &[CONNACK]),
    (0x25, "retain available", FLAG, &[CONNACK]),
    (0x26, "user property", Value::Pair, &[CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, DISCONNECT]),
    (0x27, "maximum packet size", Value::Integer(4, 1..=0xFFFF_FFFF), &[CONNACK]),
    (0x28, "wildcard, subscription identifier or shared subscription available", FLAG, &[CONNACK]),
];

/// The properties that a packet may have several times (sections 3.3.2.3.7 and 3.3.2.3.8).
const REPEATABLE: [usize; 2] = [0x26, 0x0B];

/// Whether the packet acknowledges one of this client, rightly or not.
pub(super) fn is_answer(first: u8) -> bool {
    matches!(first >> 4, PUBACK..=7 | SUBACK | UNSUBACK)
}

/// A packet with that first byte that cannot be read.
pub(super) fn malformed(first: u8, why: impl AsRef<str>) -> ProtocolError {
    Fields { packet: first >> 4, rest: &[] }.malformed(why)
}

/// Checks a whole packet, of which `body` is what follows the length. Returns its reason codes, if it has any.
pub(super) fn check(first: u8, body: &[u8]) -> Result<&[u8], ProtocolError> {
    let (packet, flags) = (first >> 4, first & 0x0F);
    let mut fields = Fields { packet, rest: body };
    match packet {
        0 => return Err(fields.malformed("no packet has this type")),
        CONNACK | PUBLISH | PUBACK | SUBACK | UNSUBACK | PINGRESP | DISCONNECT => {}
        5..=7 => {
            return Err(fields.not_allowed("it belongs to QoS 2, which this client does not use"));
        }
        15 => {
            return Err(fields.not_allowed("this client has named no authentication method in its CONNECT"));
        }
        _ => return Err(fields.not_allowed("only a client sends it")),
    }
    if packet != PUBLISH && flags != 0 {
        return Err(fields.malformed(format!("its first byte is {first:#04x}")));
    }
    let mut reasons = &[][..];
    match packet {
        PUBLISH => {
            fields.publish(flags)?;
            return Ok(reasons);
        }
        // Flags and return code, packet id and return code: what MQTT 3.1.1 has there.
        CONNACK | UNSUBACK if body.len() == 2 => return Err(fields.mqtt_3()),
        SUBACK if body.len() == 3 => return Err(fields.mqtt_3()),
        CONNACK => {
            if fields.integer(1)? > 1 {
                return Err(fields.malformed("its reserved flags are not 0"));
            }
            reasons = fields.take(1)?;
            fields.properties()?;
        }
        PUBACK => {
            fields.packet_id()?;
            reasons = fields.reason_and_properties()?;
        }
        SUBACK | UNSUBACK => {
            fields.packet_id()?;
            fields.properties()?;
            if fields.rest.is_empty() {
                return Err(fields.malformed("it has no reason code"));
            }
            return Ok(fields.rest);
        }
        DISCONNECT => reasons = fields.reason_and_properties()?,
        _ => {}
    }
    if fields.rest.is_empty() { Ok(reasons) } else { Err(fields.malformed("it is longer than its fields")) }
}

/// The fields of a packet that were not read yet.
struct Fields<'a> {
    packet: u8,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn publish(&mut self, flags: u8) -> Result<(), ProtocolError> {
        let qos = (flags >> 1) & 0b11;
        match (qos, flags & 0b1000) {
            (0, 0) | (1, _) => {}
            (0, _) => return Err(self.malformed("it is a duplicate with QoS 0")),
            (2, _) => return Err(self.not_allowed("its QoS is 2, which was not asked for")),
            _ => return Err(self.malformed("its QoS is 3")),
        }
        let topic = self.text("topic")?;
        if qos > 0 {
            self.packet_id()?;
        }
        // A topic alias, which might stand for a topic, is refused there.
        self.properties()?;
        if topic.is_empty() {
            return Err(self.not_allowed("it has neither a topic nor a topic alias"));
        }
        if topic.contains(['+', '#']) {
            let what = format!("a PUBLISH whose topic '{topic}' is not a topic: it has wildcards");
            return Err(ProtocolError::new(TOPIC_NAME_INVALID, what));
        }
        Ok(())
    }

    fn packet_id(&mut self) -> Result<(), ProtocolError> {
        match self.integer(2)? {
            0 => Err(self.not_allowed("its packet identifier is 0")),
            _ => Ok(()),
        }
    }

    /// Both may be missing at the end (MQTT 5, sections 3.4.2.1 and 3.14.2.1).
    fn reason_and_properties(&mut self) -> Result<&'a [u8], ProtocolError> {
        let reason = self.take(self.rest.len().min(1))?;
        if !self.rest.is_empty() {
            self.properties()?;
        }
        Ok(reason)
    }

    fn properties(&mut self) -> Result<(), ProtocolError> {
        let length = self.variable_integer()?;
        let properties = self.take(length)?;
        let mut properties = Fields { packet: self.packet, rest: properties };
        let mut seen = 0_u64;
        while !properties.rest.is_empty() {
            let number = properties.variable_integer()?;
            properties.property(number)?;
            // One bit for each property: their numbers end at 0x2A.
            if !REPEATABLE.contains(&number) {
                if seen & (1 << number) != 0 {
                    return Err(self.not_allowed(format!("its property {number:#04x} is there twice")));
                }
                seen |= 1 << number;
            }
        }
        Ok(())
    }

    fn property(&mut self, number: usize) -> Result<(), ProtocolError> {
        // Three in one row of the table.
        let row = if matches!(number, 0x29 | 0x2A) { 0x28 } else { number };
        let known = PROPERTIES.iter().find(|known| usize::from(known.0) == row);
        let Some((_, name, value, _)) = known.filter(|known| known.3.contains(&self.packet)) else {
            let why = format!("it has a property {number:#04x} that is not allowed there");
            // A server may never send these in packets that may have them from a client (MQTT-3.14.2-2, MQTT-4.12.0-6).
            return Err(match (self.packet, number) {
                (DISCONNECT, 0x11) | (CONNACK, 0x15 | 0x16) => self.not_allowed(why),
                _ => self.malformed(why),
            });
        };
        match value {
            Value::Integer(bytes, allowed) => {
                let integer = self.integer(*bytes)?;
                if !allowed.contains(&integer) {
                    return Err(self.not_allowed(format!("its {name} is {integer}")));
                }
            }
            Value::Identifier => {
                if self.variable_integer()? == 0 {
                    return Err(self.not_allowed(format!("its {name} is 0")));
                }
            }
            Value::Alias => {
                let alias = self.integer(2)?;
                let what = format!("a PUBLISH with the topic alias {alias}, and this client allows none");
                return Err(ProtocolError::new(TOPIC_ALIAS_INVALID, what));
            }
            Value::Text => drop(self.text(name)?),
            Value::Topic => {
                let topic = self.text(name)?;
                if topic.is_empty() || topic.contains(['+', '#']) {
                    return Err(self.not_allowed(format!("its {name} '{topic}' is not a topic")));
                }
            }
            Value::Binary => {
                let length = self.integer(2)?;
                self.take(length)?;
            }
            Value::Pair => {
                self.text(name)?;
                self.text(name)?;
            }
        }
        Ok(())
    }

    /// A UTF-8 string (MQTT 5, section 1.5.4).
    fn text(&mut self, name: &str) -> Result<&'a str, ProtocolError> {
        let length = self.integer(2)?;
        let bytes = self.take(length)?;
        match str::from_utf8(bytes) {
            Ok(text) if text.contains('\0') => {
                Err(self.malformed(format!("its {name} has a NUL character in it")))
            }
            Ok(text) => Ok(text),
            Err(_) => Err(self.malformed(format!("its {name} is not UTF-8"))),
        }
    }

    /// A variable byte integer, in the fewest bytes (MQTT 5, section 1.5.5).
    fn variable_integer(&mut self) -> Result<usize, ProtocolError> {
        let mut number = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.integer(1)?;
            number |= (byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(number);
            }
        }
        Err(self.malformed("a length in it is not a variable byte integer"))
    }

    /// An integer of at most four bytes.
    fn integer(&mut self, bytes: usize) -> Result<usize, ProtocolError> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], ProtocolError> {
        let Some((taken, rest)) = self.rest.split_at_checked(bytes) else {
            return Err(self.malformed("it ends in the middle of a field"));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn malformed(&self, why: impl AsRef<str>) -> ProtocolError {
        ProtocolError::new(MALFORMED, format!("{} that cannot be read: {}", self.name(), why.as_ref()))
    }

    fn mqtt_3(&self) -> ProtocolError {
        self.malformed("it is too short for MQTT 5; it may be one of MQTT 3.1.1")
    }

    fn not_allowed(&self, why: impl AsRef<str>) -> ProtocolError {
        let what = format!("{} that MQTT 5 does not allow: {}", self.name(), why.as_ref());
        ProtocolError::new(PROTOCOL_ERROR, what)
    }

    fn name(&self) -> &'static str {
        NAMES.get(usize::from(self.packet)).unwrap_or(&"a packet")
    }
}
