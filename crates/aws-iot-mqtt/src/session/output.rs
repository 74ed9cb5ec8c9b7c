//! What is ready to be written: everything goes out together, and large payloads are not copied on the way.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use rumqttc::v5::mqttbytes::Error;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};

/// From this size on, in bytes, a payload goes out from where it lies; a smaller one is copied faster than it is kept
/// track of. (A page: measured with `cargo bench -p aws-iot-mqtt`, where the two are about even.)
const LARGE: usize = 4096;

/// What goes out with the next writes. Empty, a [`Buf`] takes from its front what the socket took.
#[derive(Default)]
pub(crate) struct Output {
    /// In order: packets and beginnings of packets, and large payloads.
    closed: VecDeque<Bytes>,
    /// Behind them: where the next packet is written to.
    open: BytesMut,
    /// Of `closed` and `open` together.
    bytes: usize,
    /// Where the beginning of a packet is encoded.
    head: BytesMut,
}

impl Output {
    pub(super) fn packet(&mut self, packet: Packet) -> Result<(), Error> {
        self.write(|open| packet.write(open, None))
    }

    /// The packet gets its payload back, whatever happens.
    pub(super) fn message(&mut self, packet: &mut Publish) -> Result<(), Error> {
        if packet.payload.len() < LARGE {
            return self.write(|open| packet.write(open));
        }
        let payload = std::mem::take(&mut packet.payload);
        self.head.clear();
        let written = packet.write(&mut self.head);
        packet.payload = payload.clone();
        written?;
        // Without the payload, the length that the codec wrote is too small.
        let first = self.head.get_u8();
        while self.head.has_remaining() && self.head.get_u8() & 0x80 != 0 {}
        let before = self.open.len();
        self.open.put_u8(first);
        put_length(&mut self.open, self.head.len() + payload.len());
        self.open.extend_from_slice(&self.head);
        self.bytes += self.open.len() - before + payload.len();
        self.closed.push_back(self.open.split().freeze());
        self.closed.push_back(payload);
        Ok(())
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
        self.bytes += bytes.len();
    }

    pub(super) fn clear(&mut self) {
        self.closed.clear();
        self.open.clear();
        self.bytes = 0;
    }

    /// What was written in part, by an error, is taken back: half a packet would spoil all that follow.
    fn write(&mut self, encode: impl FnOnce(&mut BytesMut) -> Result<usize, Error>) -> Result<(), Error> {
        let before = self.open.len();
        let written = encode(&mut self.open);
        if written.is_err() {
            self.open.truncate(before);
        }
        self.bytes += self.open.len() - before;
        written.map(drop)
    }
}

/// MQTT's variable byte integer (MQTT 5, section 1.5.5). The codec has checked the size of the packet.
fn put_length(buffer: &mut BytesMut, mut length: usize) {
    while length > 0x7F {
        buffer.put_u8((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    buffer.put_u8(length as u8);
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.closed.front().map_or(&self.open[..], |first| &first[..])
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let chunks = self.closed.iter().map(|chunk| &chunk[..]).chain([&self.open[..]]);
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks.filter(|chunk| !chunk.is_empty())) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(first) = self.closed.front_mut() {
            if count < first.len() {
                return first.advance(count);
            }
            count -= first.len();
            self.closed.pop_front();
        }
        self.open.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::PingReq;

    use super::*;

    fn message(payload: usize) -> Publish {
        Publish { pkid: 7, ..Publish::new("some/topic", QoS::AtLeastOnce, vec![b'x'; payload], None) }
    }

    /// The codec's own bytes.
    fn expected(packets: &[Packet]) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        for packet in packets {
            packet.clone().write(&mut bytes, None).unwrap();
        }
        bytes.to_vec()
    }

    #[test]
    fn the_bytes_are_the_codecs_at_every_size_and_however_they_are_taken() {
        let sizes = [0, 100, LARGE - 1, LARGE, LARGE + 1, 16_383, 16_384, 131_072, 2_097_152];
        for take in [1_usize << 30, 5000, 997] {
            let mut out = Output::default();
            let mut packets = Vec::new();
            for size in sizes {
                let mut one = message(size);
                out.message(&mut one).unwrap();
                assert_eq!(one, message(size), "the payload is given back");
                out.packet(Packet::PingReq(PingReq)).unwrap();
                packets.extend([Packet::Publish(one), Packet::PingReq(PingReq)]);
            }
            let expected = expected(&packets);
            assert_eq!(out.remaining(), expected.len());
            let mut taken = Vec::new();
            while out.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 4];
                let count = out.chunks_vectored(&mut slices);
                let before = taken.len();
                for slice in &slices[..count] {
                    let room = take - (taken.len() - before);
                    taken.extend_from_slice(&slice[..slice.len().min(room)]);
                }
                let part = taken.len() - before;
                assert!(part > 0 && slices[0].as_ptr() == out.chunk().as_ptr());
                out.advance(part);
            }
            assert!(taken == expected, "taken by {take}");
        }
    }

    #[test]
    fn a_large_payload_is_not_copied() {
        let mut packet = message(LARGE);
        let mut out = Output::default();
        out.message(&mut packet).unwrap();
        assert!(out.closed.iter().any(|chunk| chunk.as_ptr() == packet.payload.as_ptr()));
    }

    #[test]
    fn what_cannot_be_encoded_leaves_nothing_behind() {
        for size in [1, LARGE] {
            let mut out = Output::default();
            assert!(out.message(&mut Publish { pkid: 0, ..message(size) }).is_err());
            assert_eq!((out.remaining(), out.chunk()), (0, &[][..]), "{size}");
        }
    }
}
