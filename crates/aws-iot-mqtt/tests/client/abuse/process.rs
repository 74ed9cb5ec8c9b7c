//! A process that publishes numbers and says which of them are stored. It is this test program, started once more.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use aws_iot_mqtt::durable::{Commit, DurableOptions};
use aws_iot_mqtt::{DisconnectReason, OutboxOptions, Publication, QoS, Receipt};
use test_peers::{Issued, Mosquitto, Pki, this_program};

use crate::support::{BOTH_VERSIONS, block_on, lasting, tls};

/// The variable that tells the process what to do: `DIR FIRST COUNT PORT MILLISECONDS FILES`.
const TASK: &str = "ABUSE_TASK";

/// What the process needs to reach a broker.
pub(super) struct Place {
    directory: PathBuf,
    port: u16,
    files: PathBuf,
}

impl Place {
    /// A store in `directory`, and the broker that lets `device` in.
    pub(super) fn new(directory: &Path, files: &Path, device: &Issued, broker: &Mosquitto) -> Self {
        Self::at(directory, files, device, broker.server_ca_pem(), broker.port())
    }

    /// The same, with something between it and the broker.
    pub(super) fn through(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// A store in `directory`, and no broker.
    pub(super) fn offline(directory: &Path, files: &Path) -> Self {
        let pki = Pki::new();
        Self::at(directory, files, &pki.client("device"), &pki.ca_pem(), 1)
    }

    fn at(directory: &Path, files: &Path, device: &Issued, ca_pem: &str, port: u16) -> Self {
        fs::write(files.join("certificate.pem"), &device.certificate_pem).unwrap();
        fs::write(files.join("key.pem"), &device.key_pem).unwrap();
        fs::write(files.join("ca.pem"), ca_pem).unwrap();
        Self { directory: directory.to_owned(), port, files: files.to_owned() }
    }

    /// The process, which publishes `count` numbers from `first` on, synced together within `delay`, and then what is left.
    pub(super) fn command(&self, program: Command, first: u64, count: u64, delay: Duration) -> Command {
        let Self { directory, port, files } = self;
        let mut command = program;
        command.args(["--exact", "abuse::process::publishes_where_it_is_told_to", "--nocapture"]);
        let (directory, files, delay) = (directory.display(), files.display(), delay.as_millis());
        command.env(TASK, format!("{directory} {first} {count} {port} {delay} {files}"));
        command.env_remove("ABUSE").stderr(Stdio::null());
        command
    }

    pub(super) fn start(&self, first: u64, count: u64, delay: Duration) -> Publisher {
        let mut command = self.command(this_program(), first, count, delay);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Publisher { child, lines }
    }
}

pub(super) struct Publisher {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Publisher {
    /// Lets it go on for a while, kills it, and returns all that it said is stored.
    pub(super) fn kill_after(mut self, time: Duration) -> Vec<u64> {
        std::thread::sleep(time);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.rest()
    }

    /// Waits for its ordinary end.
    pub(super) fn wait(mut self) -> Vec<u64> {
        let stored = self.rest();
        assert!(self.child.wait().unwrap().success());
        stored
    }

    fn rest(&mut self) -> Vec<u64> {
        let mut text = String::new();
        // The last line may be cut off by the kill: then it was not said.
        while self.lines.read_line(&mut text).unwrap() > 0 {}
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let number = |line: &str| line.strip_prefix("stored ")?.parse().ok();
        whole.lines().filter_map(number).collect()
    }
}

/// A payload that tells its number, and is longer for some.
pub(super) fn payload(number: u64) -> String {
    format!("number {number} {}", "x".repeat(usize::try_from(number % 50 * 20).unwrap()))
}

/// The process itself. As a test, it has nothing to do.
#[test]
fn publishes_where_it_is_told_to() {
    let Ok(task) = std::env::var(TASK) else { return };
    let words: Vec<&str> = task.split(' ').collect();
    let [directory, first, count, port, delay, files] = words[..] else { panic!("{task}") };
    let number = |word: &str| word.parse::<u64>().unwrap();
    let read = |name: &str| fs::read_to_string(Path::new(files).join(name)).unwrap();
    let device = Issued { certificate_pem: read("certificate.pem"), key_pem: read("key.pem") };
    let tls = tls(&device, &read("ca.pem"), BOTH_VERSIONS);
    let commit = match number(delay) {
        0 => Commit::Each,
        delay => Commit::Batched { delay: Duration::from_millis(delay), messages: 1000 },
    };
    let outbox = OutboxOptions::new().messages(1_000_000).bytes(1 << 30);
    // Where nobody is, nothing is waited for at the end.
    let drain = if port == "1" { Duration::ZERO } else { Duration::from_secs(30) };
    let client = lasting(u16::try_from(number(port)).unwrap(), "device", tls)
        .outbox(outbox)
        .drain_timeout(drain)
        .durable(DurableOptions::new(directory).commit(commit))
        .persistent_session(Duration::from_secs(3600))
        .start()
        .unwrap();
    let mut out = std::io::stdout();
    let mut told = |number: u64, receipt: Receipt| {
        block_on(receipt).unwrap();
        out.write_all(format!("stored {number}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    };
    let mut receipts = std::collections::VecDeque::new();
    let ahead = if number(delay) == 0 { 1 } else { 50 };
    for number in number(first)..number(first) + number(count) {
        let message = Publication::new(format!("abuse/{number}"), QoS::AtLeastOnce, payload(number)).unwrap();
        receipts.push_back((number, client.try_publish(message).unwrap()));
        while receipts.len() >= ahead {
            let Some((number, receipt)) = receipts.pop_front() else { break };
            told(number, receipt);
        }
    }
    receipts.into_iter().for_each(|(number, receipt)| told(number, receipt));
    let ended = block_on(client.disconnect(DisconnectReason::Normal));
    assert!(ended.is_ok() || port == "1", "{ended:?}");
}
