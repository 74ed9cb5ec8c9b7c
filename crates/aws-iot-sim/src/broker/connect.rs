//! From CONNECT to CONNACK or to a refusal.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mqtt5_protocol::ReasonCode;
use mqtt5_protocol::packet::Packet;
use mqtt5_protocol::packet::connack::ConnAckPacket;
use tokio::time::timeout;

use super::handshake::Broker;
use super::link::Link;
use super::negotiation::{Refusal, admit, connack};
use super::session::Session;
use super::wire::WireFault;
use crate::faults::{Answer, Fault};
use crate::registry::CertificateId;

/// How long a client may take to send its CONNECT.
const FIRST_PACKET: Duration = Duration::from_secs(30);

/// Serves one client from its CONNECT to its end.
pub(super) async fn session(broker: Broker, mut link: Link, certificate: CertificateId, peer: SocketAddr) {
    let connect = match timeout(FIRST_PACKET, link.first()).await {
        Ok(Ok(Ok(Packet::Connect(connect)))) => *connect,
        Ok(Ok(Err(fault @ WireFault::Protocol { level: 0..=4 }))) => {
            broker.counters.connects_refused.add();
            tracing::warn!(%peer, reason = %fault, "CONNECT refused: connect with MQTT 5");
            return link.close_unacceptable_protocol().await;
        }
        Ok(Ok(Err(fault))) => {
            return refuse(&broker, link, peer, Refusal(fault.reason_code(), fault.to_string())).await;
        }
        Ok(Ok(Ok(_))) => {
            let reason = "its first packet is not a CONNECT".to_owned();
            return refuse(&broker, link, peer, Refusal(ReasonCode::ProtocolError, reason)).await;
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
        tracing::warn!(%peer, client_id = connect.client_id, "closed after CONNECT");
        return link.close(None).await;
    }
    match admit(&broker, &certificate, connect) {
        Ok(accepted) => {
            broker.counters.connects_accepted.add();
            tracing::info!(%peer, client_id = accepted.client_id, keep_alive = accepted.keep_alive, "connected");
            let membership = broker.hub.join(&accepted, &certificate, Instant::now());
            if broker.faults.strikes(&Fault::Withhold(Answer::Connack)) {
                tracing::warn!(%peer, client_id = accepted.client_id, "CONNACK withheld");
            } else {
                let told = broker.faults.find(|fault| match fault {
                    Fault::SessionPresent(present) => Some(*present),
                    _ => None,
                });
                link.send(&connack(&accepted, told.unwrap_or(membership.session_present)));
            }
            Session::new(broker, link, certificate, accepted, membership).run().await;
        }
        Err(refusal) => refuse(&broker, link, peer, refusal).await,
    }
}

async fn refuse(broker: &Broker, mut link: Link, peer: SocketAddr, refusal: Refusal) {
    let Refusal(code, reason) = refusal;
    broker.counters.connects_refused.add();
    tracing::warn!(%peer, ?code, reason, "CONNECT refused");
    link.send(&ConnAckPacket::new(false, code));
    link.close(None).await;
}
