//! CONNECT and CONNACK: what is asked for, and what the server agrees to.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{ConnAck, Connect, ConnectProperties, ConnectReturnCode, Packet};

use crate::codec::{ProtocolError, Received, last_will, seconds};
use crate::{Error, Limits, QoS, Will};

/// What CONNECT says.
#[derive(Debug, Clone)]
pub(crate) struct ConnectOptions {
    pub(crate) client_id: String,
    pub(crate) keep_alive: Duration,
    /// Whether the first connection of this client discards what the server has kept of an earlier one. `None`: unless
    /// the session is persistent.
    pub(crate) clean_start: Option<bool>,
    /// How long the server keeps the session after a connection.
    pub(crate) session_expiry: Duration,
    pub(crate) will: Option<Will>,
}

/// What holds for a connection that the server has accepted.
#[derive(Debug, Clone)]
pub(crate) struct Negotiated {
    /// The server has kept the session of an earlier connection.
    pub(crate) session_present: bool,
    /// Most QoS 1 messages that may be unacknowledged.
    pub(super) receive_maximum: u16,
    /// Largest packet that the server takes, in bytes.
    pub(super) maximum_packet_size: u32,
    pub(super) maximum_qos: QoS,
    pub(super) retain_available: bool,
    /// The server's keep-alive where it names one, otherwise ours.
    pub(crate) keep_alive: Duration,
}

impl ConnectOptions {
    pub(crate) fn new(client_id: &str, keep_alive: Duration) -> Self {
        let (client_id, session_expiry) = (client_id.to_owned(), Duration::ZERO);
        Self { client_id, keep_alive, clean_start: None, session_expiry, will: None }
    }

    /// CONNECT; `first` where no connection of this client was accepted before.
    pub(crate) fn packet(&self, limits: &Limits, first: bool) -> Packet {
        let properties = ConnectProperties {
            receive_maximum: Some(limits.inbound_receive_maximum()),
            max_packet_size: Some(limits.maximum_packet_size),
            session_expiry_interval: Some(seconds(self.session_expiry)).filter(|expiry| *expiry > 0),
            ..ConnectProperties::new()
        };
        let connect = Connect {
            keep_alive: u16::try_from(seconds(self.keep_alive)).unwrap_or(u16::MAX),
            client_id: self.client_id.clone(),
            clean_start: self.starts_clean(first),
            properties: Some(properties),
        };
        Packet::Connect(connect, self.will.as_ref().map(last_will), None)
    }

    pub(crate) fn starts_clean(&self, first: bool) -> bool {
        self.clean_start.filter(|_| first).unwrap_or(seconds(self.session_expiry) == 0)
    }
}

impl Negotiated {
    /// Reads the answer of `endpoint` to CONNECT.
    pub(crate) fn from_answer(
        mut answer: Received,
        endpoint: &str,
        options: &ConnectOptions,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let (reason, text) = (answer.reason(), answer.text());
        match answer.packet {
            Packet::ConnAck(connack) if connack.code == ConnectReturnCode::Success => {
                Ok(Self::from_connack(&connack, options.keep_alive, limits))
            }
            Packet::ConnAck(_) | Packet::Disconnect(_) => {
                let (endpoint, client_id) = (endpoint.to_owned(), options.client_id.clone());
                Err(Error::ConnectRefused { endpoint, client_id, reason, text })
            }
            _ => Err(ProtocolError::new(0x82, "another packet where CONNACK had to come").into()),
        }
    }

    fn from_connack(connack: &ConnAck, keep_alive: Duration, limits: &Limits) -> Self {
        let properties = connack.properties.as_ref();
        // Where the server names none, MQTT's own maximum holds (MQTT 5, sections 3.2.2.3.3 to 3.2.2.3.6).
        let receive_maximum = properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX);
        let maximum_packet_size = properties.and_then(|p| p.max_packet_size).unwrap_or(u32::MAX);
        let maximum_qos = match properties.and_then(|p| p.max_qos) {
            Some(0) => QoS::AtMostOnce,
            _ => QoS::AtLeastOnce,
        };
        let server_keep_alive = properties.and_then(|p| p.server_keep_alive);
        Self {
            session_present: connack.session_present,
            receive_maximum: receive_maximum.min(limits.receive_maximum),
            maximum_packet_size: maximum_packet_size.min(limits.maximum_packet_size),
            maximum_qos,
            retain_available: properties.and_then(|p| p.retain_available) != Some(0),
            keep_alive: server_keep_alive.map_or(keep_alive, |seconds| Duration::from_secs(seconds.into())),
        }
    }

    /// With a server that names no limits.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn for_tests() -> Self {
        Self {
            session_present: false,
            receive_maximum: 100,
            maximum_packet_size: u32::MAX,
            maximum_qos: QoS::AtLeastOnce,
            retain_available: true,
            keep_alive: Duration::from_secs(60),
        }
    }

    /// A message that breaks one of these limits would cost the connection.
    pub(super) fn check(&self, topic: &[u8], qos: QoS, retain: bool, bytes: usize) -> Result<(), Error> {
        let over = if qos > self.maximum_qos {
            ": 1 as QoS, but the server allows at most 0 (Maximum QoS in its CONNACK)".to_owned()
        } else if retain && !self.retain_available {
            ": 1 as retain flag, but the server allows only 0 (Retain Available in its CONNACK)".to_owned()
        } else if bytes > self.maximum_packet_size as usize {
            let most = self.maximum_packet_size;
            format!(" as a packet: {bytes} bytes, but the server allows at most {most} (Maximum Packet Size)")
        } else {
            return Ok(());
        };
        Err(Error::Limit { what: format!("the message to '{}'{over}", String::from_utf8_lossy(topic)) })
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::codec::decode;

    const MINUTE: Duration = Duration::from_secs(60);

    /// What a CONNACK with this reason code and these properties leads to.
    fn answered(code: u8, properties: &[u8]) -> Result<Negotiated, Error> {
        let length = u8::try_from(properties.len()).unwrap();
        let packet = [&[0x20, 3 + length, 0, code, length], properties].concat();
        let packet = decode(&mut BytesMut::from(&packet[..]), 1000).unwrap().unwrap();
        let options = ConnectOptions::new("device-1", MINUTE);
        Negotiated::from_answer(packet, "host:8883", &options, &Limits::aws_iot_core())
    }

    #[test]
    fn the_smaller_of_both_sides_holds_and_what_the_server_names() {
        let of = |properties: &[u8]| answered(0, properties).unwrap();
        let silent = of(&[]);
        assert_eq!((silent.receive_maximum, silent.maximum_packet_size), (100, 149_504));
        assert_eq!((silent.maximum_qos, silent.retain_available), (QoS::AtLeastOnce, true));
        assert_eq!(silent.keep_alive, MINUTE);
        assert_eq!(of(&[0x21, 0, 20]).receive_maximum, 20);
        assert_eq!(of(&[0x21, 0x03, 0xE8]).receive_maximum, 100);
        assert_eq!(of(&[0x27, 0, 0, 0x23, 0x28]).maximum_packet_size, 9000);
        assert_eq!(of(&[0x13, 0x04, 0xB0]).keep_alive, Duration::from_secs(1200));
        assert_eq!(of(&[0x24, 0]).maximum_qos, QoS::AtMostOnce);
        assert!(!of(&[0x25, 0]).retain_available);
    }

    #[test]
    fn a_refusal_names_client_id_reason_and_policy() {
        let words = answered(0x87, &[]).unwrap_err().to_string();
        for word in ["host:8883", "'device-1'", "not authorized (0x87)", "iot:Connect"] {
            assert!(words.contains(word), "{word} in {words}");
        }
    }
}
