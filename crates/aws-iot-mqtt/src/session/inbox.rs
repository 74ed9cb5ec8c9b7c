//! Which of the server's messages are to be acknowledged, and when.

use std::collections::VecDeque;
use std::sync::Arc;

use rumqttc::v5::mqttbytes::v5::{Packet, PubAck, PubAckReason};

use super::{Session, Written};
use crate::Message;
use crate::acknowledgement::{Acknowledgement, Arrival, SessionWaker};
use crate::codec::ProtocolError;

/// QoS 1 messages that are not acknowledged, in the order in which they came, which is also the order in which MQTT wants
/// the acknowledgements (MQTT 5, section 4.6).
pub(super) struct Inbox {
    arrived: VecDeque<Arrived>,
    /// The number of the first of them, counted from the first message ever.
    first: u64,
    /// What they take in memory, and how much it may be.
    bytes: usize,
    /// In bytes and not in messages: mosquitto 2.0.11 sends a whole window more for each acknowledgement, once it has a
    /// backlog, and nothing is lost by holding as many small messages as the large ones that were agreed on.
    most_bytes: usize,
    /// Counted up with each connection: acknowledgements for an earlier one come too late.
    connection: u64,
    session: Arc<SessionWaker>,
}

struct Arrived {
    id: u16,
    bytes: usize,
    /// How many streams have it and have not acknowledged it.
    open: usize,
    /// No stream took it.
    refused: bool,
}

impl Inbox {
    pub(super) fn new(most_bytes: usize, session: Arc<SessionWaker>) -> Self {
        Self { arrived: VecDeque::new(), first: 0, bytes: 0, most_bytes, connection: 0, session }
    }

    #[cfg(test)]
    pub(super) fn waker(&self) -> Arc<SessionWaker> {
        Arc::clone(&self.session)
    }

    /// What came on an earlier connection cannot be acknowledged on this one.
    pub(super) fn connected(&mut self) {
        self.connection += 1;
        self.first += self.arrived.len() as u64;
        self.arrived.clear();
        self.bytes = 0;
    }

    /// The acknowledgement that a stream is to give for the message that comes next.
    pub(super) fn acknowledgement(&self) -> Acknowledgement {
        let arrival = Arrival { connection: self.connection, number: self.first + self.arrived.len() as u64 };
        Acknowledgement::new(arrival, Arc::clone(&self.session))
    }

    /// A message came, and `open` streams are to acknowledge it.
    pub(super) fn arrived(
        &mut self,
        id: u16,
        bytes: usize,
        open: usize,
        refused: bool,
    ) -> Result<(), ProtocolError> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.arrived.push_back(Arrived { id, bytes, open, refused });
        if open > 0 && self.bytes > self.most_bytes {
            let most = self.most_bytes;
            let what = format!(
                "more than {most} bytes of unacknowledged messages, which is all that this client said it takes"
            );
            return Err(ProtocolError::new(0x93, what));
        }
        Ok(())
    }

    /// The acknowledgements that may be sent now: packet identifier and reason of each PUBACK.
    fn due(&mut self) -> Vec<(u16, PubAckReason)> {
        for Arrival { connection, number } in self.session.take() {
            let index = number.checked_sub(self.first).filter(|_| connection == self.connection);
            if let Some(arrived) = index.and_then(|i| self.arrived.get_mut(usize::try_from(i).ok()?)) {
                arrived.open = arrived.open.saturating_sub(1);
            }
        }
        let mut due = Vec::new();
        while let Some(arrived) = self.arrived.pop_front_if(|arrived| arrived.open == 0) {
            self.first += 1;
            self.bytes -= arrived.bytes;
            // "Valid, but the receiver is not willing to accept it" (MQTT 5, section 3.4.2.1): there is no subscription for it.
            let refused = arrived.refused.then_some(PubAckReason::ImplementationSpecificError);
            due.push((arrived.id, refused.unwrap_or(PubAckReason::Success)));
        }
        due
    }
}

impl Session {
    /// Sends the acknowledgements that are due.
    pub(super) fn acknowledge(&mut self) {
        for (pkid, reason) in self.inbox.due() {
            self.output.packet(&Packet::PubAck(PubAck { pkid, reason, properties: None }), Written::Other);
        }
    }
}

/// What a message takes in memory.
pub(super) fn bytes(message: &Message) -> usize {
    let properties = message.properties.as_ref().map_or(0, |properties| properties.bytes());
    size_of::<Message>() + message.topic.as_str().len() + message.payload.len() + properties
}
