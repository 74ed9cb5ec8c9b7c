//! The program, as a person or a script starts it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;
use test_peers::output_of;

use crate::support::wait_until;

const PROGRAM: &str = env!("CARGO_BIN_EXE_aws-iot-sim");

#[test]
fn it_says_where_it_listens_and_stops_when_told() {
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path().join("made/on/the/way");
    let mut child = Command::new(PROGRAM)
        .args(["--port", "0", "--dir"])
        .arg(&files)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    while !said.contains("Ctrl-C stops") {
        assert_ne!(output.read_line(&mut said).unwrap(), 0, "it ended early: {said}");
    }
    let state: Value = serde_json::from_slice(&fs::read(files.join("aws-iot-sim.json")).unwrap()).unwrap();
    let url = state["controlPlaneUrl"].as_str().unwrap();
    assert_eq!(state["endpoint"], "localhost");
    assert_eq!(state["environment"]["AWS_ENDPOINT_URL"], url);
    for line in [format!("export AWS_ENDPOINT_URL={url}"), format!("port {}", state["port"])] {
        assert!(said.contains(&line), "{line} in {said}");
    }
    let ca = fs::read_to_string(state["caFile"].as_str().unwrap()).unwrap();
    assert!(ca.starts_with("-----BEGIN CERTIFICATE-----"), "{ca}");
    let port = u16::try_from(state["port"].as_u64().unwrap()).unwrap();
    TcpStream::connect(("localhost", port)).unwrap();

    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert!(child.wait().unwrap().success(), "SIGTERM is the orderly end");
}

#[test]
fn account_and_faults_are_chosen_on_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["--port", "0", "--account", "111122223333", "--fault", "withhold=puback", "--dir"])
        .args([directory.path().as_os_str(), "--fault".as_ref(), "close-after-connect,times=5".as_ref()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let description = directory.path().join("aws-iot-sim.json");
    wait_until("it listens", || description.exists());
    let state: Value = serde_json::from_slice(&fs::read(description).unwrap()).unwrap();
    let url = state["controlPlaneUrl"].as_str().unwrap();
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        String::from_utf8(output_of(command.args(["--silent", "--show-error", "--fail"]).args(arguments)))
            .unwrap()
    };
    if test_peers::program("curl").is_some() {
        let faults = format!("{url}/faults");
        assert_eq!(curl(&[&faults]), "withhold=puback\nclose-after-connect,times=5\n");
        assert_eq!(
            curl(&["-X", "DELETE", &format!("{faults}/withhold=puback")]),
            "close-after-connect,times=5\n"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();

    for (arguments, words) in
        [(["--account", "12"], "twelve digits"), (["--fault", "nothing"], "close-on-deny")]
    {
        let output = Command::new(PROGRAM).args(["--port", "0"]).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(words), "{said}");
    }
}

#[test]
fn a_port_in_use_is_explained() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut child = Command::new(PROGRAM).args(["--port", &port]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(said.contains(&port) && said.contains("another program"), "{said}");
}
