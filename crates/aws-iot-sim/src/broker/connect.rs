//! CONNECT: who gets in, and what the broker promises in its CONNACK.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom as _, SystemRandom};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, ConnAckProperties, Connect, ConnectReturnCode, LastWill, Packet};
use tokio::time::timeout;

use super::handshake::Broker;
use super::link::Link;
use super::session::Session;
use super::topic::TopicName;
use super::wire::{Incoming, WireFault};
use crate::faults::Fault;
use crate::limits::{
    CLIENT_ID_BYTES, IN_FLIGHT, KEEP_ALIVE_MAX_SECONDS, KEEP_ALIVE_MIN_SECONDS, PACKET_BYTES,
    SESSION_EXPIRY_MAX_SECONDS, TOPIC_ALIASES,
};
use crate::policy::{Action, Decision};
use crate::registry::CertificateId;

/// How long a client may take to send its CONNECT.
const FIRST_PACKET: Duration = Duration::from_secs(30);

/// What a client asked for and gets.
pub(super) struct Accepted {
    pub(super) client_id: String,
    /// Seconds.
    pub(super) keep_alive: u16,
    pub(super) receive_maximum: Option<u16>,
    pub(super) packet_maximum: Option<u32>,
    pub(super) will: Option<LastWill>,
    pub(super) clean_start: bool,
    /// How long the session is kept after the connection.
    pub(super) session_expiry: Duration,
    /// It asked for more.
    expiry_shortened: bool,
    assigned: bool,
}

/// A refusal: the code for the client, and the reason that AWS would not tell.
struct Refusal(ConnectReturnCode, String);

/// Serves one client from its CONNECT to its end.
pub(super) async fn session(broker: Broker, mut link: Link, certificate: CertificateId, peer: SocketAddr) {
    let (connect, will) = match timeout(FIRST_PACKET, link.first()).await {
        Ok(Ok(Ok(Incoming::Packet(Packet::Connect(connect, will, _))))) => (connect, will),
        Ok(Ok(Err(fault @ WireFault::Protocol { level: 0..=4 }))) => {
            broker.counters.connects_refused.add();
            tracing::warn!(%peer, reason = %fault, "refused: connect with MQTT 5");
            return link.close_unacceptable_protocol().await;
        }
        Ok(Ok(Err(fault))) => {
            let code = match fault {
                WireFault::Protocol { .. } => ConnectReturnCode::UnsupportedProtocolVersion,
                WireFault::TooLarge => ConnectReturnCode::PacketTooLarge,
                WireFault::Malformed(_) => ConnectReturnCode::MalformedPacket,
            };
            return refuse(&broker, link, peer, Refusal(code, fault.to_string())).await;
        }
        Ok(Ok(Ok(_))) => {
            let reason = "its first packet is not a CONNECT".to_owned();
            return refuse(&broker, link, peer, Refusal(ConnectReturnCode::ProtocolError, reason)).await;
        }
        // It said nothing, so there is nothing to answer. Under TLS 1.3 a client also ends here that does not
        // accept the server's certificate.
        Ok(Err(error)) => {
            tracing::warn!(%peer, %error, "the client went away before its CONNECT: does it trust the CA file?");
            return;
        }
        Err(_) => {
            tracing::warn!(%peer, "no CONNECT within {FIRST_PACKET:?}");
            return;
        }
    };
    if broker.faults.strikes(&Fault::CloseAfterConnect) {
        return link.close(None).await;
    }
    match admit(&broker, &certificate, connect, will) {
        Ok(accepted) => {
            broker.counters.connects_accepted.add();
            tracing::info!(%peer, client_id = accepted.client_id, keep_alive = accepted.keep_alive, "connected");
            let membership = broker.hub.join(&accepted, &certificate, Instant::now());
            link.send(&Packet::ConnAck(welcome(&accepted, membership.session_present)));
            Session::new(broker, link, certificate, accepted, membership).run().await;
        }
        Err(refusal) => refuse(&broker, link, peer, refusal).await,
    }
}

async fn refuse(broker: &Broker, mut link: Link, peer: SocketAddr, refusal: Refusal) {
    let Refusal(code, reason) = refusal;
    broker.counters.connects_refused.add();
    tracing::warn!(%peer, ?code, reason, "CONNECT refused");
    link.send(&Packet::ConnAck(ConnAck { session_present: false, code, properties: None }));
    link.close(None).await;
}

fn admit(
    broker: &Broker,
    certificate: &CertificateId,
    connect: Connect,
    will: Option<LastWill>,
) -> Result<Accepted, Refusal> {
    use ConnectReturnCode as Code;
    let properties = connect.properties.as_ref();
    if properties.is_some_and(|properties| properties.authentication_method.is_some()) {
        return Err(Refusal(
            Code::BadAuthenticationMethod,
            "enhanced authentication is not supported".into(),
        ));
    }
    let receive_maximum = properties.and_then(|properties| properties.receive_maximum);
    let packet_maximum = properties.and_then(|properties| properties.max_packet_size);
    if receive_maximum == Some(0) || packet_maximum == Some(0) {
        return Err(Refusal(Code::ProtocolError, "a maximum of zero (MQTT 5, section 3.1.2.11)".into()));
    }
    if connect.client_id.len() > CLIENT_ID_BYTES || connect.client_id.contains('\0') {
        let reason = format!("the client id is longer than {CLIENT_ID_BYTES} bytes, or has a NUL");
        return Err(Refusal(Code::ClientIdentifierNotValid, reason));
    }
    let assigned = connect.client_id.is_empty();
    let client_id = if assigned { assign_client_id()? } else { connect.client_id };
    let decision = broker.registry.authorize(certificate, &client_id, Action::Connect, &client_id);
    if decision != Decision::Allowed {
        let reason = format!(
            "{decision:?}: a policy on certificate {certificate} must allow iot:Connect on client/{client_id}"
        );
        return Err(Refusal(Code::NotAuthorized, reason));
    }
    if let Some(will) = &will {
        if will.qos == QoS::ExactlyOnce {
            return Err(Refusal(Code::QoSNotSupported, "the will message asks for QoS 2".into()));
        }
        if let Err(fault) = TopicName::parse(&will.topic) {
            return Err(Refusal(Code::TopicNameInvalid, format!("the will message's topic: {fault}")));
        }
    }
    let expiry = properties.and_then(|properties| properties.session_expiry_interval).unwrap_or(0);
    Ok(Accepted {
        client_id,
        keep_alive: coerce_keep_alive(connect.keep_alive),
        receive_maximum,
        packet_maximum,
        will,
        clean_start: connect.clean_start,
        session_expiry: Duration::from_secs(expiry.min(SESSION_EXPIRY_MAX_SECONDS).into()),
        expiry_shortened: expiry > SESSION_EXPIRY_MAX_SECONDS,
        assigned,
    })
}

fn welcome(accepted: &Accepted, session_present: bool) -> ConnAck {
    let properties = ConnAckProperties {
        // Only where it is not what the client asked for (MQTT 5, section 3.2.2.3.2).
        session_expiry_interval: accepted.expiry_shortened.then_some(SESSION_EXPIRY_MAX_SECONDS),
        receive_max: Some(IN_FLIGHT),
        max_qos: Some(1),
        retain_available: Some(1),
        max_packet_size: Some(PACKET_BYTES),
        assigned_client_identifier: accepted.assigned.then(|| accepted.client_id.clone()),
        topic_alias_max: Some(TOPIC_ALIASES),
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: Some(1),
        subscription_identifiers_available: Some(0),
        shared_subscription_available: Some(1),
        server_keep_alive: Some(accepted.keep_alive),
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    };
    ConnAck { session_present, code: ConnectReturnCode::Success, properties: Some(properties) }
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
    SystemRandom::new().fill(&mut random).map_err(|_| {
        Refusal(ConnectReturnCode::ServerUnavailable, "the system gave no random numbers".into())
    })?;
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
