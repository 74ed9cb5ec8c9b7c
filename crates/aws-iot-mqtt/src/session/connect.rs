//! CONNECT and CONNACK: what is asked for, and what the server agrees to.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{ConnAck, Connect, ConnectProperties, ConnectReturnCode, LastWill, Packet};

use crate::codec::{ProtocolError, Reason as _};
use crate::{Error, Limits, QoS};

/// What CONNECT says.
#[derive(Debug, Clone)]
pub(crate) struct ConnectOptions {
    pub(crate) client_id: String,
    /// In seconds.
    pub(crate) keep_alive: u16,
    /// Whether the first connection of this client discards what the server has kept of an earlier one.
    pub(crate) clean_start: bool,
    /// How long the server keeps the session after a connection, in seconds.
    pub(crate) session_expiry: u32,
    pub(crate) will: Option<LastWill>,
}

/// What holds for a connection that the server has accepted.
#[derive(Debug, Clone)]
pub(crate) struct Negotiated {
    /// The server has kept the session of an earlier connection.
    pub(super) session_present: bool,
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
    /// CONNECT; `first` where no connection of this client was accepted before.
    pub(crate) fn packet(&self, limits: &Limits, first: bool) -> Packet {
        let properties = ConnectProperties {
            receive_maximum: Some(limits.inbound_receive_maximum()),
            max_packet_size: Some(limits.maximum_packet_size),
            session_expiry_interval: Some(self.session_expiry).filter(|expiry| *expiry > 0),
            ..ConnectProperties::new()
        };
        let connect = Connect {
            keep_alive: self.keep_alive,
            client_id: self.client_id.clone(),
            clean_start: self.starts_clean(first),
            properties: Some(properties),
        };
        Packet::Connect(connect, self.will.clone(), None)
    }

    pub(crate) fn starts_clean(&self, first: bool) -> bool {
        if first { self.clean_start } else { self.session_expiry == 0 }
    }
}

impl Negotiated {
    /// Reads the answer of `endpoint` to CONNECT.
    pub(crate) fn from_answer(
        answer: Packet,
        endpoint: &str,
        options: &ConnectOptions,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let (reason, text) = match answer {
            Packet::ConnAck(connack) if connack.code == ConnectReturnCode::Success => {
                return Ok(Self::from_connack(&connack, options.keep_alive, limits));
            }
            Packet::ConnAck(connack) => {
                (connack.code.reason(), connack.properties.and_then(|properties| properties.reason_string))
            }
            Packet::Disconnect(packet) => (
                packet.reason_code.reason(),
                packet.properties.and_then(|properties| properties.reason_string),
            ),
            _ => return Err(ProtocolError::new(0x82, "another packet where CONNACK had to come").into()),
        };
        let client_id = options.client_id.clone();
        Err(Error::ConnectRefused { endpoint: endpoint.to_owned(), client_id, reason, text })
    }

    fn from_connack(connack: &ConnAck, keep_alive: u16, limits: &Limits) -> Self {
        let properties = connack.properties.as_ref();
        // Where the server names none, MQTT's own maximum holds (MQTT 5, sections 3.2.2.3.3 to 3.2.2.3.6).
        let receive_maximum = properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX);
        let maximum_packet_size = properties.and_then(|p| p.max_packet_size).unwrap_or(u32::MAX);
        let maximum_qos = match properties.and_then(|p| p.max_qos) {
            Some(0) => QoS::AtMostOnce,
            _ => QoS::AtLeastOnce,
        };
        let keep_alive = properties.and_then(|p| p.server_keep_alive).unwrap_or(keep_alive);
        Self {
            session_present: connack.session_present,
            receive_maximum: receive_maximum.min(limits.receive_maximum),
            maximum_packet_size: maximum_packet_size.min(limits.maximum_packet_size),
            maximum_qos,
            retain_available: properties.and_then(|p| p.retain_available) != Some(0),
            keep_alive: Duration::from_secs(keep_alive.into()),
        }
    }

    /// With a server that names no limits.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn for_tests(keep_alive: Duration) -> Self {
        Self {
            session_present: false,
            receive_maximum: 100,
            maximum_packet_size: u32::MAX,
            maximum_qos: QoS::AtLeastOnce,
            retain_available: true,
            keep_alive,
        }
    }

    pub(crate) fn session_present(&self) -> bool {
        self.session_present
    }

    /// The server claims a session that it cannot have: subscriptions have to be made again.
    pub(crate) fn without_session(self) -> Self {
        Self { session_present: false, ..self }
    }

    /// A message that breaks one of these limits would cost the connection.
    pub(super) fn check(&self, topic: &[u8], qos: QoS, retain: bool, bytes: usize) -> Result<(), Error> {
        let limit = |what: &str, actual: u64, unit, allowed: String| {
            let item = format!("the message to '{}'{what}", String::from_utf8_lossy(topic));
            Err(Error::Limit { item, actual, unit, whose: "the server", allowed })
        };
        if qos > self.maximum_qos {
            return limit("", 1, "as QoS", "at most 0 (Maximum QoS in its CONNACK)".to_owned());
        }
        if retain && !self.retain_available {
            return limit("", 1, "as retain flag", "only 0 (Retain Available in its CONNACK)".to_owned());
        }
        if bytes > self.maximum_packet_size as usize {
            let allowed = format!("at most {} (Maximum Packet Size)", self.maximum_packet_size);
            return limit(" as a packet", bytes as u64, "bytes", allowed);
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rumqttc::v5::mqttbytes::v5::ConnAckProperties;

    use super::*;

    /// The same from a server that has kept the session.
    pub(in super::super) fn resumed(receive_maximum: u16, limits: &Limits) -> Negotiated {
        Negotiated { session_present: true, ..negotiated(receive_maximum, limits) }
    }

    /// With a server that names this receive maximum and nothing else.
    pub(in super::super) fn negotiated(receive_maximum: u16, limits: &Limits) -> Negotiated {
        Negotiated::from_connack(&connack(Some(receive_maximum), None, None), 60, limits)
    }

    /// With a server that names all of it.
    pub(in super::super) fn of(
        session_present: bool,
        receive_maximum: u16,
        maximum_packet_size: u32,
    ) -> Negotiated {
        let connack = connack(Some(receive_maximum), Some(maximum_packet_size), None);
        let negotiated = Negotiated::from_connack(&connack, 60, &Limits::aws_iot_core());
        Negotiated { session_present, ..negotiated }
    }

    /// With a server that takes QoS 0 alone, and keeps nothing.
    pub(in super::super) fn qos0_without_retain() -> Negotiated {
        let mut connack = connack(None, None, None);
        if let Some(properties) = &mut connack.properties {
            (properties.max_qos, properties.retain_available) = (Some(0), Some(0));
        }
        Negotiated::from_connack(&connack, 60, &Limits::aws_iot_core())
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
        let of = |connack| Negotiated::from_connack(&connack, 60, &aws);
        assert_eq!(of(connack(Some(20), None, None)).receive_maximum, 20);
        assert_eq!(of(connack(Some(1000), None, None)).receive_maximum, 100);
        assert_eq!(of(connack(None, Some(9000), None)).maximum_packet_size, 9000);
        assert_eq!(of(connack(None, None, None)).maximum_packet_size, 149_504);
        assert_eq!(of(connack(None, None, Some(1200))).keep_alive, Duration::from_secs(1200));
        assert_eq!(of(connack(None, None, None)).keep_alive, Duration::from_secs(60));
    }

    #[test]
    fn a_refusal_names_client_id_reason_and_policy() {
        let refused = ConnAck { code: ConnectReturnCode::NotAuthorized, ..connack(None, None, None) };
        let options = ConnectOptions {
            client_id: "device-1".to_owned(),
            keep_alive: 60,
            clean_start: true,
            session_expiry: 0,
            will: None,
        };
        let answer = Packet::ConnAck(refused);
        let error =
            Negotiated::from_answer(answer, "host:8883", &options, &Limits::aws_iot_core()).unwrap_err();
        let words = error.to_string();
        for word in ["host:8883", "'device-1'", "not authorized (0x87)", "iot:Connect"] {
            assert!(words.contains(word), "{word} in {words}");
        }
    }
}
