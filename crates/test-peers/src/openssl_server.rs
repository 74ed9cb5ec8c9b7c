//! OpenSSL's `s_server`: a TLS server that is strict about client certificates, and says what it saw of the client.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;

use crate::Pki;
use crate::program::program;

/// A running `openssl s_server -rev`, which sends back each line with its characters in reverse order. It ends with this value.
pub struct OpensslServer {
    child: Child,
    port: u16,
    ca_pem: String,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    _directory: TempDir,
}

impl OpensslServer {
    /// Starts a server for `localhost` with these options, or gives `None` after writing down the skip.
    ///
    /// Clients have to be issued below `client_ca_pem`, where that is given; without it, none is asked for a certificate.
    pub fn start(client_ca_pem: Option<&str>, options: &[&str]) -> Option<Self> {
        let openssl = program("openssl")?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| directory.path().join(name);
        let pki = Pki::new();
        let server = pki.server("localhost");
        fs::write(at("server.pem"), &server.certificate_pem).expect("a file");
        fs::write(at("server.key.pem"), &server.key_pem).expect("a file");
        let mut command = Command::new(openssl);
        command.args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-cert"]).arg(at("server.pem"));
        command.arg("-key").arg(at("server.key.pem")).args(options);
        if let Some(ca) = client_ca_pem {
            fs::write(at("client-ca.pem"), ca).expect("a file");
            command.args(["-Verify", "5", "-verify_return_error", "-CAfile"]).arg(at("client-ca.pem"));
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl starts");
        let log = Arc::new(Mutex::new(String::new()));
        let keep = |lines: Box<dyn std::io::Read + Send>, log: &Arc<Mutex<String>>| {
            let log = Arc::clone(log);
            std::thread::spawn(move || {
                for line in BufReader::new(lines).lines().map_while(Result::ok) {
                    log.lock().expect("no thread panics with the log").push_str(&(line + "\n"));
                }
            })
        };
        let errors = keep(Box::new(child.stderr.take().expect("its standard error")), &log);
        let mut lines = BufReader::new(child.stdout.take().expect("its standard output"));
        let mut line = String::new();
        let port = loop {
            line.clear();
            let read = lines.read_line(&mut line).expect("its standard output");
            assert_ne!(read, 0, "openssl s_server {options:?} ended: {}", log.lock().expect("the log"));
            if let Some((_, port)) =
                line.strip_prefix("ACCEPT ").and_then(|address| address.trim().rsplit_once(':'))
            {
                break port.parse().expect("a port");
            }
        };
        let readers = vec![errors, keep(Box::new(lines), &log)];
        Some(Self { child, port, ca_pem: pki.ca_pem(), log, readers, _directory: directory })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate authority of the server's own certificate, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Ends the server and returns all that it said. Of a client that it answered it has said everything.
    pub fn finish(mut self) -> String {
        self.end();
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader of the log");
        }
        std::mem::take(&mut *self.log.lock().expect("no thread panics with the log"))
    }

    fn end(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for OpensslServer {
    fn drop(&mut self) {
        self.end();
    }
}
