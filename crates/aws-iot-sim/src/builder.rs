//! Settings, and the start of a simulator.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Builder as RuntimeBuilder;
use tokio_rustls::TlsAcceptor;

use crate::arn::Account;
use crate::broker::{Broker, Counters, Hub};
use crate::control::{self, PageLimit, Services};
use crate::directory::Directory;
use crate::faults::{ActiveFaults, Injection};
use crate::registry::Registry;
use crate::server::{Server, Sockets};
use crate::tls::{Authority, server_configs};
use crate::{AwsIotSim, Error};

/// How the simulator is to run. See [`AwsIotSim::builder`].
#[derive(Debug, Clone, Default)]
pub struct Builder {
    directory: Option<PathBuf>,
    port: u16,
    control_port: u16,
    credentials_port: u16,
    page_limit: PageLimit,
    account: Option<String>,
    faults: Vec<Injection>,
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

    /// The credential provider's port; 0 takes a free one.
    #[must_use]
    pub fn credentials_port(mut self, port: u16) -> Self {
        self.credentials_port = port;
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
        let authority = Arc::new(Authority::generate()?);
        let [config, credentials] = server_configs(&authority, Arc::clone(&registry))?;
        let runtime = RuntimeBuilder::new_multi_thread()
            .worker_threads(1)
            .thread_name("aws-iot-sim")
            .enable_all()
            .build()
            .map_err(Error::Thread)?;
        let sockets = runtime.block_on(Sockets::open(self.port, self.control_port, self.credentials_port))?;
        let control_plane_url = format!("http://{}", sockets.control_address);
        let (port, credentials_port) = (sockets.port, sockets.credentials_port);
        let ca_pem = authority.ca_pem();
        let directory =
            Directory::create(self.directory, &ca_pem, [port, credentials_port], &control_plane_url)?;

        let broker = Broker {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            registry: Arc::clone(&registry),
            hub: Arc::clone(&hub),
            counters: Arc::clone(&counters),
            faults: Arc::clone(&faults),
            authority,
        };
        let credentials = TlsAcceptor::from(Arc::new(credentials));
        let services = Services {
            registry: Arc::clone(&registry),
            hub: Arc::clone(&hub),
            faults: Arc::clone(&faults),
            page_limit: self.page_limit,
        };
        let server = Server::start(runtime, sockets, broker, credentials, control::router(services))?;
        Ok(AwsIotSim {
            port,
            credentials_port,
            control_plane_url,
            ca_pem,
            registry,
            hub,
            counters,
            faults,
            _server: server,
            directory,
        })
    }
}
