//! The thread that serves broker, credential provider and control plane.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::broker::{Broker, listen};
use crate::{Error, credential_provider};

/// How long tasks may take to end when the simulator stops. Connections end with it.
const STOPPING: Duration = Duration::from_millis(500);

/// The running thread. It stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The open sockets of broker, credential provider and control plane.
pub(crate) struct Sockets {
    broker: Vec<TcpListener>,
    pub(crate) port: u16,
    credentials: Vec<TcpListener>,
    pub(crate) credentials_port: u16,
    control: TcpListener,
    pub(crate) control_address: SocketAddr,
}

impl Sockets {
    pub(crate) async fn open(port: u16, control_port: u16, credentials_port: u16) -> Result<Self, Error> {
        let failed = |port| move |source| Error::Listen { port, source };
        let broker = listen(port).await.map_err(failed(port))?;
        let address = broker.first().map(TcpListener::local_addr).transpose().map_err(failed(port))?;
        let credentials = listen(credentials_port).await.map_err(failed(credentials_port))?;
        let local = credentials.first().map(TcpListener::local_addr).transpose();
        let local = local.map_err(failed(credentials_port))?;
        let control =
            TcpListener::bind((Ipv4Addr::LOCALHOST, control_port)).await.map_err(failed(control_port))?;
        let control_address = control.local_addr().map_err(failed(control_port))?;
        Ok(Self {
            broker,
            port: address.map_or(port, |address| address.port()),
            credentials,
            credentials_port: local.map_or(credentials_port, |address| address.port()),
            control,
            control_address,
        })
    }

    /// Serves broker and control plane until the simulator is dropped.
    async fn serve(
        self,
        broker: Broker,
        credentials: TlsAcceptor,
        router: Router,
        stopped: oneshot::Receiver<()>,
    ) {
        tokio::spawn(credential_provider::serve(self.credentials, credentials, Arc::clone(&broker.registry)));
        for listener in self.broker {
            tokio::spawn(broker.clone().serve(listener));
        }
        tokio::spawn(async move {
            if let Err(error) = axum::serve(self.control, router).await {
                tracing::error!(%error, "the control plane stops");
            }
        });
        // An error means that the handle was dropped, which is the sign to stop.
        let _ = stopped.await;
    }
}

impl Server {
    pub(crate) fn start(
        runtime: Runtime,
        sockets: Sockets,
        broker: Broker,
        credentials: TlsAcceptor,
        router: Router,
    ) -> Result<Self, Error> {
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(sockets.serve(broker, credentials, router, stopped));
            runtime.shutdown_timeout(STOPPING);
        };
        let thread = std::thread::Builder::new().name("aws-iot-sim".to_owned()).spawn(serve);
        Ok(Self { stop: Some(stop), thread: Some(thread.map_err(Error::Thread)?) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the simulator's thread has been printed by its own hook.
            let _ = thread.join();
        }
    }
}
