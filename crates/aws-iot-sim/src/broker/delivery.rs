//! Messages on their way to one client: packet ids, and the window of unacknowledged ones.

use std::collections::BTreeSet;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;

use crate::limits::IN_FLIGHT;

/// The QoS 1 messages that the client has not acknowledged.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    unacknowledged: BTreeSet<u16>,
    last_id: u16,
}

impl Window {
    /// A window as large as both the client's Receive Maximum and AWS allow.
    pub(super) fn new(receive_maximum: Option<u16>) -> Self {
        let size = receive_maximum.unwrap_or(u16::MAX).min(IN_FLIGHT);
        Self { size: size.into(), unacknowledged: BTreeSet::new(), last_id: 0 }
    }

    /// Whether another message may be sent.
    pub(super) fn is_open(&self) -> bool {
        self.unacknowledged.len() < self.size
    }

    /// Gives a QoS 1 message its packet id.
    pub(super) fn enter(&mut self, publish: &mut Publish) {
        if publish.qos == QoS::AtMostOnce {
            return;
        }
        // At most 100 of 65535 ids are in use, so the search is short.
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.unacknowledged.insert(self.last_id) {
                break;
            }
        }
        publish.pkid = self.last_id;
    }

    /// Takes an acknowledgement. Returns whether the message was waiting for it.
    pub(super) fn acknowledge(&mut self, id: u16) -> bool {
        self.unacknowledged.remove(&id)
    }
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
}
