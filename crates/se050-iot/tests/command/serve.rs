//! `se050-iot serve`, with p11-kit's own client module on the other side: in our command, in OpenSC's pkcs11-tool, and in
//! a program that lives on.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use se050_key::{Key, Pin, Scheme, Selector, Token};
use se050_sim::{Chip, Fault, Version};
use tempfile::TempDir;
use test_peers::{
    KeyKind, P11_KIT_ADDRESS, Pki, PrivateKeyFile, SoftHsm, USER_PIN, output_of, p11_kit_client, program,
    this_program,
};

use crate::support::text;

const EC_KEY: &str = "sss:000100F0";
const RSA_KEY: &str = "sss:100100F0";
const RSA_CERTIFICATE: u32 = 0xF000_0111;

/// The longest wait for something that has to happen; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The running command, and its clients' module.
struct Server {
    child: Child,
    client_module: PathBuf,
    directory: TempDir,
}

impl Server {
    fn start(module: &Path, options: &[&str], environment: &[(&str, PathBuf)]) -> Option<Self> {
        let client_module = p11_kit_client()?;
        let directory = TempDir::new().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_se050-iot"))
            .args(["serve", "--socket"])
            .arg(directory.path().join("pkcs11"))
            .arg("--pkcs11-lib")
            .arg(module)
            .args(options)
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let server = Self { child, client_module, directory };
        assert_eq!(line.trim(), format!("{P11_KIT_ADDRESS}={}", server.address()), "{}", server.log());
        Some(server)
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.directory.path().join("pkcs11").display())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// A program that uses the module behind the server.
    fn client(&self, mut program: Command, arguments: &[&str]) -> Command {
        program.args(arguments).env(P11_KIT_ADDRESS, self.address()).env_remove("SE050_PIN");
        program
    }

    /// Our command.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.client(Command::new(env!("CARGO_BIN_EXE_se050-iot")), arguments);
        command.arg("--pkcs11-lib").arg(&self.client_module);
        command
    }

    fn export(&self, key: &str) -> Output {
        self.command(&["cert", "export", "--key-label", key]).output().unwrap()
    }

    /// One signature, which the command verifies.
    fn enroll(&self, key: &str) -> Output {
        self.command(&["enroll", "--serial", "00C0A1", "--key-label", key]).output().unwrap()
    }

    /// OpenSC's tool.
    fn tool(&self, arguments: &[&str]) -> Option<Command> {
        let mut tool = Command::new(program("pkcs11-tool")?);
        tool.arg("--module").arg(&self.client_module);
        Some(self.client(tool, arguments))
    }

    fn worker(&self) -> Option<Pid> {
        let server = self.child.id();
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
        Pid::from_raw(children.trim().parse().ok()?)
    }

    /// Ends the worker as a crash does.
    fn crash(&self) {
        until("a worker", || self.worker().is_some());
        let worker = self.worker().unwrap();
        kill_process(worker, Signal::ABORT).unwrap();
        until("another worker", || self.worker().is_some_and(|other| other != worker));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, happened: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < end, "waited for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn new_chip(directory: &TempDir) -> Chip {
    // Its log on standard output is on, as NXP's is.
    Chip::create(&directory.path().join("chip")).unwrap()
}

#[track_caller]
fn good(output: &Output, server: &Server) {
    assert!(output.status.success(), "{}\nserver: {}", text(&output.stderr), server.log());
}

#[test]
fn a_module_that_logs_to_standard_output_is_served() {
    let directory = TempDir::new().unwrap();
    let chip = new_chip(&directory);
    let Some(server) = Server::start(&chip.module(), &[], &[]) else { return };
    for version in Version::ALL {
        chip.set_version(version).unwrap();
        server.crash();
        let key = if matches!(version, Version::V4_2 | Version::V4_3) { RSA_KEY } else { "sss:F0000110" };
        let exported = server.export(key);
        good(&exported, &server);
        let der = pem::parse(&exported.stdout).unwrap().into_contents();
        assert_eq!(der, chip.certificate(RSA_CERTIFICATE).unwrap(), "{version}");
        good(&server.enroll(key), &server);
    }
    assert!(server.log().contains("Communication channel is Plain"), "the module's log: {}", server.log());
    assert_eq!(chip.calls().unwrap().overlaps(), 0);
}

/// What `serve` is there for. If this fails, p11-kit has learned to serve such a module, and `serve` can go.
#[test]
fn p11_kits_own_server_does_not_serve_it() {
    let directory = TempDir::new().unwrap();
    let chip = new_chip(&directory);
    let (Some(p11_kit), Some(client), Some(tool)) =
        (program("p11-kit"), p11_kit_client(), program("pkcs11-tool"))
    else {
        return;
    };
    let socket = directory.path().join("pkcs11");
    let mut server = Command::new(p11_kit)
        .args(["server", "--foreground", "--name"])
        .arg(&socket)
        .arg("--provider")
        .arg(chip.module())
        .arg("pkcs11:")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("p11-kit's socket", || socket.exists());
    let mut client = Command::new(tool)
        .arg("--module")
        .arg(client)
        .arg("--list-slots")
        .env(P11_KIT_ADDRESS, format!("unix:path={}", socket.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // It hangs: more time would not help it.
    let end = Instant::now() + Duration::from_secs(3);
    let mut ended = None;
    while ended.is_none() && Instant::now() < end {
        thread::sleep(Duration::from_millis(20));
        ended = client.try_wait().unwrap();
    }
    for process in [&mut client, &mut server] {
        let _ = process.kill();
        process.wait().unwrap();
    }
    assert!(ended.is_none_or(|status| !status.success()), "{ended:?}");
}

#[test]
fn two_processes_use_the_chip_at_once() {
    let directory = TempDir::new().unwrap();
    let chip = new_chip(&directory);
    // Two processes of the module would break each other's session.
    chip.set_processes_disturb(true).unwrap();
    let Some(server) = Server::start(&chip.module(), &[], &[]) else { return };
    let mut lasting = Lasting::start(&server, EC_KEY, None);
    lasting.signs();
    thread::scope(|scope| {
        for key in [EC_KEY, RSA_KEY] {
            let server = &server;
            scope.spawn(move || (0..3).for_each(|_| good(&server.enroll(key), server)));
        }
        (0..10).for_each(|_| lasting.signs());
    });
    assert_eq!(chip.calls().unwrap().overlaps(), 0, "one call at a time");
}

#[test]
fn a_server_that_crashes_costs_a_retry_and_no_restart_of_the_client() {
    let directory = TempDir::new().unwrap();
    let chip = new_chip(&directory);
    let Some(server) = Server::start(&chip.module(), &[], &[]) else { return };
    let mut lasting = Lasting::start(&server, EC_KEY, None);
    for _ in 0..3 {
        lasting.signs();
        server.crash();
    }
    lasting.signs();
    assert!(server.log().contains("the worker ended (signal: 6"), "{}", server.log());
}

#[test]
fn the_chip_is_locked_for_programs_with_a_module_of_their_own() {
    let directory = TempDir::new().unwrap();
    let chip = new_chip(&directory);
    let lock = ("SE050_LOCK_FILE", directory.path().join("lock"));
    let Some(server) = Server::start(&chip.module(), &[], std::slice::from_ref(&lock)) else { return };
    let own = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_se050-iot"));
        command.args(["cert", "export", "--key-label", EC_KEY, "--pkcs11-lib"]).arg(chip.module());
        command.env(lock.0, &lock.1).output().unwrap()
    };
    for _ in 0..2 {
        let refused = own();
        let holder = format!("in use by process {}", server.child.id());
        assert!(text(&refused.stderr).contains(&holder), "{}", text(&refused.stderr));
        // The worker's end does not release it.
        server.crash();
    }
    good(&server.export(EC_KEY), &server);
    drop(server);
    assert!(own().status.success());

    // And the server does not take the chip from such a program.
    let token = Token::builder(chip.module()).lock_file(&lock.1).open().unwrap();
    let mut second = Command::new(env!("CARGO_BIN_EXE_se050-iot"));
    second
        .args(["serve", "--socket"])
        .arg(directory.path().join("second"))
        .arg("--pkcs11-lib")
        .arg(chip.module());
    let output = second.env(lock.0, &lock.1).output().unwrap();
    assert!(text(&output.stderr).contains("in use by process"), "{}", text(&output.stderr));
    drop(token);
}

/// On 4.7, a fourth session would close the chip under the other three.
#[test]
fn a_client_too_many_harms_nobody() {
    let directory = TempDir::new().unwrap();
    let chip = new_chip(&directory);
    chip.set_version(Version::V4_7).unwrap();
    let Some(server) = Server::start(&chip.module(), &[], &[]) else { return };
    let mut clients = [(); 3].map(|()| Lasting::start(&server, "sss:F0000100", None));
    clients.iter_mut().for_each(Lasting::signs);
    let refused = server.export("sss:F0000100");
    assert!(text(&refused.stderr).contains("CKR_SESSION_COUNT"), "{}", text(&refused.stderr));
    clients.iter_mut().for_each(Lasting::signs);
    drop(clients);
    until("a free session", || server.export("sss:F0000100").status.success());
}

#[test]
fn failed_openings_do_not_use_the_server_up() {
    let directory = TempDir::new().unwrap();
    let chip = new_chip(&directory);
    let Some(server) = Server::start(&chip.module(), &[], &[]) else { return };
    chip.set_fault(Fault::Absent).unwrap();
    // A process with the module of its own has three openings.
    for _ in 0..4 {
        assert!(!server.export(EC_KEY).status.success());
    }
    chip.set_fault(Fault::None).unwrap();
    good(&server.export(EC_KEY), &server);
}

#[test]
fn a_call_that_hangs_is_given_up() {
    let directory = TempDir::new().unwrap();
    let chip = new_chip(&directory);
    let Some(server) = Server::start(&chip.module(), &["--call-limit", "1"], &[]) else { return };
    // Until it is lifted, which is after the client has ended.
    chip.set_fault(Fault::Mute).unwrap();
    let hung = server.export(EC_KEY);
    assert!(!hung.status.success(), "{}", text(&hung.stdout));
    assert!(server.log().contains("has not returned"), "{}", server.log());
    chip.set_fault(Fault::None).unwrap();
    good(&server.export(EC_KEY), &server);
}

/// p11-kit frees the parameter after C_SignInit; NXP's module, and the simulator, read it in C_Sign.
#[test]
fn the_parameter_of_pss_is_kept_for_the_module() {
    let directory = TempDir::new().unwrap();
    let chip = new_chip(&directory);
    let Some(server) = Server::start(&chip.module(), &[], &[]) else { return };
    let Some(openssl) = program("openssl") else { return };
    let file = |name: &str| directory.path().join(name).display().to_string();
    fs::write(file("message"), b"a message").unwrap();
    fs::write(file("certificate"), chip.certificate(RSA_CERTIFICATE).unwrap()).unwrap();
    let openssl = |arguments: &[&str]| output_of(Command::new(&openssl).args(arguments));
    openssl(&["dgst", "-sha256", "-binary", "-out", &file("digest"), &file("message")]);
    let key = openssl(&["x509", "-inform", "DER", "-in", &file("certificate"), "-pubkey", "-noout"]);
    fs::write(file("key"), key).unwrap();
    let arguments =
        ["--sign", "--id", "100100F0", "--mechanism", "RSA-PKCS-PSS", "--hash-algorithm", "SHA256"];
    let files =
        ["--mgf", "MGF1-SHA256", "--input-file", &file("digest"), "--output-file", &file("signature")];
    let Some(mut tool) = server.tool(&[&arguments[..], &files].concat()) else { return };
    output_of(&mut tool);
    let padding = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"];
    let verify = ["dgst", "-sha256", "-verify", &file("key"), "-signature", &file("signature")];
    openssl(&[&verify[..], &padding, &[&file("message")]].concat());
}

#[test]
fn softhsm_is_served_and_each_client_needs_the_pin() {
    let Some(token) = SoftHsm::new() else { return };
    let directory = TempDir::new().unwrap();
    let Some(key) = PrivateKeyFile::generate(directory.path(), "key", KeyKind::EcP256) else { return };
    let certificate = Pki::new().certify(&key.public_key(), "device");
    token.import_key(key.path(), "ours", "01");
    token.import_certificate(&certificate, "ours", "01");
    let (variable, value) = token.environment();
    let Some(server) = Server::start(token.module(), &[], &[(variable, value)]) else { return };

    let enroll = |pin: &str| {
        let mut command = server.command(&["enroll", "--serial", "1", "--key-label", "ours"]);
        command.env("SE050_PIN", pin).output().unwrap()
    };
    good(&enroll(USER_PIN), &server);
    // While one client is logged in, and with it the process that has the module.
    let mut lasting = Lasting::start(&server, "ours", Some(USER_PIN));
    lasting.signs();
    good(&enroll(USER_PIN), &server);
    let wrong = enroll("0000");
    assert!(text(&wrong.stderr).contains("CKR_PIN_INCORRECT"), "{}", text(&wrong.stderr));
    lasting.signs();

    // Nothing changes the token.
    let delete = ["--login", "--pin", USER_PIN, "--delete-object", "--type", "privkey", "--id", "01"];
    let Some(mut tool) = server.tool(&delete) else { return };
    let output = tool.output().unwrap();
    assert!(text(&output.stderr).contains("CKR_FUNCTION_NOT_SUPPORTED"), "{}", text(&output.stderr));
    good(&enroll(USER_PIN), &server);
}

#[test]
fn a_module_that_cannot_be_loaded_ends_the_server() {
    let directory = TempDir::new().unwrap();
    let module = directory.path().join("libsss_pkcs11.so");
    fs::write(&module, b"not a module").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_se050-iot"))
        .args(["serve", "--socket"])
        .arg(directory.path().join("pkcs11"))
        .arg("--pkcs11-lib")
        .arg(&module)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("cannot load the PKCS#11 module") && said.contains("libsss_pkcs11.so"), "{said}");
}

#[test]
fn a_client_without_its_server_says_so() {
    let Some(module) = p11_kit_client() else { return };
    let output = Command::new(env!("CARGO_BIN_EXE_se050-iot"))
        .args(["cert", "export", "--key-label", EC_KEY, "--pkcs11-lib"])
        .arg(module)
        .env(P11_KIT_ADDRESS, "unix:path=/nonexistent/pkcs11")
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("no p11-kit server answers"), "{}", text(&output.stderr));
}

#[test]
fn the_socket_replaces_an_old_one_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let chip = new_chip(&directory);
    let Some(server) = Server::start(&chip.module(), &[], &[]) else { return };
    let socket = server.directory.path().join("pkcs11");
    let second = |socket: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_se050-iot"));
        command.args(["serve", "--socket"]).arg(socket).arg("--pkcs11-lib").arg(chip.module());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    assert!(second(&socket).contains("another server listens"));
    let file = directory.path().join("file");
    fs::write(&file, "precious").unwrap();
    assert!(second(&file).contains("cannot listen on"));
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o077, 0, "its owner's only");

    // Killed, it leaves the socket behind.
    drop(server);
    let left = directory.path().join("left");
    drop(UnixListener::bind(&left).unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_se050-iot"));
    command.args(["serve", "--socket"]).arg(&left).arg("--pkcs11-lib").arg(chip.module());
    let mut third = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(third.stdout.take().unwrap()).read_line(&mut line).unwrap();
    third.kill().unwrap();
    third.wait().unwrap();
    assert!(line.starts_with(P11_KIT_ADDRESS), "{line}");
}

/// A client that lives on: this test program once more, which signs whenever it is told to.
struct Lasting {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Module, key and PIN, a line each.
const LASTING: &str = "SE050_IOT_TEST_LASTING";

impl Lasting {
    fn start(server: &Server, key: &str, pin: Option<&str>) -> Self {
        let mut command =
            server.client(this_program(), &["--exact", "serve::a_lasting_client", "--nocapture"]);
        let told = format!("{}\n{key}\n{}", server.client_module.display(), pin.unwrap_or_default());
        let mut child =
            command.env(LASTING, told).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    /// One call of its library signs.
    #[track_caller]
    fn signs(&mut self) {
        writeln!(self.input, "sign").unwrap();
        let mut line = String::new();
        // The test harness writes its own lines before; an end of file is no answer.
        while !line.contains("signed") && !line.contains("failed") {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the client ended");
        }
        assert!(line.contains("signed"), "{line}");
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_lasting_client() {
    let Ok(told) = std::env::var(LASTING) else { return };
    let [module, key, pin] = told.splitn(3, '\n').collect::<Vec<_>>().try_into().unwrap();
    let mut token = Token::builder(module);
    if !pin.is_empty() {
        token = token.pin(Pin::new(pin.to_owned()));
    }
    let token = token.open().unwrap();
    let key: Key = token.key(&key.parse::<Selector>().unwrap(), None).unwrap();
    for line in std::io::stdin().lines() {
        line.unwrap();
        match key.sign(Scheme::EcdsaP256Sha256, b"a message") {
            Ok(_) => println!("signed"),
            Err(error) => println!("failed: {error:?}"),
        }
    }
}
