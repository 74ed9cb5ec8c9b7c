//! In or out, decided over mutual TLS with mosquitto's clients.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use aws_iot_sim::{AwsIotSim, Fault};
use serde_json::json;
use tempfile::TempDir;
use test_peers::Issued;

use crate::support::{ALLOW_ALL, certificate, device, policy, sim, wait_until};

/// Mosquitto's exit code when the TLS handshake fails: the connection was lost.
const LOST: i32 = 7;
/// The reason code that mosquitto passes on as its exit code.
const NOT_AUTHORIZED: i32 = 0x87;

/// mosquitto's clients with one device's certificate and key.
struct Mosquitto {
    publisher: PathBuf,
    subscriber: PathBuf,
    directory: TempDir,
    arguments: Vec<String>,
}

/// A running mosquitto_sub.
struct Subscriber {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Mosquitto {
    fn new(sim: &AwsIotSim, issued: &Issued) -> Option<Self> {
        let publisher = test_peers::program("mosquitto_pub")?;
        let subscriber = test_peers::program("mosquitto_sub")?;
        // Only the owner can look into a temporary directory.
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path: PathBuf = directory.path().join(name);
            fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let port = sim.port().to_string();
        let (certificate, key) =
            (file("cert.pem", &issued.certificate_pem), file("key.pem", &issued.key_pem));
        let arguments = [
            "-V",
            "mqttv5",
            "-h",
            sim.endpoint(),
            "-p",
            &port,
            "--cafile",
            path(sim.ca_file()),
            "--cert",
            &certificate,
            "--key",
            &key,
        ];
        let arguments = arguments.map(str::to_owned).into();
        Some(Self { publisher, subscriber, directory, arguments })
    }

    fn publish(&self, client_id: &str, topic: &str, message: &str) -> Output {
        self.command(&self.publisher)
            .args(["-q", "1", "-i", client_id, "-t", topic, "-m", message])
            .output()
            .expect("mosquitto_pub starts")
    }

    /// Starts a subscriber, and returns when it is subscribed.
    ///
    /// It writes its lines out when a message comes, so there is a retained one that comes first.
    fn subscribe(&self, client_id: &str, topic: &str) -> Subscriber {
        let mut retain = self.command(&self.publisher);
        retain.args(["-r", "-q", "1", "-i", "herald", "-t", "ready", "-m", "the subscription stands"]);
        test_peers::output_of(&mut retain);
        let mut child = self
            .command(&self.subscriber)
            .args(["-d", "-q", "1", "-i", client_id, "-t", topic, "-t", "ready"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto_sub starts");
        let lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
        let mut subscriber = Subscriber { child, lines };
        subscriber.wait_for("the subscription stands");
        subscriber
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // Its home is where mosquitto's clients look for a configuration: there must be none.
        command.args(&self.arguments).env("HOME", self.directory.path()).env_remove("XDG_CONFIG_HOME");
        command
    }
}

impl Subscriber {
    /// Reads on until a line has `text`.
    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        let mut all = Vec::new();
        for line in self.lines.by_ref() {
            let line = line.expect("UTF-8");
            if line.contains(text) {
                return line;
            }
            all.push(line);
        }
        panic!("mosquitto_sub ended without {text:?}:\n{}", all.join("\n"));
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[track_caller]
fn exits(output: &Output, code: i32, name: &str) {
    assert_eq!(output.status.code(), Some(code), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn who_gets_in() {
    let sim = sim();
    let only_its_name = policy(&[("iot:Connect", &["client/d"]), ("iot:Publish", &["topic/mine/*"])]);
    let issued = device(&sim, "d", &only_its_name);
    let Some(mosquitto) = Mosquitto::new(&sim, &issued) else { return };
    exits(&mosquitto.publish("d", "mine/a", "hello"), 0, "allowed");
    exits(&mosquitto.publish("e", "mine/a", "hello"), NOT_AUTHORIZED, "another client id");
    let denied = mosquitto.publish("d", "yours/a", "hello");
    let said = String::from_utf8_lossy(&denied.stderr).into_owned();
    assert!(said.contains("Not authorized"), "publish denied: {said}");
    assert_eq!(sim.statistics().publishes_received, 2);

    let stranger = Mosquitto::new(&sim, &certificate("stranger")).unwrap();
    exits(&stranger.publish("d", "mine/a", "hello"), LOST, "not registered");
}

#[test]
fn an_inactive_certificate_stays_out_and_one_without_policy_does_not_connect() {
    let sim = sim();
    let issued = certificate("d");
    let Some(mosquitto) = Mosquitto::new(&sim, &issued) else { return };
    let body = json!({ "certificatePem": issued.certificate_pem });
    let registered = crate::support::http::call(&sim, "POST", "/certificate/register-no-ca", Some(&body));
    exits(&mosquitto.publish("d", "t", "x"), LOST, "registered, but INACTIVE");
    let id = registered.body["certificateId"].as_str().unwrap();
    crate::support::http::call(&sim, "PUT", &format!("/certificates/{id}?newStatus=ACTIVE"), None);
    exits(&mosquitto.publish("d", "t", "x"), NOT_AUTHORIZED, "ACTIVE, but without a policy");
    sim.admit(&issued.certificate_pem, "d", ALLOW_ALL).unwrap();
    exits(&mosquitto.publish("d", "t", "x"), 0, "with a policy");
}

#[test]
fn a_message_arrives() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let Some(mosquitto) = Mosquitto::new(&sim, &issued) else { return };
    let mut subscriber = mosquitto.subscribe("watcher", "rooms/+/temperature");
    exits(&mosquitto.publish("d", "rooms/1/temperature", "23.5"), 0, "published");
    let received = subscriber.wait_for("received PUBLISH");
    assert!(received.contains("q1") && received.contains("rooms/1/temperature"), "{received}");
    subscriber.wait_for("23.5");
}

#[test]
fn a_subscription_that_the_policy_denies_is_told() {
    let sim = sim();
    let issued =
        device(&sim, "d", &policy(&[("iot:Connect", &["client/*"]), ("iot:Subscribe", &["topic/t"])]));
    let Some(mosquitto) = Mosquitto::new(&sim, &issued) else { return };
    let output =
        mosquitto.command(&mosquitto.subscriber).args(["-d", "-i", "d", "-t", "t"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("Subscribed (mid: 1): 135"), "{said}");
}

#[test]
fn a_session_is_kept_for_a_client_that_wants_it() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let Some(mosquitto) = Mosquitto::new(&sim, &issued) else { return };
    let subscribe = |arguments: &[&str]| {
        let mut command = mosquitto.command(&mosquitto.subscriber);
        command.args(["-i", "watcher", "-q", "1", "-t", "t", "-x", "3600"]).args(arguments).output().unwrap()
    };
    // Subscribes, and goes.
    exits(&subscribe(&["-c", "-E"]), 0, "subscribed");
    for message in ["one", "two"] {
        exits(&mosquitto.publish("d", "t", message), 0, "published");
    }
    let stored = subscribe(&["-c", "-C", "2"]);
    assert_eq!(String::from_utf8_lossy(&stored.stdout), "one\ntwo\n");
    exits(&mosquitto.publish("d", "t", "three"), 0, "published");
    // A clean start throws away what is stored.
    exits(&subscribe(&["-E"]), 0, "subscribed anew");
    exits(&mosquitto.publish("d", "t", "four"), 0, "published");
    assert_eq!(String::from_utf8_lossy(&subscribe(&["-c", "-C", "1"]).stdout), "four\n");
}

#[test]
fn mqtt_3_1_1_is_refused_so_that_its_client_understands() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let Some(mosquitto) = Mosquitto::new(&sim, &issued) else { return };
    for version in ["mqttv31", "mqttv311"] {
        let mut command = mosquitto.command(&mosquitto.publisher);
        let output = command.args(["-V", version, "-i", "d", "-t", "t", "-m", "x"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("unacceptable protocol version"), "{version}: {said}");
    }
    assert_eq!(sim.statistics().connects_refused, 2);
}

#[test]
fn a_denial_that_closes_the_connection_is_a_lost_connection_to_a_client() {
    let sim = sim();
    let issued = device(&sim, "d", &policy(&[("iot:Connect", &["client/*"])]));
    let Some(mosquitto) = Mosquitto::new(&sim, &issued) else { return };
    let denied = mosquitto.publish("d", "t", "x");
    assert!(String::from_utf8_lossy(&denied.stderr).contains("Not authorized"), "told with its reason");
    sim.inject(Fault::CloseOnDeny);
    let mut command = mosquitto.command(&mosquitto.subscriber);
    // It connects again for ever; the simulator ends that.
    let mut child =
        command.args(["-d", "-i", "d", "-q", "1", "-t", "t"]).stdout(Stdio::null()).spawn().unwrap();
    wait_until("it has connected again after the denial", || sim.statistics().connects_accepted >= 3);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_newer_connection_wins() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let Some(mosquitto) = Mosquitto::new(&sim, &issued) else { return };
    let mut older = mosquitto.subscribe("same", "t");
    exits(&mosquitto.publish("same", "u", "x"), 0, "the newer one");
    older.wait_for("Received DISCONNECT (142)");
}
