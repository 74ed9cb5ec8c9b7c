//! Packets byte by byte, by the MQTT 5 specification alone.

use super::*;

fn decoded(bytes: &[u8]) -> Result<Option<Packet>, ProtocolError> {
    Ok(decode(&mut BytesMut::from(bytes), 1000)?.map(|received| received.packet))
}

/// A packet with a body of less than 128 bytes.
fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[first, u8::try_from(body.len()).unwrap()][..], &body].concat()
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

/// Each fault: the packet, the reason code of the DISCONNECT that answers it, words of the error.
#[test]
fn what_a_server_must_not_send_is_named() {
    let connack =
        |properties: &[u8]| packet(0x20, &[&[0, 0, u8::try_from(properties.len()).unwrap()], properties]);
    let publish = |properties: &[u8]| {
        packet(0x30, &[b"\0\x01t", &[u8::try_from(properties.len()).unwrap()], properties])
    };
    for (case, bytes, reason, words) in [
        // The fixed header.
        ("a length of five bytes", vec![0x40, 0xFF, 0xFF, 0xFF, 0xFF, 0], 0x81, "its length"),
        ("a length in more bytes than it needs", vec![0xD0, 0x80, 0], 0x81, "its length"),
        (
            "more than the maximum packet size",
            vec![0x30, 0xFF, 0x7F],
            0x95,
            "16386 bytes, more than the 1000",
        ),
        ("type 0", packet(0, &[]), 0x81, "reserved type 0"),
        ("CONNACK with flags", packet(0x21, &[&[0, 0, 0]]), 0x81, "first byte is 0x21"),
        (
            "PUBACK with flags",
            packet(0x42, &[&[0, 1]]),
            0x81,
            "a PUBACK that cannot be read: its first byte is 0x42",
        ),
        ("SUBACK with SUBSCRIBE's flags", packet(0x92, &[&[0, 1, 0, 0]]), 0x81, "first byte is 0x92"),
        ("UNSUBACK with flags", packet(0xB1, &[&[0, 1, 0, 0]]), 0x81, "first byte is 0xb1"),
        ("PINGRESP with flags", packet(0xD1, &[]), 0x81, "first byte is 0xd1"),
        ("DISCONNECT with flags", packet(0xE1, &[]), 0x81, "first byte is 0xe1"),
        // Packets that do not belong here.
        ("CONNECT", packet(0x10, &[b"\0\x04MQTT\x05\x02\0\x3c\0\0\x01d"]), 0x82, "a CONNECT that"),
        ("SUBSCRIBE", packet(0x82, &[b"\0\x01\0\0\x01t\x01"]), 0x82, "a SUBSCRIBE that"),
        ("UNSUBSCRIBE", packet(0xA2, &[b"\0\x01\0\0\x01t"]), 0x82, "an UNSUBSCRIBE that"),
        ("PINGREQ", packet(0xC0, &[]), 0x82, "a PINGREQ that"),
        ("PUBREC", packet(0x50, &[&[0, 1]]), 0x82, "QoS 2"),
        ("PUBREL", packet(0x62, &[&[0, 1]]), 0x82, "QoS 2"),
        ("PUBCOMP", packet(0x70, &[&[0, 1]]), 0x82, "QoS 2"),
        ("AUTH", packet(0xF0, &[&[0, 0]]), 0x82, "an AUTH that MQTT 5 does not allow"),
        ("AUTH without a body", packet(0xF0, &[]), 0x82, "an AUTH"),
        // The forms of MQTT 3.1.1.
        ("CONNACK of MQTT 3.1.1", packet(0x20, &[&[0, 0]]), 0x81, "3.1.1"),
        ("SUBACK of MQTT 3.1.1", packet(0x90, &[&[0, 1, 1]]), 0x81, "3.1.1"),
        ("UNSUBACK of MQTT 3.1.1", packet(0xB0, &[&[0, 1]]), 0x81, "3.1.1"),
        ("PUBLISH of MQTT 3.1.1", packet(0x30, &[b"\0\x01t", b"{}"]), 0x81, "middle of a field"),
        // CONNACK.
        ("CONNACK flags", packet(0x20, &[&[2, 0, 0]]), 0x81, "reserved flags"),
        (
            "an unknown reason",
            packet(0x20, &[&[0, 0x9E, 0]]),
            0x81,
            "a CONNACK that cannot be read: its reason code 0x9e",
        ),
        ("receive maximum 0", connack(&[0x21, 0, 0]), 0x82, "receive maximum is 0"),
        ("receive maximum twice", connack(&[0x21, 0, 5, 0x21, 0, 6]), 0x82, "0x21 is there twice"),
        ("maximum packet size 0", connack(&[0x27, 0, 0, 0, 0]), 0x82, "maximum packet size is 0"),
        ("maximum QoS 2", connack(&[0x24, 2]), 0x82, "maximum QoS is 2"),
        ("retain available 2", connack(&[0x25, 2]), 0x82, "retain available is 2"),
        ("wildcards available 2", connack(&[0x28, 2]), 0x82, "available is 2"),
        ("subscription identifiers available 2", connack(&[0x29, 2]), 0x82, "available is 2"),
        ("shared subscriptions available 2", connack(&[0x2A, 2]), 0x82, "available is 2"),
        ("an authentication method", connack(b"\x15\0\x01a"), 0x82, "property 0x15"),
        ("a property of PUBLISH", connack(&[0x23, 0, 1]), 0x81, "property 0x23"),
        ("an unknown property", connack(&[0x7F, 1]), 0x81, "property 0x7f"),
        ("a property that ends too early", connack(&[0x21, 0]), 0x81, "middle of a field"),
        ("a reason string that is not UTF-8", connack(b"\x1F\0\x01\xFF"), 0x81, "reason string is not UTF-8"),
        ("bytes behind the properties", packet(0x20, &[&[0, 0, 0, 0]]), 0x81, "longer than its fields"),
        ("more properties than bytes", packet(0x20, &[&[0, 0, 9]]), 0x81, "middle of a field"),
        // PUBLISH.
        ("QoS 3", packet(0x36, &[b"\0\x01t\0\x01\0"]), 0x81, "QoS is 3"),
        ("QoS 2", packet(0x34, &[b"\0\x01t\0\x01\0"]), 0x82, "QoS is 2"),
        ("a duplicate at QoS 0", packet(0x38, &[b"\0\x01t\0"]), 0x81, "duplicate"),
        ("packet identifier 0", packet(0x32, &[b"\0\x01t\0\0\0"]), 0x82, "packet identifier is 0"),
        ("no topic", packet(0x30, &[b"\0\0\0"]), 0x82, "neither a topic nor a topic alias"),
        ("a topic past the end", packet(0x30, &[b"\0\x09a"]), 0x81, "middle of a field"),
        ("a wildcard in the topic", packet(0x30, &[b"\0\x03a/+\0"]), 0x90, "'a/+' is not a topic"),
        ("NUL in the topic", packet(0x30, &[b"\0\x03a\0b\0"]), 0x81, "topic has a NUL"),
        ("a surrogate in the topic", packet(0x30, &[b"\0\x03\xED\xA0\x80\0"]), 0x81, "topic is not UTF-8"),
        ("topic alias 0", publish(&[0x23, 0, 0]), 0x94, "topic alias 0"),
        ("a topic alias", publish(&[0x23, 0, 1]), 0x94, "topic alias 1, and this client allows none"),
        ("an alias and no topic", packet(0x30, &[b"\0\0\x03\x23\0\x01"]), 0x94, "topic alias 1"),
        ("subscription identifier 0", publish(&[0x0B, 0]), 0x82, "subscription identifier is 0"),
        ("payload format 2", publish(&[0x01, 2]), 0x82, "payload format indicator is 2"),
        ("an expiry interval twice", publish(&[2, 0, 0, 0, 1, 2, 0, 0, 0, 1]), 0x82, "0x02 is there twice"),
        ("a content type twice", publish(b"\x03\0\0\x03\0\0"), 0x82, "0x03 is there twice"),
        (
            "a wildcard in the response topic",
            publish(b"\x08\0\x01#"),
            0x82,
            "response topic '#' is not a topic",
        ),
        ("a content type that is not UTF-8", publish(b"\x03\0\x01\xFF"), 0x81, "content type is not UTF-8"),
        (
            "a user property that is not UTF-8",
            publish(b"\x26\0\x01k\0\x01\xFF"),
            0x81,
            "user property is not UTF-8",
        ),
        ("a property of CONNACK", publish(&[0x21, 0, 1]), 0x81, "property 0x21"),
        // Acknowledgements and DISCONNECT.
        ("PUBACK for 0", packet(0x40, &[&[0, 0]]), 0x82, "packet identifier is 0"),
        ("PUBACK without an id", packet(0x40, &[&[0]]), 0x81, "middle of a field"),
        ("PUBACK without a body", packet(0x40, &[]), 0x81, "middle of a field"),
        ("PUBACK with an unknown reason", packet(0x40, &[&[0, 1, 0x42]]), 0x81, "0x42 is not one of MQTT 5"),
        (
            "PUBACK with a server reference",
            packet(0x40, &[&[0, 1, 0, 4], b"\x1C\0\x01a"]),
            0x81,
            "property 0x1c",
        ),
        ("SUBACK for 0", packet(0x90, &[&[0, 0, 0, 0]]), 0x82, "packet identifier is 0"),
        ("SUBACK without a reason", packet(0x90, &[&[0, 1, 0]]), 0x81, "3.1.1"),
        ("SUBACK with an unknown reason", packet(0x90, &[&[0, 1, 0, 3]]), 0x81, "0x03 is not one of MQTT 5"),
        ("UNSUBACK without a reason", packet(0xB0, &[&[0, 1, 0]]), 0x81, "no reason code"),
        (
            "UNSUBACK with an unknown reason",
            packet(0xB0, &[&[0, 1, 0, 1]]),
            0x81,
            "0x01 is not one of MQTT 5",
        ),
        ("PINGRESP with a body", packet(0xD0, &[&[0]]), 0x81, "longer than its fields"),
        ("DISCONNECT with an unknown reason", packet(0xE0, &[&[0x42]]), 0x81, "0x42 is not one of MQTT 5"),
        (
            "DISCONNECT with a session expiry",
            packet(0xE0, &[&[0, 5, 0x11, 0, 0, 0, 9]]),
            0x82,
            "property 0x11",
        ),
        (
            "a reason string twice",
            packet(0xE0, &[&[0x8B, 6], b"\x1F\0\0\x1F\0\0"]),
            0x82,
            "0x1f is there twice",
        ),
    ] {
        let error = decoded(&bytes).expect_err(case);
        assert_eq!(error.reason, reason, "{case}: {error}");
        assert!(error.to_string().contains(words), "{case}: '{words}' in '{error}'");
    }
}

#[test]
fn what_a_server_may_send_is_read() {
    for (case, bytes) in [
        ("an empty message", packet(0x31, &[b"\0\x01t\0"])),
        ("several subscription identifiers", packet(0x30, &[b"\0\x01t\x04\x0B\x01\x0B\x02"])),
        ("several user properties", packet(0x30, &[b"\0\x01t\x0A\x26\0\0\0\0\x26\0\0\0\0"])),
        ("a repetition", packet(0x3A, &[b"\0\x01t\0\x01\0x"])),
        ("PUBACK with properties", packet(0x40, &[&[0, 1, 0x97, 5], b"\x1F\0\x02no"])),
        ("PUBACK with a reason alone", packet(0x40, &[&[0, 1, 0x10]])),
        ("SUBACK for two", packet(0x90, &[&[0, 1, 0, 1, 0x87]])),
        ("UNSUBACK", packet(0xB0, &[&[0, 1, 0, 0x11]])),
        ("PINGRESP", packet(0xD0, &[])),
        ("DISCONNECT to another server", packet(0xE0, &[&[0x9D, 4], b"\x1C\0\x01a"])),
        ("a refusal with a reason string", packet(0x20, &[&[0, 0x87, 5], b"\x1F\0\x02no"])),
        (
            "all of CONNACK's properties",
            packet(
                0x20,
                &[
                    &[1, 0, 56],
                    &[0x11, 0, 0, 0, 1, 0x21, 0, 5, 0x24, 1, 0x25, 0, 0x27, 0, 0, 1, 0],
                    b"\x12\0\x01i\x1A\0\x01r\x1C\0\x01s",
                    &[0x22, 0, 8, 0x28, 0, 0x29, 1, 0x2A, 0, 0x13, 0, 60],
                    b"\x1F\0\0\x26\0\x01k\0\x01v\x26\0\0\0\0",
                ],
            ),
        ),
    ] {
        assert!(matches!(decoded(&bytes), Ok(Some(_))), "{case}: {:?}", decoded(&bytes));
    }
}

#[test]
fn random_bytes_are_an_error_or_a_packet_and_never_a_panic_nor_a_wait() {
    // A cheap stand-in for fuzzing: a fixed sequence, every short frame length, every packet type.
    let mut state = 1_u32;
    for round in 0..200_000_u32 {
        let bytes: Vec<u8> = (0..(round % 24))
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let frame = packet((round % 256) as u8, &[&bytes]);
        assert!(!matches!(decoded(&frame), Ok(None)), "a whole frame is never waited for: {frame:?}");
    }
}
