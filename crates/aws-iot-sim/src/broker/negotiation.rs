//! Who gets in, and what the broker promises in its CONNACK.

use std::time::{Duration, Instant};

use mqtt5_protocol::packet::connack::ConnAckPacket;
use mqtt5_protocol::packet::connect::ConnectPacket;
use mqtt5_protocol::{QoS, ReasonCode};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::handshake::Broker;
use super::topic::TopicName;
use super::will::Will;
use crate::faults::Fault;
use crate::limits::{
    CLIENT_ID_BYTES, IN_FLIGHT, KEEP_ALIVE_MAX_SECONDS, KEEP_ALIVE_MIN_SECONDS, PACKET_BYTES,
    SESSION_EXPIRY_MAX_SECONDS, TOPIC_ALIASES,
};
use crate::policy::{ConnectAttribute, Decision};
use crate::registry::CertificateId;

/// What a client asked for and gets.
pub(super) struct Accepted {
    pub(super) client_id: String,
    /// Seconds.
    pub(super) keep_alive: u16,
    pub(super) receive_maximum: Option<u16>,
    pub(super) packet_maximum: Option<u32>,
    pub(super) will: Option<Will>,
    pub(super) clean_start: bool,
    /// How long the session is kept after the connection.
    pub(super) session_expiry: Duration,
    /// It asked for more.
    expiry_shortened: bool,
    assigned: bool,
}

/// A refusal: the code for the client, and the reason that AWS would not tell.
pub(super) struct Refusal(pub(super) ReasonCode, pub(super) String);

pub(super) fn admit(
    broker: &Broker,
    certificate: &CertificateId,
    connect: ConnectPacket,
) -> Result<Accepted, Refusal> {
    let properties = &connect.properties;
    if properties.get_authentication_method().is_some() {
        let reason = "enhanced authentication is not supported".to_owned();
        return Err(Refusal(ReasonCode::BadAuthenticationMethod, reason));
    }
    if connect.client_id.len() > CLIENT_ID_BYTES {
        let reason = format!("the client id is longer than {CLIENT_ID_BYTES} bytes");
        return Err(Refusal(ReasonCode::ClientIdentifierNotValid, reason));
    }
    let assigned = connect.client_id.is_empty();
    let client_id = if assigned { assign_client_id()? } else { connect.client_id.clone() };
    let too_fast = broker.hub.connects_too_fast(&client_id, Instant::now());
    if too_fast && broker.faults.strikes(&Fault::ConnectRate) {
        let reason = format!("client id {client_id} sent more than one CONNECT in a second");
        return Err(Refusal(ReasonCode::QuotaExceeded, reason));
    }
    let will = Will::of(&connect);
    let expiry = properties.get_session_expiry_interval().unwrap_or(0);
    authorize(broker, certificate, &client_id, attributes(&connect, expiry))?;
    if let Some(will) = &will {
        if will.qos == QoS::ExactlyOnce {
            return Err(Refusal(ReasonCode::QoSNotSupported, "the will message asks for QoS 2".into()));
        }
        if let Err(fault) = TopicName::parse(&will.topic) {
            return Err(Refusal(ReasonCode::TopicNameInvalid, format!("the will message's topic: {fault}")));
        }
    }
    Ok(Accepted {
        client_id,
        keep_alive: coerce_keep_alive(connect.keep_alive),
        receive_maximum: properties.get_receive_maximum(),
        packet_maximum: properties.get_maximum_packet_size(),
        will,
        clean_start: connect.clean_start,
        session_expiry: Duration::from_secs(expiry.min(SESSION_EXPIRY_MAX_SECONDS).into()),
        expiry_shortened: expiry > SESSION_EXPIRY_MAX_SECONDS,
        assigned,
    })
}

pub(super) fn connack(accepted: &Accepted, session_present: bool) -> ConnAckPacket {
    let mut packet = ConnAckPacket::new(session_present, ReasonCode::Success)
        .with_receive_maximum(IN_FLIGHT)
        .with_maximum_qos(1)
        .with_retain_available(true)
        .with_maximum_packet_size(PACKET_BYTES)
        .with_topic_alias_maximum(TOPIC_ALIASES)
        .with_wildcard_subscription_available(true)
        .with_subscription_identifier_available(false)
        .with_shared_subscription_available(true)
        .with_server_keep_alive(accepted.keep_alive);
    // Only where it is not what the client asked for (MQTT 5, section 3.2.2.3.2).
    if accepted.expiry_shortened {
        packet = packet.with_session_expiry_interval(SESSION_EXPIRY_MAX_SECONDS);
    }
    if accepted.assigned {
        packet = packet.with_assigned_client_id(accepted.client_id.clone());
    }
    packet
}

fn authorize(
    broker: &Broker,
    certificate: &CertificateId,
    client_id: &str,
    attributes: Vec<ConnectAttribute>,
) -> Result<(), Refusal> {
    match broker.registry.authorize_connect(certificate, client_id, attributes) {
        Decision::Allowed => Ok(()),
        decision => {
            let reason = format!(
                "{decision:?}: a policy on certificate {certificate} must allow iot:Connect on client/{client_id}"
            );
            Err(Refusal(ReasonCode::NotAuthorized, reason))
        }
    }
}

/// What the condition key `iot:ConnectAttributes` holds for this CONNECT (AWS IoT developer guide, "Using
/// connectAttributes").
fn attributes(connect: &ConnectPacket, session_expiry: u32) -> Vec<ConnectAttribute> {
    let mut attributes = Vec::new();
    if !connect.clean_start || session_expiry > 0 {
        attributes.push(ConnectAttribute::PersistentConnect);
    }
    if connect.will.is_some() {
        attributes.push(ConnectAttribute::LastWill);
    }
    attributes
}

/// The keep-alive that AWS uses for what a client asks (AWS IoT Core quotas page): 0 means the default, which is
/// also the maximum.
fn coerce_keep_alive(asked: u16) -> u16 {
    if asked == 0 {
        KEEP_ALIVE_MAX_SECONDS
    } else {
        asked.clamp(KEEP_ALIVE_MIN_SECONDS, KEEP_ALIVE_MAX_SECONDS)
    }
}

/// A client id for a client that sent none, in the form that AWS IoT Core gives: `$GEN/` and random digits.
fn assign_client_id() -> Result<String, Refusal> {
    let mut random = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Refusal(ReasonCode::ServerUnavailable, "the system gave no random numbers".into()))?;
    Ok(format!("$GEN/{:032x}", u128::from_be_bytes(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Accepted {
        /// A client that asks for nothing special.
        pub(in super::super) fn of(client_id: &str, clean_start: bool, session_expiry: Duration) -> Self {
            Self {
                client_id: client_id.to_owned(),
                keep_alive: 60,
                receive_maximum: None,
                packet_maximum: None,
                will: None,
                clean_start,
                session_expiry,
                expiry_shortened: false,
                assigned: false,
            }
        }
    }

    #[test]
    fn keep_alive_is_coerced() {
        for (asked, got) in [(0, 1200), (1, 30), (29, 30), (30, 30), (60, 60), (1200, 1200), (1201, 1200)] {
            assert_eq!(coerce_keep_alive(asked), got, "{asked}");
        }
    }
}
