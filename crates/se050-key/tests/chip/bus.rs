//! A chip on a bus that can be looked at: a fake I2C device node, or a TCP socket. The client is a process of its own.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, ChildStdout, Command};

use rustix::io::Errno;
use se050_key::{Error, Scheme, Token};
use se050_sim::{Chip, Fault, I2cShim};
use tempfile::TempDir;

use crate::bench::{EC_KEY, calls, child, child_argument, eventually, new_chip, selector};

/// How the client's lines begin, between those of the test harness.
const ANSWER: &str = "client: ";

/// The client: one signature for each line of its standard input.
fn sign_on_demand(module: &str) {
    let token = Token::open(module).unwrap();
    let (key, _) = token.identity(&selector(EC_KEY), None).unwrap();
    println!("{ANSWER}ready");
    for _ in std::io::stdin().lines() {
        match key.sign(Scheme::EcdsaP256Sha256, b"a message") {
            Ok(_) => println!("{ANSWER}signed"),
            Err(error) => println!("{ANSWER}{error:?}"),
        }
    }
}

struct Client {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Client {
    fn start(test: &str, chip: &Chip, directory: &TempDir) -> Option<Self> {
        test_peers::c_compiler()?;
        let shim = I2cShim::build(directory.path()).unwrap();
        let mut command = child(test, chip.module().to_str().unwrap());
        command.env("SE050_LOCK_FILE", directory.path().join("lock"));
        Some(Self::spawn(shim.apply(&mut command, chip)))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut client = Self { child, lines };
        assert_eq!(client.answer(), "ready");
        client
    }

    fn answer(&mut self) -> String {
        let line =
            self.lines.find_map(|line| line.unwrap().split_once(ANSWER).map(|(_, rest)| rest.to_owned()));
        line.expect("the client has ended")
    }

    fn sign(&mut self) -> String {
        writeln!(self.child.stdin.as_mut().unwrap()).unwrap();
        self.answer()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

#[test]
fn a_chip_without_power_is_waited_for_and_found_when_it_is_back() {
    if let Some(module) = child_argument() {
        return sign_on_demand(&module);
    }
    let test = "bus::a_chip_without_power_is_waited_for_and_found_when_it_is_back";
    let (chip, directory) = new_chip();
    let Some(mut client) = Client::start(test, &chip, &directory) else { return };
    chip.set_fault(Fault::Absent).unwrap();
    chip.power_cycle().unwrap();
    // Longer than an opening without a sign of the chip would wait.
    for _ in 0..5 {
        assert!(client.sign().contains("ChipUnreachable"));
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    assert_eq!(calls(&chip, "C_OpenSession"), 1, "no opening is spent on a bus that is silent");
    chip.set_fault(Fault::None).unwrap();
    eventually(|| (client.sign() == "signed").then_some(()));
    assert_eq!(calls(&chip, "C_OpenSession"), 2);
}

#[test]
fn a_socket_that_refuses_connections_costs_no_opening() {
    if let Some(module) = child_argument() {
        return sign_on_demand(&module);
    }
    let test = "bus::a_socket_that_refuses_connections_costs_no_opening";
    let (chip, _directory) = new_chip();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, test_peers::unused_port()));
    let listener = TcpListener::bind(address).unwrap();
    let mut command = child(test, chip.module().to_str().unwrap());
    let mut client = Client::spawn(command.env("EX_SSS_BOOT_SSS_PORT", address.to_string()));
    drop(listener);
    chip.set_fault(Fault::Absent).unwrap();
    chip.power_cycle().unwrap();
    // Longer than an opening without a sign of the chip would wait.
    for _ in 0..5 {
        assert!(client.sign().contains("ChipUnreachable"));
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    assert_eq!(calls(&chip, "C_OpenSession"), 1, "no opening is spent on a socket that is not there");
    let _listener = TcpListener::bind(address).unwrap();
    chip.set_fault(Fault::None).unwrap();
    eventually(|| (client.sign() == "signed").then_some(()));
    assert_eq!(calls(&chip, "C_OpenSession"), 2);
}

#[test]
fn a_process_that_begins_without_its_socket_spends_no_opening() {
    if let Some(module) = child_argument() {
        let error = Token::open(&module).err().unwrap();
        assert!(matches!(error, Error::ChipUnreachable { openings_left: Some(2), .. }), "{error:?}");
        return;
    }
    let (chip, _directory) = new_chip();
    let closed = format!("127.0.0.1:{}", test_peers::CLOSED_PORT);
    let test = "bus::a_process_that_begins_without_its_socket_spends_no_opening";
    let mut command = child(test, chip.module().to_str().unwrap());
    let output = command.env("EX_SSS_BOOT_SSS_PORT", closed).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(calls(&chip, "C_OpenSession"), 0);
}

#[test]
fn whatever_else_the_bus_says_a_power_cycled_chip_is_opened_again() {
    if let Some(module) = child_argument() {
        return sign_on_demand(&module);
    }
    let test = "bus::whatever_else_the_bus_says_a_power_cycled_chip_is_opened_again";
    for errno in [None, Some(Errno::TIMEDOUT), Some(Errno::OPNOTSUPP), Some(Errno::IO), Some(Errno::BUSY)] {
        let (chip, directory) = new_chip();
        let Some(mut client) = Client::start(test, &chip, &directory) else { return };
        chip.set_i2c_errno(errno.map(Errno::raw_os_error)).unwrap();
        chip.power_cycle().unwrap();
        assert_eq!(client.sign(), "signed", "{errno:?}");
        assert_eq!(calls(&chip, "C_OpenSession"), 2, "{errno:?}");
    }
}

#[test]
fn a_chip_that_never_acknowledges_its_bare_address_is_used_all_the_same() {
    if let Some(module) = child_argument() {
        return sign_on_demand(&module);
    }
    let test = "bus::a_chip_that_never_acknowledges_its_bare_address_is_used_all_the_same";
    let (chip, directory) = new_chip();
    // What a real SE050 answers to an SMBus quick write was never seen.
    chip.set_i2c_errno(Some(Errno::NXIO.raw_os_error())).unwrap();
    let Some(mut client) = Client::start(test, &chip, &directory) else { return };
    chip.power_cycle().unwrap();
    assert_eq!(client.sign(), "signed");
    assert_eq!(calls(&chip, "C_OpenSession"), 2);
}
