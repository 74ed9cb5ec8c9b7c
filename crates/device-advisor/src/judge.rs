//! What a case works with: a server, the device, and the time that it has.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustls::ServerConfig;
use tempfile::TempDir;

use crate::connection::{Connection, Hello, Silence};
use crate::credentials::{Credentials, ServerCertificate};
use crate::device::{Device, Place, Role, Running};
use crate::packet::{self, Connect};

/// How often a wait for a connection looks at its end, and at the device.
const TICK: Duration = Duration::from_millis(10);

/// One case's server and device.
pub(crate) struct Judge<'a> {
    device: &'a Device,
    credentials: &'a Credentials,
    directory: TempDir,
    listener: TcpListener,
    config: Arc<ServerConfig>,
    client_id: String,
    running: Option<Running>,
    until: Instant,
}

/// An attempt of the device to connect.
pub(crate) struct Attempt {
    /// What it said first.
    pub(crate) hello: Option<Hello>,
    /// The connection, or how TLS ended.
    pub(crate) connection: Result<Connection, Silence>,
}

impl<'a> Judge<'a> {
    /// A server on a free port of loopback, and a directory for the device; the case has that long.
    ///
    /// # Errors
    /// The machine refuses.
    pub(crate) fn new(
        device: &'a Device,
        credentials: &'a Credentials,
        certificate: ServerCertificate,
        time: Duration,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port on loopback")?;
        listener.set_nonblocking(true)?;
        let judge = Self {
            device,
            credentials,
            directory: tempfile::tempdir()?,
            config: credentials.server(certificate)?,
            client_id: format!("advisor-{}", listener.local_addr()?.port()),
            listener,
            running: None,
            until: Instant::now() + time,
        };
        judge.device.prepare(&judge.place()?)?;
        Ok(judge)
    }

    fn place(&self) -> anyhow::Result<Place<'_>> {
        Ok(Place {
            directory: self.directory.path(),
            port: self.listener.local_addr()?.port(),
            credentials: self.credentials,
            client_id: &self.client_id,
        })
    }

    /// Whether the device has a program of that role.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.device.command(role).is_some()
    }

    /// The command that prints the device's policy.
    pub(crate) fn policy_command(&self) -> Option<&[String]> {
        self.device.policy.as_deref()
    }

    /// When the case's time is over.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Starts the program of that role; one that still runs is ended before.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(&mut self, role: Role) -> anyhow::Result<()> {
        self.running = None;
        let running = self.device.start(role, &self.place()?)?;
        self.running = Some(running);
        Ok(())
    }

    /// Nothing listens for that long; then the same port does again.
    ///
    /// # Errors
    /// The port was taken meanwhile.
    pub(crate) fn away_for(&mut self, time: Duration) -> anyhow::Result<()> {
        let address = self.listener.local_addr()?;
        // A listener elsewhere takes the place of the one that is closed.
        self.listener = TcpListener::bind(("127.0.0.1", 0))?;
        std::thread::sleep(time);
        self.listener = TcpListener::bind(address).context("the server's port is taken")?;
        Ok(self.listener.set_nonblocking(true)?)
    }

    /// The device's next attempt to connect.
    ///
    /// # Errors
    /// None comes: the device has ended, or the time is over.
    pub(crate) fn attempt(&mut self) -> anyhow::Result<Attempt> {
        loop {
            match self.listener.accept() {
                Ok((tcp, _)) => {
                    tcp.set_nonblocking(false)?;
                    let (hello, connection) = Connection::accept(tcp, Arc::clone(&self.config));
                    return Ok(Attempt { hello, connection });
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if let Some(running) = &mut self.running {
                        running.still_runs()?;
                    }
                    anyhow::ensure!(Instant::now() < self.until, "no connection came within the case's time");
                    std::thread::sleep(TICK);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The device's next connection, up to its CONNECT packet.
    ///
    /// # Errors
    /// None comes.
    pub(crate) fn connection(&mut self) -> anyhow::Result<(Connection, Connect)> {
        let mut connection = self.attempt()?.connection.context("the TLS handshake")?;
        let connect = connection.connect(self.until).context("no CONNECT")?;
        Ok((connection, connect))
    }

    /// The device's next connection, accepted.
    ///
    /// # Errors
    /// None comes.
    pub(crate) fn accepted(&mut self, session_present: bool) -> anyhow::Result<(Connection, Connect)> {
        let (mut connection, connect) = self.connection()?;
        connection.send(&packet::connack(connect.level, session_present))?;
        Ok((connection, connect))
    }
}
