//! MQTT 5 packets, byte by byte.

use std::collections::BTreeMap;

pub(crate) const PING: [u8; 2] = [0xc0, 0];
pub(crate) const PONG: [u8; 2] = [0xd0, 0];
/// The longest keep alive that AWS IoT takes, in seconds: no test has to ping, however slow the machine is.
pub(crate) const KEEP_ALIVE: u16 = 1200;

/// CONNECT with a clean start.
pub(crate) fn connect(client_id: &str, keep_alive: u16) -> Vec<u8> {
    connect_with(client_id, keep_alive, &[], None)
}

/// CONNECT with properties (without their length) and a will (topic, payload).
pub(crate) fn connect_with(
    client_id: &str,
    keep_alive: u16,
    properties: &[u8],
    will: Option<(&str, &str)>,
) -> Vec<u8> {
    connect_flagged(if will.is_some() { 0x06 } else { 0x02 }, client_id, keep_alive, properties, will)
}

/// CONNECT for a session that is kept for `expiry` seconds, with a clean start or without.
pub(crate) fn connect_kept(client_id: &str, clean_start: bool, expiry: u32) -> Vec<u8> {
    let [a, b, c, d] = expiry.to_be_bytes();
    connect_flagged(if clean_start { 0x02 } else { 0 }, client_id, KEEP_ALIVE, &[0x11, a, b, c, d], None)
}

/// CONNECT for a session that is kept for `expiry` seconds, with a will that has properties.
pub(crate) fn connect_with_will(
    client_id: &str,
    expiry: u32,
    will_properties: &[u8],
    topic: &str,
    payload: &str,
) -> Vec<u8> {
    let [a, b, c, d] = expiry.to_be_bytes();
    let will = Some((will_properties, topic, payload));
    connect_packet(0x06, client_id, KEEP_ALIVE, &[0x11, a, b, c, d], will)
}

fn connect_flagged(
    flags: u8,
    client_id: &str,
    keep_alive: u16,
    properties: &[u8],
    will: Option<(&str, &str)>,
) -> Vec<u8> {
    let will = will.map(|(topic, payload)| (&[] as &[u8], topic, payload));
    connect_packet(flags, client_id, keep_alive, properties, will)
}

fn connect_packet(
    flags: u8,
    client_id: &str,
    keep_alive: u16,
    properties: &[u8],
    will: Option<(&[u8], &str, &str)>,
) -> Vec<u8> {
    let mut body = string("MQTT");
    body.extend([5, flags]);
    body.extend(keep_alive.to_be_bytes());
    body.push(u8::try_from(properties.len()).expect("short properties"));
    body.extend(properties);
    body.extend(string(client_id));
    if let Some((properties, topic, payload)) = will {
        body.push(u8::try_from(properties.len()).expect("short properties"));
        body.extend(properties);
        body.extend(string(topic));
        body.extend(string(payload));
    }
    packet(0x10, &body)
}

/// SUBSCRIBE with filters and their options.
pub(crate) fn subscribe(id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    body.push(0);
    for (filter, options) in filters {
        body.extend(string(filter));
        body.push(*options);
    }
    packet(0x82, &body)
}

/// PUBLISH; `id` 0 is QoS 0, another one QoS 1.
pub(crate) fn publish(topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    publish_flagged(if id == 0 { 0x30 } else { 0x32 }, topic, id, &[], payload)
}

/// PUBLISH with its first byte and properties as given.
pub(crate) fn publish_flagged(first: u8, topic: &str, id: u16, properties: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut body = string(topic);
    if id != 0 {
        body.extend(id.to_be_bytes());
    }
    body.push(u8::try_from(properties.len()).expect("short properties"));
    body.extend(properties);
    body.extend(payload);
    packet(first, &body)
}

/// The properties of a CONNACK, by their identifiers (MQTT 5, section 3.2.2.3); strings as bytes.
pub(crate) fn connack_properties(connack: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let mut rest = &connack[5..];
    assert_eq!(rest.len(), usize::from(connack[4]), "one byte of property length");
    let mut properties = BTreeMap::new();
    while let [identifier, after @ ..] = rest {
        let length = match identifier {
            0x11 | 0x27 => 4,
            0x13 | 0x21 | 0x22 => 2,
            0x24 | 0x25 | 0x28 | 0x29 | 0x2a => 1,
            0x12 => 2 + usize::from(after[1]),
            other => panic!("property {other:#x} was not expected"),
        };
        properties.insert(*identifier, after[..length].to_vec());
        rest = &after[length..];
    }
    properties
}

/// Any packet, from its first byte and its body.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let byte = u8::try_from(length % 128).expect("seven bits");
        length /= 128;
        packet.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).expect("a short text").to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}
