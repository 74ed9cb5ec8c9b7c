//! What a server may send, and what it must not: bytes of every packet type, for the tests with random sequences.

use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes from the server: packets of every type, right and wrong, empty ones, and no packets at all.
pub(super) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => publish(),
        6 => acknowledgement(),
        2 => empty(),
        2 => of_the_client(),
        1 => (any::<u8>(), vec(any::<u8>(), 0..20)).prop_map(|(first, body)| frame(first, &body)),
        1 => vec(any::<u8>(), 0..20),
    ]
}

/// Any flags, so also QoS 2 and 3, DUP at any time, ids that are 0 or in use, topics that are none.
fn publish() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop_oneof![4 => Just(0b0000_u8), 8 => Just(0b0010), 4 => Just(0b1010), 1 => 0_u8..16];
    let topic = prop_oneof![12 => Just("t/1"), 4 => Just("other"), 1 => Just("#"), 1 => Just("")];
    (flags, topic, id(), 0_usize..300).prop_map(|(flags, topic, id, payload)| {
        let mut body = vec![0, topic.len() as u8];
        body.extend(topic.bytes());
        if flags & 0b0110 != 0 {
            body.extend(id.to_be_bytes());
        }
        body.push(0);
        body.extend(vec![b'x'; payload]);
        frame(0x30 | flags, &body)
    })
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK, for ids that may belong to something else, or to nothing.
fn acknowledgement() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![6 => Just(0_u8), 2 => Just(1), 1 => Just(0x10), 1 => Just(0x80), 1 => Just(0x87), 1 => any::<u8>()];
    let first = prop_oneof![8 => Just(0x40_u8), 1 => Just(0x50), 1 => Just(0x62), 1 => Just(0x70), 4 => Just(0x90), 4 => Just(0xB0)];
    (first, id(), vec(code, 0..4)).prop_map(|(first, id, codes)| {
        let mut body = id.to_be_bytes().to_vec();
        if first >= 0x90 {
            body.push(0);
            body.extend(codes);
        } else if let [code, ..] = codes[..] {
            body.extend([code, 0]);
        }
        frame(first, &body)
    })
}

/// A packet without a body: right for PINGRESP and DISCONNECT only.
fn empty() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => Just(0xD0_u8), 1 => any::<u8>()].prop_map(|first| frame(first, &[]))
}

/// What only a client sends, or what does not belong into the middle of a session.
fn of_the_client() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(frame(0x10, b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01d")),
        Just(frame(0x20, &[0, 0, 0])),
        Just(frame(0x82, b"\x00\x01\x00\x00\x01t\x01")),
        Just(frame(0xA2, b"\x00\x01\x00\x00\x01t")),
        Just(frame(0xC0, &[])),
        Just(frame(0xF0, &[0, 0])),
        any::<u8>().prop_map(|reason| frame(0xE0, &[reason])),
    ]
}

/// CONNACK with any flags, reason, and properties that may or may not be some.
pub(super) fn connack() -> impl Strategy<Value = Vec<u8>> {
    let property = prop_oneof![
        any::<[u8; 2]>().prop_map(|value| vec![0x21, value[0], value[1]]),
        any::<[u8; 4]>().prop_map(|value| [&[0x27][..], &value].concat()),
        any::<[u8; 2]>().prop_map(|value| vec![0x13, value[0], value[1]]),
        vec(any::<u8>(), 0..5),
    ];
    let reason = prop_oneof![4 => Just(0_u8), 1 => Just(0x87), 1 => any::<u8>()];
    (any::<u8>(), reason, vec(property, 0..4)).prop_map(|(flags, reason, properties)| {
        let properties = properties.concat();
        let mut body = vec![flags, reason, properties.len() as u8];
        body.extend(properties);
        frame(0x20, &body)
    })
}

fn id() -> impl Strategy<Value = u16> {
    prop_oneof![20 => 1_u16..12, 1 => Just(0), 1 => any::<u16>()]
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    let mut length = body.len();
    while length >= 0x80 {
        frame.push((length % 0x80) as u8 | 0x80);
        length /= 0x80;
    }
    frame.push(length as u8);
    frame.extend(body);
    frame
}
