//! ministack: another emulator of AWS IoT Core in Python, with a broker that holds devices to their policies. From a virtual
//! environment of its own, because it pins other versions than the AWS CLI.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::aws_cli::aws_cli;
use crate::port::unused_port;
use crate::program::output_of;
use crate::python::virtual_environment;

/// How long it may take to start, on a machine with other work.
const STARTING: Duration = Duration::from_secs(60);

/// A running ministack with nothing in it; it ends with this value.
pub struct Ministack {
    child: Child,
    port: u16,
    mqtt_port: u16,
    directory: TempDir,
}

impl Ministack {
    /// Starts ministack on free ports, or gives `None` after writing down the skip.
    pub fn start() -> Option<Self> {
        let program = environment_of_its_own().join("bin/ministack");
        if !program.is_file() {
            crate::skip(&format!("ministack is not at {} (cargo xtask test installs it)", program.display()));
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (port, mqtt_port) = (unused_port(), unused_port());
        let log = File::create(directory.path().join("log")).expect("a log");
        let child = Command::new(program)
            .current_dir(directory.path())
            .env("AUTH", "true")
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("IOT_MTLS_PORT", mqtt_port.to_string())
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("ministack starts");
        let mut ministack = Self { child, port, mqtt_port, directory };
        ministack.wait();
        let ca = ministack.get("/_ministack/iot/ca.pem");
        std::fs::write(ministack.ca_file(), ca).expect("the CA file");
        Some(ministack)
    }

    /// The address of the control plane.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where devices connect with MQTT over TLS: `localhost` and this port.
    pub fn mqtt_port(&self) -> u16 {
        self.mqtt_port
    }

    /// The CA that issued the broker's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The environment for an AWS client: the account's root, this server, and nothing of the user's own configuration.
    pub fn environment(&self) -> Vec<(String, String)> {
        let nowhere = |name: &str| self.directory.path().join(name).display().to_string();
        [
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", nowhere("config")),
            ("AWS_SHARED_CREDENTIALS_FILE", nowhere("credentials")),
            ("NO_PROXY", "localhost,127.0.0.1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Registers a thing whose certificate has that policy, with the AWS CLI; `None` after writing down the skip where it is missing.
    pub fn register(&self, thing: &str, certificate_pem: &str, policy: &str) -> Option<()> {
        let cli = aws_cli(self.environment())?;
        let aws = |arguments: &[&str]| {
            let output = output_of(&mut cli.command(["iot", "--output", "text"].iter().chain(arguments)));
            String::from_utf8(output).expect("text")
        };
        aws(&["create-thing", "--thing-name", thing]);
        aws(&["create-policy", "--policy-name", thing, "--policy-document", policy]);
        let certificate =
            ["--certificate-pem", certificate_pem, "--status", "ACTIVE", "--query", "certificateArn"];
        let arn = aws(&[&["register-certificate-without-ca"], &certificate[..]].concat());
        aws(&["attach-policy", "--policy-name", thing, "--target", arn.trim()]);
        aws(&["attach-thing-principal", "--thing-name", thing, "--principal", arn.trim()]);
        Some(())
    }

    /// Until both ports are listened to.
    fn wait(&mut self) {
        let begin = Instant::now();
        while [self.port, self.mqtt_port].iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err())
        {
            let ended = self.child.try_wait().expect("its state");
            assert!(
                ended.is_none() && begin.elapsed() < STARTING,
                "ministack does not start: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        body.to_owned()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside the one of the other Python programs.
fn environment_of_its_own() -> PathBuf {
    let mut path = virtual_environment().into_os_string();
    path.push("-ministack");
    Path::new(&path).to_owned()
}
