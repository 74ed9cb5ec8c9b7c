//! The credential provider: temporary AWS credentials in exchange for a certificate, over mutual TLS (AWS IoT developer guide,
//! "Authorizing direct calls to AWS services using AWS IoT Core credential provider").

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::Router;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::serve::{IncomingStream, Listener};
use rustls::pki_types::CertificateDer;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::registry::{CertificateId, Registry, certificate_id};

/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(60);
/// How many connections may wait to be served.
const WAITING: usize = 16;

/// Serves for ever.
pub(crate) async fn serve(listeners: Vec<TcpListener>, acceptor: TlsAcceptor, registry: Arc<Registry>) {
    let (accepted, connections) = mpsc::channel(WAITING);
    for listener in listeners {
        tokio::spawn(accept(listener, acceptor.clone(), accepted.clone()));
    }
    let router =
        Router::new().route("/role-aliases/{alias}/credentials", get(credentials)).with_state(registry);
    let service = router.into_make_service_with_connect_info::<Peer>();
    if let Err(error) = axum::serve(Connections(connections), service).await {
        tracing::error!(%error, "the credential provider stops");
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, accepted: mpsc::Sender<TlsStream<TcpStream>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
        tokio::spawn(async move {
            match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                // An error means that the simulator stops.
                Ok(Ok(stream)) => drop(accepted.send(stream).await),
                Ok(Err(error)) => tracing::warn!(%error, "credential provider: refused in the TLS handshake"),
                Err(_) => {
                    tracing::warn!("credential provider: the TLS handshake took longer than {HANDSHAKE:?}")
                }
            }
        });
    }
}

struct Connections(mpsc::Receiver<TlsStream<TcpStream>>);

impl Listener for Connections {
    type Io = TlsStream<TcpStream>;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(())
    }
}

/// The certificate of the client. The handshake has asked the registry for it.
#[derive(Debug, Clone)]
struct Peer(Option<CertificateId>);

impl Connected<IncomingStream<'_, Connections>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        let (_, connection) = stream.io().get_ref();
        let certificate = connection.peer_certificates().and_then(<[CertificateDer<'_>]>::first);
        Self(certificate.map(|certificate| certificate_id(certificate)))
    }
}

async fn credentials(
    State(registry): State<Arc<Registry>>,
    ConnectInfo(Peer(certificate)): ConnectInfo<Peer>,
    Path(alias): Path<String>,
    headers: HeaderMap,
) -> Response {
    let thing = headers.get("x-amzn-iot-thingname").and_then(|value| value.to_str().ok());
    let assumed = match &certificate {
        Some(certificate) => registry.assume_role(certificate, &alias, thing),
        None => Err((403, "Access Denied".to_owned())),
    };
    match assumed {
        Ok(role) => {
            tracing::info!(alias, role = role.role_arn, "credentials given");
            let expiration = SystemTime::now() + Duration::from_secs(role.duration);
            let expiration =
                der::DateTime::try_from(expiration).map(|time| time.to_string()).unwrap_or_default();
            // They open nothing.
            Json(json!({ "credentials": {
                "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
                "secretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "sessionToken": "IQoJb3JpZ2luX2VjEXAMPLETOKEN",
                "expiration": expiration,
            }}))
            .into_response()
        }
        Err((status, message)) => {
            tracing::warn!(alias, ?thing, status, message, "credentials refused");
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
            (status, Json(json!({ "message": message }))).into_response()
        }
    }
}
