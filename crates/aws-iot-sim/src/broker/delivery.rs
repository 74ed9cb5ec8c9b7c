//! Messages on their way to one client: packet ids, and the window of unacknowledged ones.

use std::collections::VecDeque;

use mqtt5_protocol::QoS;

use super::message::Message;
use crate::limits::IN_FLIGHT;

/// A message as one client gets it.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) message: Message,
    /// 0 at QoS 0.
    pub(super) packet_id: u16,
    pub(super) duplicate: bool,
}

/// The QoS 1 messages that the client has not acknowledged.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    /// In the order in which they were sent first.
    unacknowledged: VecDeque<Delivery>,
    /// How many of them, at the end, only an earlier connection has sent.
    to_repeat: usize,
    last_id: u16,
}

impl Window {
    /// A window as large as both the client's Receive Maximum and AWS allow.
    pub(super) fn new(receive_maximum: Option<u16>) -> Self {
        Self { size: size(receive_maximum), unacknowledged: VecDeque::new(), to_repeat: 0, last_id: 0 }
    }

    /// A new connection of the same session: what is unacknowledged has to be sent again.
    pub(super) fn resume(&mut self, receive_maximum: Option<u16>) {
        self.size = size(receive_maximum);
        self.to_repeat = self.unacknowledged.len();
    }

    /// Whether another message may be sent.
    pub(super) fn is_open(&self) -> bool {
        self.unacknowledged.len() - self.to_repeat < self.size
    }

    /// The next message that an earlier connection has sent: under the same packet id, marked as a duplicate, and
    /// before everything new (MQTT 5, sections 4.4 and 4.6).
    pub(super) fn repeat(&mut self) -> Option<Delivery> {
        if !self.is_open() {
            return None;
        }
        let next = self.unacknowledged.len() - self.to_repeat;
        let delivery = self.unacknowledged.get_mut(next)?;
        delivery.duplicate = true;
        self.to_repeat -= 1;
        Some(delivery.clone())
    }

    /// Gives a QoS 1 message its packet id.
    pub(super) fn enter(&mut self, message: Message) -> Delivery {
        if message.qos == QoS::AtMostOnce {
            return Delivery { message, packet_id: 0, duplicate: false };
        }
        // At most 100 of 65535 ids are in use, so the search is short.
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.position(self.last_id).is_none() {
                break;
            }
        }
        let delivery = Delivery { message, packet_id: self.last_id, duplicate: false };
        self.unacknowledged.push_back(delivery.clone());
        delivery
    }

    /// Takes an acknowledgement. Returns the message that was waiting for it.
    pub(super) fn acknowledge(&mut self, id: u16) -> Option<Message> {
        let position = self.position(id)?;
        // Also one that this connection has not sent yet: the client has it.
        if position >= self.unacknowledged.len() - self.to_repeat {
            self.to_repeat -= 1;
        }
        self.unacknowledged.remove(position).map(|delivery| delivery.message)
    }

    fn position(&self, id: u16) -> Option<usize> {
        self.unacknowledged.iter().position(|delivery| delivery.packet_id == id)
    }
}

fn size(receive_maximum: Option<u16>) -> usize {
    receive_maximum.unwrap_or(u16::MAX).min(IN_FLIGHT).into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::topic::TopicName;
    use super::*;

    fn message() -> Message {
        Message::new(TopicName::parse("t").unwrap(), Bytes::new(), QoS::AtLeastOnce, false)
    }

    #[test]
    fn window_closes_at_the_smaller_maximum() {
        for (asked, size) in [(None, 100), (Some(3), 3), (Some(60_000), 100)] {
            let mut window = Window::new(asked);
            for _ in 0..size {
                assert!(window.is_open(), "{asked:?}");
                window.enter(message());
            }
            assert!(!window.is_open(), "{asked:?}");
            assert!(window.acknowledge(1).is_some(), "{asked:?}");
            assert!(window.is_open(), "{asked:?}");
            assert!(window.acknowledge(1).is_none(), "{asked:?}: acknowledged twice");
        }
    }

    #[test]
    fn packet_ids_wrap_and_skip_those_in_use() {
        let mut window = Window::new(None);
        window.enter(message());
        for _ in 0..u16::MAX {
            let next = window.enter(message());
            assert!(next.packet_id > 1);
            window.acknowledge(next.packet_id);
        }
    }

    #[test]
    fn a_resumed_window_repeats_in_order_and_no_more_than_the_new_maximum() {
        let mut window = Window::new(None);
        for _ in 0..5 {
            window.enter(message());
        }
        assert!(window.repeat().is_none(), "nothing is repeated on one connection");
        assert!(window.acknowledge(2).is_some());
        window.resume(Some(2));
        let repeated: Vec<_> =
            std::iter::from_fn(|| window.repeat()).map(|one| (one.packet_id, one.duplicate)).collect();
        assert_eq!(repeated, [(1, true), (3, true)]);
        // One that is yet to come was acknowledged before: it does not come.
        assert!(window.acknowledge(4).is_some() && !window.is_open());
        assert!(window.acknowledge(1).is_some());
        assert_eq!(window.repeat().unwrap().packet_id, 5);
        assert!(window.repeat().is_none());
        assert!(window.acknowledge(3).is_some() && window.is_open());
        let new = window.enter(message());
        assert_eq!((new.packet_id, new.duplicate), (6, false));
    }
}
