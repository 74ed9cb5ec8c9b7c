//! What a client program is asked to do, and with which broker.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// The command line of a client program, the same for each client.
#[derive(Debug, Parser)]
pub struct TaskArgs {
    /// The broker's port on localhost
    #[arg(long)]
    pub port: u16,
    /// The broker's CA (PEM)
    #[arg(long)]
    pub ca: PathBuf,
    /// The client's certificate (PEM)
    #[arg(long)]
    pub cert: PathBuf,
    /// The client's private key (PKCS#8, PEM)
    #[arg(long)]
    pub key: PathBuf,
    /// What to do
    #[command(subcommand)]
    pub task: Task,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Task {
    /// Publish messages as fast as the broker acknowledges them
    Publish(Messages),
    /// The same, subscribed to the topic: until all messages are back
    Echo(Messages),
    /// Queue messages while no broker is there; once it is, print how long they take from the connection to the last acknowledgement
    Queue(Messages),
    /// Publish ten messages a second at QoS 1 until standard input closes; print the time of each acknowledgement
    Recover {
        /// The MQTT client id
        #[arg(long)]
        client_id: String,
    },
    /// Connect with a key whose signature takes two seconds; count the ticks of a 10 ms timer that come late
    Stall,
}

/// How many messages, and of which kind.
#[derive(Debug, Clone, Args)]
pub struct Messages {
    /// 0 or 1
    #[arg(long)]
    pub qos: u8,
    /// Of the payload
    #[arg(long)]
    pub bytes: usize,
    /// Most messages that are not acknowledged
    #[arg(long)]
    pub in_flight: u16,
    /// How many
    #[arg(long)]
    pub messages: usize,
    /// Keep them in a durable outbox in this directory
    #[arg(long)]
    pub durable: Option<PathBuf>,
    /// Write that many messages to stable storage together, or what there is after 10 ms
    #[arg(long, requires = "durable")]
    pub batch: Option<usize>,
}

impl TaskArgs {
    /// The TLS configuration that the arguments describe.
    ///
    /// # Panics
    /// A file cannot be used.
    pub fn tls(&self) -> Arc<ClientConfig> {
        let read = |path: &PathBuf| {
            let text = std::fs::read(path).expect("the file can be read");
            pem::parse(text).expect("the file is PEM").into_contents()
        };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(read(&self.ca))).expect("a CA certificate");
        let key = PrivateKeyDer::Pkcs8(read(&self.key).into());
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has both versions")
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![CertificateDer::from(read(&self.cert))], key)
            .expect("a key and its certificate");
        Arc::new(config)
    }
}
