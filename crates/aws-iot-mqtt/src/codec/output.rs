//! Packets on their way to the socket.

use std::collections::VecDeque;

use bytes::{Buf as _, BytesMut};
use rumqttc::v5::mqttbytes::Error;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};

/// MQTT 5, section 3.12.
const PINGREQ: &[u8] = &[0xC0, 0];

/// What is written next, in order, and what each packet's end means. All of it goes out with as few writes as the socket
/// allows.
pub(crate) struct Output<T> {
    bytes: BytesMut,
    /// The packets that `bytes` consists of: how many bytes of each are left, and what it is.
    packets: VecDeque<(usize, T)>,
    /// The first packet was written in part.
    first_begun: bool,
}

impl<T> Output<T> {
    pub(crate) fn new() -> Self {
        Self { bytes: BytesMut::new(), packets: VecDeque::new(), first_begun: false }
    }

    /// Appends a packet. One that cannot be encoded leaves nothing behind; the caller checked what the codec checks
    /// (sizes, packet ids).
    pub(crate) fn packet(&mut self, packet: &Packet, what: T) {
        self.append(what, |bytes| packet.write(bytes, None));
    }

    /// Appends a PUBLISH.
    pub(crate) fn publish(&mut self, packet: &Publish, what: T) {
        self.append(what, |bytes| packet.write(bytes));
    }

    /// Appends a DISCONNECT. By hand: rumqttc 0.25.1 writes a wrong length for one with nothing but a reason.
    pub(crate) fn disconnect(&mut self, reason: u8, what: T) {
        let packet: &[u8] = if reason == 0 { &[0xE0, 0] } else { &[0xE0, 1, reason] };
        self.bytes.extend_from_slice(packet);
        self.packets.push_back((packet.len(), what));
    }

    /// Puts a PINGREQ in front of everything but the rest of a packet that was begun.
    pub(crate) fn ping_first(&mut self, what: T) {
        let begun = self.packets.front().filter(|_| self.first_begun).map_or(0, |(left, _)| *left);
        let rest = self.bytes.split_off(begun.min(self.bytes.len()));
        self.bytes.extend_from_slice(PINGREQ);
        self.bytes.extend_from_slice(&rest);
        self.packets.insert(usize::from(self.first_begun), (PINGREQ.len(), what));
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// So many bytes were written. Tells `ended` of each packet whose last byte was among them.
    pub(crate) fn written(&mut self, mut count: usize, mut ended: impl FnMut(T)) {
        self.bytes.advance(count);
        while let Some((left, _)) = self.packets.front_mut() {
            if count < *left {
                *left -= count;
                self.first_begun |= count > 0;
                return;
            }
            count -= *left;
            self.first_begun = false;
            if let Some((_, what)) = self.packets.pop_front() {
                ended(what);
            }
        }
    }

    /// Takes everything back that was not written.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = T> {
        self.bytes.clear();
        self.first_begun = false;
        std::mem::take(&mut self.packets).into_iter().map(|(_, what)| what)
    }

    fn append(&mut self, what: T, write: impl FnOnce(&mut BytesMut) -> Result<usize, Error>) {
        let before = self.bytes.len();
        let encoded = write(&mut self.bytes);
        debug_assert!(encoded.is_ok(), "checked by the caller");
        if encoded.is_ok() {
            self.packets.push_back((self.bytes.len() - before, what));
        } else {
            self.bytes.truncate(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::QoS;

    use super::*;

    fn output(payloads: &[usize]) -> Output<usize> {
        let mut output = Output::new();
        for (number, bytes) in payloads.iter().enumerate() {
            let packet = Publish { pkid: 7, ..Publish::new("t", QoS::AtLeastOnce, vec![b'x'; *bytes], None) };
            output.publish(&packet, number);
        }
        output
    }

    #[test]
    fn each_packet_is_told_when_its_last_byte_is_written_however_the_socket_takes_them() {
        for take in [1, 7, 1000, usize::MAX] {
            let mut output = output(&[0, 10, 300, 20_000]);
            let (mut told, mut written) = (Vec::new(), 0);
            while !output.is_empty() {
                let count = take.min(output.len());
                written += count;
                output.written(count, |number| told.push((number, written)));
            }
            // 8 bytes of header and topic and packet id and properties, and one more from 128 and from 16384 on.
            let ends =
                [8_usize, 26, 335, 20_345].map(|end| end.div_ceil(take.min(20_345)) * take.min(20_345));
            let ends = ends.map(|end: usize| end.min(20_345));
            assert_eq!(told, (0..4).zip(ends).collect::<Vec<_>>(), "{take}");
        }
    }

    #[test]
    fn a_ping_goes_out_first_but_not_within_a_packet() {
        let mut output = output(&[10, 10]);
        output.ping_first(9);
        assert_eq!(output.bytes()[..2], [0xC0, 0]);
        let mut told = Vec::new();
        output.written(2 + 5, |number| told.push(number));
        assert_eq!(told, [9]);
        output.ping_first(8);
        assert_eq!(output.bytes()[13..15], [0xC0, 0]);
        output.written(output.len(), |number| told.push(number));
        assert_eq!(told, [9, 0, 8, 1]);
    }

    #[test]
    fn what_was_not_written_is_given_back() {
        let mut output = output(&[10, 10, 10]);
        output.written(20, drop);
        assert_eq!(output.clear().collect::<Vec<_>>(), [1, 2]);
        assert!(output.is_empty());
    }
}
