//! The running simulator: a thread of its own, and the handle that tests and programs hold.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode;
use tokio::net::TcpListener;
use tokio::runtime::{Builder as RuntimeBuilder, Runtime};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::Error;
use crate::admission;
use crate::arn::Account;
use crate::broker::{Broker, Counters, Hub, listen};
use crate::control::{self, PageLimit, Services};
use crate::directory::Directory;
use crate::faults::{ActiveFaults, Fault, Injection};
use crate::registry::Registry;
use crate::statistics::Statistics;
use crate::tls::{Authority, ENDPOINT, server_config};

/// A local AWS IoT Core. It stops when it is dropped.
///
/// ```
/// let sim = aws_iot_sim::AwsIotSim::start()?;
/// println!("mqtt: {}:{}, control plane: {}", sim.endpoint(), sim.port(), sim.control_plane_url());
/// # Ok::<(), aws_iot_sim::Error>(())
/// ```
#[derive(Debug)]
pub struct AwsIotSim {
    port: u16,
    control_plane_url: String,
    ca_pem: String,
    registry: Arc<Registry>,
    hub: Arc<Hub>,
    counters: Arc<Counters>,
    faults: Arc<ActiveFaults>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    // Dropped last: a temporary directory goes away with it.
    directory: Directory,
}

/// How the simulator is to run. See [`AwsIotSim::builder`].
#[derive(Debug, Clone, Default)]
pub struct Builder {
    directory: Option<PathBuf>,
    port: u16,
    control_port: u16,
    page_limit: PageLimit,
    account: Option<String>,
    faults: Vec<Injection>,
}

impl AwsIotSim {
    /// Starts on free ports of the loopback interface, with its files in a temporary directory.
    ///
    /// # Errors
    /// When no port can be opened or no file written.
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// Settings for a simulator that is to run with other than the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The host name of the endpoint. Always a name, since a TLS client sends no SNI for an address.
    pub fn endpoint(&self) -> &str {
        ENDPOINT
    }

    /// The broker's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of the authority that a device has to trust, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The file with [`Self::ca_pem`].
    pub fn ca_file(&self) -> &Path {
        self.directory.ca_file()
    }

    /// The directory with the simulator's files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The address of the control plane, as `AWS_ENDPOINT_URL` takes it.
    pub fn control_plane_url(&self) -> &str {
        &self.control_plane_url
    }

    /// The environment for an AWS client: fake credentials, this control plane, and nothing of the user's own
    /// configuration, so that it can never reach a real account.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.directory.environment(&self.control_plane_url)
    }

    /// Sets a device up as the control plane would: thing, policy, certificate (ACTIVE), attachments.
    ///
    /// Returns the certificate id. What exists with the same content is used as it is. The policy's resources are
    /// in region `us-east-1` of account `123456789012`, for example
    /// `arn:aws:iot:us-east-1:123456789012:client/my-device`.
    ///
    /// # Errors
    /// When the registry refuses one of the steps; the source has AWS's name for it.
    pub fn admit(&self, certificate_pem: &str, thing: &str, policy_json: &str) -> Result<String, Error> {
        admission::admit(&self.registry, certificate_pem, thing, policy_json).map_err(Error::refused)
    }

    /// The client ids that are connected now, sorted.
    pub fn connections(&self) -> Vec<String> {
        self.hub.client_ids()
    }

    /// Ends the connection of a client with "administrative action", as if an operator did. Returns whether it was
    /// connected.
    pub fn disconnect(&self, client_id: &str) -> bool {
        self.hub.end(client_id, DisconnectReasonCode::AdministrativeAction)
    }

    /// Forgets the session of a client that is away, with its subscriptions and stored messages, as AWS does when the
    /// session has expired. Returns whether there was one.
    pub fn forget_session(&self, client_id: &str) -> bool {
        self.hub.forget(client_id)
    }

    /// Switches a fault on, until it is cleared or has struck as often as [`Fault::times`] says. A fault of the same
    /// kind is replaced.
    ///
    /// ```
    /// use aws_iot_sim::{Answer, AwsIotSim, Fault};
    ///
    /// let sim = AwsIotSim::start()?;
    /// sim.inject(Fault::Withhold(Answer::Puback));
    /// sim.inject(Fault::CloseAfterConnect.times(5));
    /// # Ok::<(), aws_iot_sim::Error>(())
    /// ```
    pub fn inject(&self, fault: impl Into<Injection>) {
        self.faults.inject(fault.into());
    }

    /// Switches a fault on for the next `times` occasions: `inject(fault.times(times))`.
    pub fn inject_times(&self, fault: Fault, times: u32) {
        self.inject(fault.times(times));
    }

    /// Switches the fault of that kind off. Returns whether it was on.
    pub fn clear_fault(&self, fault: &Fault) -> bool {
        self.faults.clear(fault)
    }

    /// Switches all faults off.
    pub fn clear_faults(&self) {
        self.faults.clear_all();
    }

    /// What the broker has done so far.
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.counters)
    }
}

impl Builder {
    /// Where the simulator keeps its files; made when it does not exist. A temporary directory otherwise.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// The broker's port; 0 takes a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The control plane's port; 0 takes a free one.
    #[must_use]
    pub fn control_port(mut self, port: u16) -> Self {
        self.control_port = port;
        self
    }

    /// Most entries on one page of the control plane's lists, to see whether a client asks for the next page.
    #[must_use]
    pub fn most_per_page(mut self, entries: usize) -> Self {
        self.page_limit = PageLimit(entries.max(1));
        self
    }

    /// The account id, twelve digits; 123456789012 otherwise.
    #[must_use]
    pub fn account(mut self, id: impl Into<String>) -> Self {
        self.account = Some(id.into());
        self
    }

    /// A fault that is on from the start. See [`AwsIotSim::inject`].
    #[must_use]
    pub fn fault(mut self, fault: impl Into<Injection>) -> Self {
        self.faults.push(fault.into());
        self
    }

    /// Starts the simulator, which listens when this returns.
    ///
    /// # Errors
    /// When the account id is not twelve digits, when a port cannot be opened or a file not be written.
    pub fn start(self) -> Result<AwsIotSim, Error> {
        let account = match self.account {
            Some(id) => Account::parse(&id).ok_or(Error::Account(id))?,
            None => Account::default(),
        };
        let faults = Arc::new(ActiveFaults::default());
        self.faults.into_iter().for_each(|injection| faults.inject(injection));
        let registry = Arc::new(Registry::new(account));
        let hub = Arc::new(Hub::new(Arc::clone(&registry)));
        let counters = Arc::new(Counters::default());
        let authority = Authority::generate()?;
        let config = server_config(&authority, Arc::clone(&registry))?;
        let runtime = RuntimeBuilder::new_multi_thread()
            .worker_threads(1)
            .thread_name("aws-iot-sim")
            .enable_all()
            .build()
            .map_err(Error::Thread)?;
        let sockets = runtime.block_on(Sockets::open(self.port, self.control_port))?;
        let control_plane_url = format!("http://{}", sockets.control_address);
        let port = sockets.port;
        let ca_pem = authority.ca_pem();
        let directory = Directory::create(self.directory, &ca_pem, port, &control_plane_url)?;

        let broker = Broker {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            registry: Arc::clone(&registry),
            hub: Arc::clone(&hub),
            counters: Arc::clone(&counters),
            faults: Arc::clone(&faults),
        };
        let services = Services {
            registry: Arc::clone(&registry),
            hub: Arc::clone(&hub),
            faults: Arc::clone(&faults),
            page_limit: self.page_limit,
        };
        let (stop, stopped) = oneshot::channel();
        let service = sockets.serve(broker, control::router(services), stopped);
        let thread = std::thread::Builder::new()
            .name("aws-iot-sim".to_owned())
            .spawn(move || run(runtime, service))
            .map_err(Error::Thread)?;
        Ok(AwsIotSim {
            port,
            control_plane_url,
            ca_pem,
            registry,
            hub,
            counters,
            faults,
            stop: Some(stop),
            thread: Some(thread),
            directory,
        })
    }
}

impl Drop for AwsIotSim {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the simulator's thread has been printed by its own hook.
            let _ = thread.join();
        }
    }
}

/// The open sockets of both planes.
struct Sockets {
    broker: Vec<TcpListener>,
    port: u16,
    control: TcpListener,
    control_address: SocketAddr,
}

impl Sockets {
    async fn open(port: u16, control_port: u16) -> Result<Self, Error> {
        let failed = |port| move |source| Error::Listen { port, source };
        let broker = listen(port).await.map_err(failed(port))?;
        let address = broker.first().map(TcpListener::local_addr).transpose().map_err(failed(port))?;
        let control =
            TcpListener::bind((Ipv4Addr::LOCALHOST, control_port)).await.map_err(failed(control_port))?;
        let control_address = control.local_addr().map_err(failed(control_port))?;
        Ok(Self { broker, port: address.map_or(port, |address| address.port()), control, control_address })
    }

    /// Serves both planes until the handle is gone.
    async fn serve(self, broker: Broker, router: Router, stopped: oneshot::Receiver<()>) {
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

fn run(runtime: Runtime, service: impl Future<Output = ()>) {
    runtime.block_on(service);
    // Connections end with the simulator; nobody waits for clients.
    runtime.shutdown_timeout(Duration::from_millis(500));
}
