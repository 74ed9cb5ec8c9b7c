//! From CONNECT to CONNACK or to a refusal.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mqtt5_protocol::ReasonCode;
use mqtt5_protocol::packet::Packet;
use mqtt5_protocol::packet::connack::ConnAckPacket;
use tokio::time::timeout;

use super::connection::Connection;
use super::handshake::Broker;
use super::negotiation::{Refusal, admit, connack};
use super::transport::Transport;
use super::wire::WireFault;
use crate::faults::{Answer, Fault};
use crate::registry::CertificateId;

/// How long a client may take to send its CONNECT.
const FIRST_PACKET: Duration = Duration::from_secs(30);

/// Serves one client from its CONNECT to its end.
pub(super) async fn serve(
    broker: Broker,
    mut transport: Transport,
    certificate: CertificateId,
    peer: SocketAddr,
) {
    let connect = match timeout(FIRST_PACKET, transport.first()).await {
        Ok(Ok(Ok(Packet::Connect(connect)))) => *connect,
        Ok(Ok(Err(fault @ WireFault::Protocol { level: 0..=4 }))) => {
            broker.counters.connects_refused.add();
            tracing::warn!(%peer, reason = %fault, "CONNECT refused: connect with MQTT 5");
            return transport.close_unacceptable_protocol().await;
        }
        Ok(Ok(Err(fault))) => {
            return refuse(&broker, transport, peer, Refusal(fault.reason_code(), fault.to_string())).await;
        }
        Ok(Ok(Ok(_))) => {
            let reason = "its first packet is not a CONNECT".to_owned();
            return refuse(&broker, transport, peer, Refusal(ReasonCode::ProtocolError, reason)).await;
        }
        // A TLS 1.3 client that does not accept the server's certificate also ends here.
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
        return transport.close(None).await;
    }
    match admit(&broker, &certificate, connect) {
        Ok(accepted) => {
            broker.counters.connects_accepted.add();
            tracing::info!(%peer, client_id = accepted.client_id, keep_alive = accepted.keep_alive, "connected");
            let session = broker.hub.join(&accepted, &certificate, Instant::now());
            if broker.faults.strikes(&Fault::Withhold(Answer::Connack)) {
                tracing::warn!(%peer, client_id = accepted.client_id, "CONNACK withheld");
            } else {
                let told = broker.faults.find(|fault| match fault {
                    Fault::SessionPresent(present) => Some(*present),
                    _ => None,
                });
                transport.send(&connack(&accepted, told.unwrap_or(session.session_present)));
            }
            Connection::new(broker, transport, certificate, accepted, session).run().await;
        }
        Err(refusal) => refuse(&broker, transport, peer, refusal).await,
    }
}

async fn refuse(broker: &Broker, mut transport: Transport, peer: SocketAddr, refusal: Refusal) {
    let Refusal(code, reason) = refusal;
    broker.counters.connects_refused.add();
    tracing::warn!(%peer, ?code, reason, "CONNECT refused");
    transport.send(&ConnAckPacket::new(false, code));
    transport.close(None).await;
}
