//! A device with a simulated chip, and a TLS exchange with a server.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_se050::{ClientConfigBuilder, ClientIdentity, TlsVersions, roots_from_pem_file};
use se050_key::{Certificate, Selector, Token};
use se050_sim::{Chip, Version};

pub(crate) const RSA_KEY: &str = "sss:100100F0";
pub(crate) const EC_KEY: &str = "sss:000100F0";

/// How long a server may take that has to answer: for a fault of the test, never waited out in a good run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// A chip that goes away costs an opening after 8 of these, and the last one 60 of these (1.8 s) later: a busy machine has to bring the
/// chip back before.
const BACK_OFF: Duration = Duration::from_millis(30);

/// A device with a simulated chip.
pub(crate) struct Device {
    directory: tempfile::TempDir,
    pub(crate) chip: Chip,
    pub(crate) token: Token,
}

impl Device {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let chip = Chip::create(&directory.path().join("chip")).unwrap();
        Self::with(directory, chip)
    }

    /// With a version of NXP's module.
    pub(crate) fn of_version(version: Version) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let chip = Chip::create(&directory.path().join("chip")).unwrap();
        chip.set_version(version).unwrap();
        Self::with(directory, chip)
    }

    fn with(directory: tempfile::TempDir, chip: Chip) -> Self {
        chip.set_log_to_stdout(false).unwrap();
        let token = Token::builder(chip.module()).back_off(BACK_OFF).open().unwrap();
        Self { directory, chip, token }
    }

    pub(crate) fn identity(&self, label: &str) -> ClientIdentity {
        let selector: Selector = label.parse().unwrap();
        let certificate = self.token.certificate(&selector).unwrap();
        ClientIdentity::new(self.token.key(&selector, None).unwrap(), &certificate).unwrap()
    }

    /// With the intermediate certificate of the chip's maker.
    pub(crate) fn identity_with_chain(&self, label: &str) -> ClientIdentity {
        let selector: Selector = label.parse().unwrap();
        let certificate = self.token.certificate(&selector).unwrap();
        let intermediate = fs::read_to_string(self.chip.directory().join("ca/intermediate.pem")).unwrap();
        let chain = self.certificate_file("chain.pem", &(certificate.to_pem() + &intermediate));
        ClientIdentity::new(self.token.key(&selector, &chain).unwrap(), &chain).unwrap()
    }

    /// The certificate in a new file.
    pub(crate) fn certificate_file(&self, name: &str, content: impl AsRef<[u8]>) -> Certificate {
        let file = self.path(name);
        fs::write(&file, content).unwrap();
        Certificate::from_file(&file).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn config(
        &self,
        identity: &ClientIdentity,
        versions: TlsVersions,
        server_ca_pem: &str,
    ) -> ClientConfig {
        let roots = self.roots("server-ca.pem", server_ca_pem);
        ClientConfigBuilder::new(identity, roots).tls_versions(versions).build().unwrap()
    }

    pub(crate) fn roots(&self, name: &str, pem: &str) -> RootCertStore {
        let file = self.path(name);
        fs::write(&file, pem).unwrap();
        roots_from_pem_file(file).unwrap()
    }

    /// The certificate authorities of the chip's certificates, in PEM.
    pub(crate) fn ca_pem(&self) -> String {
        self.chip.ca_pem().unwrap()
    }

    /// The root of them alone.
    pub(crate) fn root_pem(&self) -> String {
        fs::read_to_string(self.chip.directory().join("ca/root.pem")).unwrap()
    }

    pub(crate) fn signatures(&self) -> u64 {
        self.chip.calls().unwrap().signatures()
    }
}

/// Connects to `localhost`, sends a line, and returns the answer.
pub(crate) fn exchange(config: ClientConfig, port: u16) -> io::Result<String> {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = BufReader::new(StreamOwned::new(connection, socket));
    let written = stream.get_mut().write_all(b"hello\n");
    // A server that refuses the certificate may have hung up by now; why, it says in what it sent before. Not so a
    // failure on our own side.
    if written.as_ref().is_err_and(|error| error.get_ref().is_some()) {
        return written.map(|()| String::new());
    }
    let mut answer = String::new();
    match stream.read_line(&mut answer) {
        Ok(0) => Err(written.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())),
        Ok(_) => Ok(answer.trim_end().to_owned()),
        Err(error) => Err(error),
    }
}
