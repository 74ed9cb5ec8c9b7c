//! Eclipse mosquitto with one TLS listener that requires a client certificate.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::Pki;
use crate::port::unused_port;
use crate::program::program;

/// The one TLS version that a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 and nothing else.
    Tls12,
    /// TLS 1.3 and nothing else.
    Tls13,
    /// Both.
    Any,
}

/// A running broker; it ends with this value.
pub struct Mosquitto {
    program: PathBuf,
    child: Child,
    port: u16,
    server_ca_pem: String,
    log: Arc<Mutex<String>>,
    directory: TempDir,
}

impl Mosquitto {
    /// Starts a broker for `localhost` that lets in clients whose certificate is issued below `client_ca_pem`, or gives
    /// `None` after writing down the skip.
    pub fn start(client_ca_pem: &str, version: TlsVersion) -> Option<Self> {
        Self::start_logging("all", client_ca_pem, version)
    }

    /// The same without a line of log for each packet, which would cost more than the packet: for benchmarks.
    pub fn start_quiet(client_ca_pem: &str, version: TlsVersion) -> Option<Self> {
        Self::start_logging("information", client_ca_pem, version)
    }

    fn start_logging(log_type: &str, client_ca_pem: &str, version: TlsVersion) -> Option<Self> {
        let mosquitto = program("mosquitto")?;
        (0..5)
            .find_map(|_| Self::try_start(&mosquitto, log_type, client_ca_pem, version))
            .or_else(|| panic!("no port to be had"))
    }

    /// The port on `localhost`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate authority of the broker's own certificate, in PEM.
    pub fn server_ca_pem(&self) -> &str {
        &self.server_ca_pem
    }

    /// What the broker has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no thread panics with the log").clone()
    }

    /// Kills the broker (SIGKILL). It knows nothing of its sessions afterwards.
    pub fn kill(&mut self) {
        self.child.kill().expect("the broker is killed");
        self.child.wait().expect("the broker has ended");
    }

    /// Starts the killed broker again: same port, same certificate, same log.
    pub fn start_again(&mut self) {
        self.child = spawn(&self.program, self.directory.path(), &self.log).expect("its port is still free");
    }

    /// `None` when the port was taken by somebody else in the meantime.
    fn try_start(mosquitto: &Path, log_type: &str, client_ca_pem: &str, version: TlsVersion) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| directory.path().join(name);
        let pki = Pki::new();
        let server = pki.server("localhost");
        fs::write(at("client-ca.pem"), client_ca_pem).expect("a file");
        fs::write(at("server.pem"), &server.certificate_pem).expect("a file");
        fs::write(at("server.key.pem"), &server.key_pem).expect("a file");

        let port = unused_port();
        let place = directory.path().display();
        let minimum = if version == TlsVersion::Tls13 { "tls_version tlsv1.3\n" } else { "" };
        let configuration = format!(
            "listener {port} 127.0.0.1\ncafile {place}/client-ca.pem\ncertfile {place}/server.pem\n\
             keyfile {place}/server.key.pem\nrequire_certificate true\nallow_anonymous true\n{minimum}\
             user root\nlog_dest stderr\nlog_type {log_type}\nmax_inflight_messages 100\nset_tcp_nodelay true\n",
        );
        fs::write(at("mosquitto.conf"), configuration).expect("a file");
        // mosquitto's tls_version is a minimum; the maximum is OpenSSL's own setting.
        let maximum = if version == TlsVersion::Tls12 { "MaxProtocol = TLSv1.2\n" } else { "" };
        let openssl_configuration = format!(
            "openssl_conf = o\n[o]\nssl_conf = s\n[s]\nsystem_default = d\n[d]\nMinProtocol = TLSv1.2\n{maximum}"
        );
        fs::write(at("openssl.cnf"), openssl_configuration).expect("a file");

        let log = Arc::new(Mutex::new(String::new()));
        let child = spawn(mosquitto, directory.path(), &log)?;
        Some(Self { program: mosquitto.to_owned(), child, port, server_ca_pem: pki.ca_pem(), log, directory })
    }
}

/// `None` when the port is taken by somebody else.
fn spawn(program: &Path, directory: &Path, log: &Arc<Mutex<String>>) -> Option<Child> {
    let mut child = Command::new(program)
        .arg("-c")
        .arg(directory.join("mosquitto.conf"))
        .env("OPENSSL_CONF", directory.join("openssl.cnf"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("mosquitto starts");
    let mut lines = BufReader::new(child.stderr.take().expect("its standard error"));
    if !read_until_running(&mut lines, log) {
        child.wait().expect("mosquitto has ended");
        let said = log.lock().expect("no thread panics with the log");
        assert!(said.contains("Address already in use"), "mosquitto does not start:\n{said}");
        return None;
    }
    let copy = Arc::clone(log);
    std::thread::spawn(move || while read_line(&mut lines, &copy).is_some() {});
    Some(child)
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_until_running<R: Read>(lines: &mut BufReader<R>, log: &Mutex<String>) -> bool {
    while let Some(line) = read_line(lines, log) {
        if line.trim_end().ends_with("running") {
            return true;
        }
    }
    false
}

fn read_line<R: Read>(lines: &mut BufReader<R>, log: &Mutex<String>) -> Option<String> {
    let mut line = String::new();
    match lines.read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => {
            log.lock().expect("no thread panics with the log").push_str(&line);
            Some(line)
        }
    }
}
