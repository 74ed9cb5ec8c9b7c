//! CONNECT and CONNACK: what is asked for, and what the server grants.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{ConnAck, Connect, ConnectProperties, ConnectReturnCode, LastWill, Packet};

use super::protocol;
use crate::codec::Malformed;
use crate::reason::Reason as _;
use crate::{Error, Limits};

/// What a client says of itself in CONNECT.
#[derive(Debug, Clone)]
pub(crate) struct Hello {
    pub(crate) client_id: String,
    /// In seconds.
    pub(crate) keep_alive: u16,
    /// Whether the first connection of this client throws away what the server has kept of an earlier one.
    pub(crate) clean_start: bool,
    /// How long the server keeps the session after a connection, in seconds.
    pub(crate) session_expiry: u32,
    pub(crate) will: Option<LastWill>,
}

/// What the server granted for this connection.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    /// It has kept the session of an earlier connection.
    pub(super) session_present: bool,
    /// Most QoS 1 messages that may be unacknowledged.
    pub(super) receive_maximum: u16,
    /// Largest packet that the server takes, in bytes.
    pub(super) packet_bytes: u32,
    /// The server's keep-alive where it names one, otherwise ours.
    pub(crate) keep_alive: Duration,
}

impl Hello {
    /// The first packet of a connection; `first` where no connection of this client has stood before.
    pub(crate) fn packet(&self, limits: &Limits, first: bool) -> Packet {
        let properties = ConnectProperties {
            receive_maximum: Some(limits.in_flight),
            max_packet_size: Some(limits.packet_bytes),
            session_expiry_interval: Some(self.session_expiry).filter(|expiry| *expiry > 0),
            ..ConnectProperties::new()
        };
        let connect = Connect {
            keep_alive: self.keep_alive,
            client_id: self.client_id.clone(),
            clean_start: if first { self.clean_start } else { self.session_expiry == 0 },
            properties: Some(properties),
        };
        Packet::Connect(connect, self.will.clone(), None)
    }
}

impl Granted {
    /// Reads the server's answer to CONNECT, which came from `endpoint`.
    pub(crate) fn from_answer(
        answer: Packet,
        endpoint: &str,
        hello: &Hello,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let Hello { client_id, keep_alive, .. } = hello;
        let connack = match answer {
            Packet::ConnAck(connack) => connack,
            Packet::Disconnect(packet) => {
                return Err(Error::ConnectRefused {
                    endpoint: endpoint.to_owned(),
                    client_id: client_id.clone(),
                    reason: packet.reason_code.reason(),
                    text: packet.properties.and_then(|properties| properties.reason_string),
                });
            }
            Packet::Auth(_) => return Err(protocol(Malformed::NoConnAck("AUTH"))),
            _ => return Err(protocol(Malformed::NoConnAck("another packet"))),
        };
        if connack.code != ConnectReturnCode::Success {
            return Err(Error::ConnectRefused {
                endpoint: endpoint.to_owned(),
                client_id: client_id.clone(),
                reason: connack.code.reason(),
                text: connack.properties.and_then(|properties| properties.reason_string),
            });
        }
        Self::from_connack(&connack, *keep_alive, limits).map_err(protocol)
    }

    fn from_connack(connack: &ConnAck, keep_alive: u16, limits: &Limits) -> Result<Self, Malformed> {
        let properties = connack.properties.as_ref();
        // Where the server names none, MQTT's own maximum holds (MQTT 5, section 3.2.2.3.3).
        let receive_maximum = properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX);
        if receive_maximum == 0 {
            return Err(Malformed::NoReceiveMaximum);
        }
        let packet_bytes = properties.and_then(|p| p.max_packet_size).unwrap_or(u32::MAX);
        let keep_alive = properties.and_then(|p| p.server_keep_alive).unwrap_or(keep_alive);
        Ok(Self {
            session_present: connack.session_present,
            receive_maximum: receive_maximum.min(limits.in_flight),
            packet_bytes: packet_bytes.min(limits.packet_bytes),
            keep_alive: Duration::from_secs(keep_alive.into()),
        })
    }

    /// A packet over the limit would cost the connection.
    pub(super) fn check_packet(&self, bytes: usize, what: &str, topic: &[u8]) -> Result<(), Error> {
        if bytes <= self.packet_bytes as usize {
            return Ok(());
        }
        Err(Error::Limit {
            item: format!("the {what} to '{}' as a packet", String::from_utf8_lossy(topic)),
            actual: bytes as u64,
            unit: "bytes",
            whose: "the server",
            allowed: format!("at most {}", self.packet_bytes),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rumqttc::v5::mqttbytes::v5::ConnAckProperties;

    use super::*;

    /// The same from a server that has kept the session.
    pub(in super::super) fn resumed(receive_maximum: u16, limits: &Limits) -> Granted {
        Granted { session_present: true, ..granted(receive_maximum, limits) }
    }

    /// What a server grants that names this receive maximum and nothing else.
    pub(in super::super) fn granted(receive_maximum: u16, limits: &Limits) -> Granted {
        Granted::from_connack(&connack(Some(receive_maximum), None, None), 60, limits).unwrap()
    }

    /// What a server grants that names all of it.
    pub(in super::super) fn of(session_present: bool, receive_maximum: u16, packet_bytes: u32) -> Granted {
        let connack = connack(Some(receive_maximum), Some(packet_bytes), None);
        let granted = Granted::from_connack(&connack, 60, &Limits::aws_iot_core()).unwrap();
        Granted { session_present, ..granted }
    }

    /// A server that takes only small packets.
    pub(in super::super) fn small_packets(bytes: u32) -> Granted {
        Granted::from_connack(&connack(None, Some(bytes), None), 60, &Limits::aws_iot_core()).unwrap()
    }

    fn connack(
        receive_max: Option<u16>,
        max_packet_size: Option<u32>,
        server_keep_alive: Option<u16>,
    ) -> ConnAck {
        let properties = ConnAckProperties {
            session_expiry_interval: None,
            receive_max,
            max_qos: None,
            retain_available: None,
            max_packet_size,
            assigned_client_identifier: None,
            topic_alias_max: None,
            reason_string: None,
            user_properties: vec![],
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: None,
            server_keep_alive,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        };
        ConnAck { session_present: false, code: ConnectReturnCode::Success, properties: Some(properties) }
    }

    #[test]
    fn the_smaller_of_both_sides_holds_and_the_servers_keep_alive() {
        let aws = Limits::aws_iot_core();
        let of = |connack| Granted::from_connack(&connack, 60, &aws).unwrap();
        assert_eq!(of(connack(Some(20), None, None)).receive_maximum, 20);
        assert_eq!(of(connack(Some(1000), None, None)).receive_maximum, 100);
        assert_eq!(of(connack(None, Some(9000), None)).packet_bytes, 9000);
        assert_eq!(of(connack(None, None, None)).packet_bytes, 149_504);
        assert_eq!(of(connack(None, None, Some(1200))).keep_alive, Duration::from_secs(1200));
        assert_eq!(of(connack(None, None, None)).keep_alive, Duration::from_secs(60));
        assert!(Granted::from_connack(&connack(Some(0), None, None), 60, &aws).is_err());
    }

    #[test]
    fn a_refusal_names_client_id_reason_and_policy() {
        let refused = ConnAck { code: ConnectReturnCode::NotAuthorized, ..connack(None, None, None) };
        let answer = Packet::ConnAck(refused);
        let hello = Hello {
            client_id: "device-1".to_owned(),
            keep_alive: 60,
            clean_start: true,
            session_expiry: 0,
            will: None,
        };
        let error = Granted::from_answer(answer, "host:8883", &hello, &Limits::aws_iot_core()).unwrap_err();
        let words = error.to_string();
        for word in ["host:8883", "'device-1'", "not authorized (0x87)", "iot:Connect"] {
            assert!(words.contains(word), "{word} in {words}");
        }
    }
}
