use super::*;

fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

fn packet(first: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let mut packet = vec![first, body.len() as u8];
    packet.extend(body);
    packet
}

fn connect(flags: u8, properties: &[u8], rest: &[u8]) -> Vec<u8> {
    packet(0x10, &[&text("MQTT"), &[5, flags, 0, 60, properties.len() as u8], properties, rest])
}

fn read(bytes: &[u8]) -> Result<Option<Packet>, WireFault> {
    let mut buffer = BytesMut::from(bytes);
    let result = take_packet(&mut buffer);
    if matches!(result, Ok(Some(_))) {
        assert!(buffer.is_empty(), "all of it is read");
    }
    result
}

#[test]
fn well_formed_packets_are_read() {
    let topic = text("t");
    let cases: &[(&str, Vec<u8>)] = &[
        ("CONNECT", connect(2, &[], &text("d"))),
        ("CONNECT with a will", connect(6, &[], &[text("d"), vec![0], text("w"), text("x")].concat())),
        ("PUBLISH at QoS 0", packet(0x30, &[&topic, &[0], b"x"])),
        ("PUBLISH at QoS 1, a duplicate", packet(0x3a, &[&topic, &[0, 1, 0], b"x"])),
        ("PUBLISH by alias", packet(0x30, &[&text(""), &[3, 0x23, 0, 1], b"x"])),
        ("SUBSCRIBE", packet(0x82, &[&[0, 1, 0], &topic, &[0x2d]])),
        (
            "SUBSCRIBE to a bad filter, which gets its own reason code",
            packet(0x82, &[&[0, 1, 0], &text("a#"), &[1]]),
        ),
        ("UNSUBSCRIBE", packet(0xa2, &[&[0, 1, 0], &topic])),
        ("PUBACK, shortest", packet(0x40, &[&[0, 1]])),
        ("PUBACK with a reason", packet(0x40, &[&[0, 1, 0x10]])),
        ("PUBACK with properties", packet(0x40, &[&[0, 1, 0x80, 4, 0x1f, 0, 1, b'x']])),
        ("PINGREQ", packet(0xc0, &[])),
        ("DISCONNECT, shortest", packet(0xe0, &[])),
        ("DISCONNECT with a reason", packet(0xe0, &[&[4]])),
        ("DISCONNECT with a reason and no properties", packet(0xe0, &[&[0, 0]])),
    ];
    for (name, bytes) in cases {
        assert!(matches!(read(bytes), Ok(Some(_))), "{name}: {:?}", read(bytes));
        for cut in 0..bytes.len() {
            assert!(matches!(read(&bytes[..cut]), Ok(None)), "{name}, {cut} bytes of it");
        }
    }
}

#[test]
fn malformed_packets_are_refused() {
    let topic = text("t");
    let id = text("d");
    let cases: &[(&str, Vec<u8>)] = &[
        ("packet type 0", packet(0x00, &[])),
        ("a length of five bytes", vec![0x30, 0xff, 0xff, 0xff, 0xff, 1]),
        ("CONNECT, reserved flag", connect(3, &[], &id)),
        ("CONNECT, bytes after its end", connect(2, &[], &[id.clone(), vec![9]].concat())),
        ("CONNECT, will at QoS 3", connect(0x1e, &[], &[id.clone(), vec![0], text("w"), text("x")].concat())),
        ("CONNECT, QoS of a will that is not there", connect(0x0a, &[], &id)),
        ("CONNECT, retain of a will that is not there", connect(0x22, &[], &id)),
        ("CONNECT, client id not UTF-8", connect(2, &[], &[0, 1, 0xff])),
        ("CONNECT, client id with NUL", connect(2, &[], &[0, 1, 0])),
        ("CONNECT, client id with a surrogate", connect(2, &[], &[0, 3, 0xed, 0xa0, 0x80])),
        ("CONNECT, client id longer than the packet", connect(2, &[], &[0xff, 0xff])),
        (
            "CONNECT, properties longer than the packet",
            packet(0x10, &[&text("MQTT"), &[5, 2, 0, 60, 9, 0x21, 0]]),
        ),
        ("CONNECT, a property twice", connect(2, &[0x21, 0, 1, 0x21, 0, 1], &id)),
        ("CONNECT, a property of PUBLISH", connect(2, &[0x23, 0, 1], &id)),
        ("CONNECT, an unknown property", connect(2, &[0x7f, 0], &id)),
        ("CONNECT, receive maximum 0", connect(2, &[0x21, 0, 0], &id)),
        ("CONNECT, maximum packet size 0", connect(2, &[0x27, 0, 0, 0, 0], &id)),
        ("CONNECT, a flag of 2", connect(2, &[0x17, 2], &id)),
        ("CONNECT, authentication data alone", connect(2, &[0x16, 0, 0], &id)),
        (
            "CONNECT, will property of PUBLISH",
            connect(6, &[], &[id.clone(), vec![3, 0x23, 0, 1], text("w"), text("x")].concat()),
        ),
        ("PUBLISH, QoS 3", packet(0x36, &[&topic, &[0, 1, 0], b"x"])),
        ("PUBLISH, a duplicate at QoS 0", packet(0x38, &[&topic, &[0], b"x"])),
        ("PUBLISH, packet id 0", packet(0x32, &[&topic, &[0, 0, 0], b"x"])),
        ("PUBLISH, topic not UTF-8", packet(0x30, &[&[0, 1, 0xff, 0], b"x"])),
        ("PUBLISH, a property of CONNECT", packet(0x30, &[&topic, &[3, 0x21, 0, 1]])),
        ("PUBLISH, subscription identifier", packet(0x30, &[&topic, &[2, 0x0b, 1]])),
        ("SUBSCRIBE, flags", packet(0x80, &[&[0, 1, 0], &topic, &[1]])),
        ("SUBSCRIBE, no filter", packet(0x82, &[&[0, 1, 0]])),
        ("SUBSCRIBE, no options", packet(0x82, &[&[0, 1, 0], &topic])),
        ("SUBSCRIBE, packet id 0", packet(0x82, &[&[0, 0, 0], &topic, &[1]])),
        ("SUBSCRIBE, QoS 3", packet(0x82, &[&[0, 1, 0], &topic, &[3]])),
        ("SUBSCRIBE, reserved bits", packet(0x82, &[&[0, 1, 0], &topic, &[0x41]])),
        ("SUBSCRIBE, retain handling 3", packet(0x82, &[&[0, 1, 0], &topic, &[0x31]])),
        ("UNSUBSCRIBE, no filter", packet(0xa2, &[&[0, 1, 0]])),
        ("UNSUBSCRIBE, packet id 0", packet(0xa2, &[&[0, 0, 0], &topic])),
        ("PUBACK, one byte", packet(0x40, &[&[0]])),
        ("PUBACK, packet id 0", packet(0x40, &[&[0, 0]])),
        ("PUBACK, a reason of DISCONNECT", packet(0x40, &[&[0, 1, 0x8d]])),
        ("PUBACK, bytes after its end", packet(0x40, &[&[0, 1, 0, 0, 9]])),
        ("PINGREQ with a body", packet(0xc0, &[&[1]])),
        ("PINGREQ, flags", packet(0xc1, &[])),
        ("DISCONNECT, unknown reason", packet(0xe0, &[&[1]])),
        ("DISCONNECT, bytes after its end", packet(0xe0, &[&[0, 0, 7]])),
    ];
    for (name, bytes) in cases {
        let result = read(bytes);
        assert!(
            matches!(result, Err(WireFault::Malformed(_) | WireFault::ProtocolError(_))),
            "{name}: {result:?}"
        );
    }
}

#[test]
fn older_protocols_are_called_by_their_names() {
    let cases = [
        (packet(0x10, &[&text("MQIsdp"), &[3, 2, 0, 60], &text("d")]), "MQTT 3.1 (protocol level 3)"),
        (packet(0x10, &[&text("MQTT"), &[4, 2, 0, 60], &text("d")]), "MQTT 3.1.1 (protocol level 4)"),
        (packet(0x10, &[&text("MQTT"), &[6, 2, 0, 60, 0], &text("d")]), "MQTT of protocol level 6"),
    ];
    for (bytes, name) in cases {
        let error = read(&bytes).unwrap_err();
        assert!(matches!(error, WireFault::Protocol { .. }) && error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_packet_that_is_too_large_is_refused_by_its_length() {
    // 149,505 bytes in all: 149,501 and a header of four.
    assert!(matches!(read(&[0x30, 0xfd, 0x8f, 0x09]), Err(WireFault::TooLarge)));
    assert!(matches!(read(&[0x30, 0xfc, 0x8f, 0x09]), Ok(None)));
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
