//! MQTT 5 packets, byte by byte (OASIS, MQTT Version 5.0, chapters 2 and 3).

/// A variable byte integer (section 1.5.5).
pub(super) fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let digit = (number % 128) as u8;
        number /= 128;
        bytes.push(if number > 0 { digit | 0x80 } else { digit });
        if number == 0 {
            return bytes;
        }
    }
}

/// A packet with its first byte and what follows the length.
pub(super) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first][..], &varint(body.len()), body].concat()
}

/// A string or binary data (sections 1.5.4 and 1.5.6).
pub(super) fn text(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

pub(super) fn connack(session_present: bool, reason: u8, properties: &[u8]) -> Vec<u8> {
    packet(0x20, &[&[session_present.into(), reason][..], &varint(properties.len()), properties].concat())
}

/// A PUBLISH of QoS 1 with packet id 9.
pub(super) fn publish(topic: &[u8], properties: &[u8], payload: &[u8]) -> Vec<u8> {
    publish_with_id(9, topic, properties, payload)
}

pub(super) fn publish_with_id(id: u16, topic: &[u8], properties: &[u8], payload: &[u8]) -> Vec<u8> {
    packet(
        0x32,
        &[&text(topic), &id.to_be_bytes()[..], &varint(properties.len()), properties, payload].concat(),
    )
}

pub(super) fn puback(id: [u8; 2], rest: &[u8]) -> Vec<u8> {
    packet(0x40, &[&id, rest].concat())
}

pub(super) fn suback(id: [u8; 2], reasons: &[u8]) -> Vec<u8> {
    packet(0x90, &[&id, &[0][..], reasons].concat())
}

/// What a client's SUBSCRIBE or PUBLISH says.
pub(super) struct Request<'a> {
    pub(super) id: [u8; 2],
    /// The only filter of a SUBSCRIBE, or the topic of a PUBLISH.
    pub(super) topic: &'a [u8],
    pub(super) payload: &'a [u8],
}

/// Reads a SUBSCRIBE for one filter (section 3.8).
pub(super) fn subscribe(body: &[u8]) -> Request<'_> {
    let (id, rest) = body.split_first_chunk().unwrap();
    let rest = after_properties(rest);
    let (topic, options) = split_text(rest);
    assert_eq!(options.len(), 1, "one filter");
    Request { id: *id, topic, payload: &[] }
}

/// Reads a PUBLISH of QoS 1 (section 3.3).
pub(super) fn published(first: u8, body: &[u8]) -> Request<'_> {
    assert_eq!(first & 0x06, 0x02, "QoS 1");
    let (topic, rest) = split_text(body);
    let (id, rest) = rest.split_first_chunk().unwrap();
    Request { id: *id, topic, payload: after_properties(rest) }
}

fn split_text(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk().unwrap();
    rest.split_at(u16::from_be_bytes(*length).into())
}

/// Skips properties of less than 128 bytes.
fn after_properties(bytes: &[u8]) -> &[u8] {
    assert!(bytes[0] < 0x80);
    &bytes[1 + usize::from(bytes[0])..]
}
