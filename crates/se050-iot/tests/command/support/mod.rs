//! What the tests of provisioning share: devices with keys in software, the operator's directory, the command.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;
use std::time::SystemTime;

use device_identity::{DeviceCertificate, IdentityBundle, Objects, Proof, ProofScheme, Statement, Subject};
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::Value;
use tempfile::TempDir;
use test_peers::{AwsCli, Pki, output_of};

pub(crate) mod clock;
pub(crate) mod fault_proxy;
pub(crate) mod messaging;
pub(crate) mod printed;
pub(crate) mod terminal;

/// A device whose key is in software.
pub(crate) struct Device {
    pub(crate) certificate: DeviceCertificate,
    pub(crate) key: KeyPair,
}

impl Device {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "device");
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: DeviceCertificate::from_der(certificate.der()).unwrap(), key }
    }

    /// One whose certificate that authority issued.
    pub(crate) fn issued_by(maker: &Pki) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = maker.certify(&key.subject_public_key_info(), "device");
        Self { certificate: DeviceCertificate::from_der(&der).unwrap(), key }
    }

    pub(crate) fn bundle(&self, serial: &str) -> String {
        let statement = Statement::new(Subject::Serial(serial.to_owned()), None, SystemTime::now()).unwrap();
        let signature = self.key.sign(&statement.to_bytes(&self.certificate)).unwrap();
        let proof = Proof::new(statement, ProofScheme::EcdsaP256Sha256, signature);
        let objects = Objects::of_key("sss:100100F0");
        IdentityBundle::new(self.certificate.clone(), objects, proof).to_json().unwrap()
    }
}

/// A directory, and an AWS account that the command reaches and nothing else.
pub(crate) struct Operator {
    directory: TempDir,
    environment: Vec<(String, String)>,
}

impl Operator {
    pub(crate) fn new(environment: Vec<(String, String)>) -> Self {
        Self { directory: TempDir::new().unwrap(), environment }
    }

    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The command, each call of which is tried once only.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_se050-iot"));
        command.current_dir(self.directory.path()).args(arguments);
        command.env_clear().envs(self.environment.clone()).env("AWS_MAX_ATTEMPTS", "1");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that has to end with that status, and returns what it said on standard error.
    #[track_caller]
    pub(crate) fn fails(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    /// The JSON object that a command prints, alone on standard output, and its status.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        let output = self.run(&[arguments, &["--json"]].concat());
        let object = serde_json::from_slice(&output.stdout);
        let object =
            object.unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output.stderr)));
        (object, output.status.code())
    }

    /// Runs a command that has to succeed, and returns what it printed.
    #[track_caller]
    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        text(&output_of(&mut self.command(arguments)))
    }
}

/// What the AWS CLI answers.
#[track_caller]
pub(crate) fn aws(cli: &AwsCli, arguments: &[&str]) -> Value {
    let mut command = cli.command(["iot"].iter().chain(arguments).chain(&["--output", "json"]));
    serde_json::from_slice(&output_of(&mut command)).unwrap()
}

/// The strings at `member` of each object in the list at `list`, sorted.
pub(crate) fn strings(answer: &Value, list: &str, member: &str) -> Vec<String> {
    let mut strings: Vec<String> = answer[list]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| if member.is_empty() { each } else { &each[member] })
        .map(|value| value.as_str().unwrap().to_owned())
        .collect();
    strings.sort();
    strings
}

/// The names of an object's members, sorted.
pub(crate) fn members(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// Runs the jobs four at a time: most of them wait most of the time.
pub(crate) fn four_at_a_time<T: Send, R: Send>(jobs: Vec<T>, run: impl Fn(T) -> R + Sync) -> Vec<R> {
    let jobs = Mutex::new(jobs.into_iter());
    let work = || {
        let next = || jobs.lock().unwrap().next();
        std::iter::from_fn(next).map(&run).collect::<Vec<R>>()
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

/// `aws iot update-certificate --new-status`. The simulator wants a signature and does not verify it.
pub(crate) fn update_certificate(control_plane: &str, certificate_id: &str, status: &str) {
    let address = control_plane.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    let authorization =
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261122/us-east-1/iot/aws4_request";
    let request = format!(
        "PUT /certificates/{certificate_id}?newStatus={status} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}, \
         Signature=0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
