//! Messages on their way to one client: packet ids, and the window of unacknowledged ones.

use std::collections::VecDeque;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;

use crate::limits::IN_FLIGHT;

/// The QoS 1 messages that the client has not acknowledged.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    /// In the order in which they were sent first.
    unacknowledged: VecDeque<Publish>,
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
    pub(super) fn repeat(&mut self) -> Option<Publish> {
        if !self.is_open() {
            return None;
        }
        let next = self.unacknowledged.len() - self.to_repeat;
        let message = self.unacknowledged.get_mut(next)?;
        message.dup = true;
        self.to_repeat -= 1;
        Some(message.clone())
    }

    /// Gives a QoS 1 message its packet id.
    pub(super) fn enter(&mut self, publish: &mut Publish) {
        if publish.qos == QoS::AtMostOnce {
            return;
        }
        // At most 100 of 65535 ids are in use, so the search is short.
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.position(self.last_id).is_none() {
                break;
            }
        }
        publish.pkid = self.last_id;
        self.unacknowledged.push_back(publish.clone());
    }

    /// Takes an acknowledgement. Returns whether the message was waiting for it.
    pub(super) fn acknowledge(&mut self, id: u16) -> bool {
        let Some(position) = self.position(id) else { return false };
        // Also one that this connection has not sent yet: the client has it.
        if position >= self.unacknowledged.len() - self.to_repeat {
            self.to_repeat -= 1;
        }
        self.unacknowledged.remove(position).is_some()
    }

    fn position(&self, id: u16) -> Option<usize> {
        self.unacknowledged.iter().position(|message| message.pkid == id)
    }
}

fn size(receive_maximum: Option<u16>) -> usize {
    receive_maximum.unwrap_or(u16::MAX).min(IN_FLIGHT).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Publish {
        Publish::new("t", QoS::AtLeastOnce, "", None)
    }

    #[test]
    fn window_closes_at_the_smaller_maximum() {
        for (asked, size) in [(None, 100), (Some(3), 3), (Some(60_000), 100)] {
            let mut window = Window::new(asked);
            for _ in 0..size {
                assert!(window.is_open(), "{asked:?}");
                window.enter(&mut message());
            }
            assert!(!window.is_open(), "{asked:?}");
            assert!(window.acknowledge(1), "{asked:?}");
            assert!(window.is_open(), "{asked:?}");
            assert!(!window.acknowledge(1), "{asked:?}: acknowledged twice");
        }
    }

    #[test]
    fn packet_ids_wrap_and_skip_those_in_use() {
        let mut window = Window::new(None);
        let mut first = message();
        window.enter(&mut first);
        for _ in 0..u16::MAX {
            let mut next = message();
            window.enter(&mut next);
            assert!(next.pkid > 1);
            window.acknowledge(next.pkid);
        }
    }

    #[test]
    fn a_resumed_window_repeats_in_order_and_no_more_than_the_new_maximum() {
        let mut window = Window::new(None);
        for _ in 0..5 {
            window.enter(&mut message());
        }
        assert!(window.repeat().is_none(), "nothing is repeated on one connection");
        assert!(window.acknowledge(2));
        window.resume(Some(2));
        let repeated: Vec<_> =
            std::iter::from_fn(|| window.repeat()).map(|one| (one.pkid, one.dup)).collect();
        assert_eq!(repeated, [(1, true), (3, true)]);
        // One that is yet to come was acknowledged before: it does not come.
        assert!(window.acknowledge(4) && !window.is_open());
        assert!(window.acknowledge(1));
        assert_eq!(window.repeat().unwrap().pkid, 5);
        assert!(window.repeat().is_none());
        let mut new = message();
        assert!(window.acknowledge(3) && window.is_open());
        window.enter(&mut new);
        assert_eq!((new.pkid, new.dup), (6, false));
    }
}
