//! The program, as a person or a script starts it.

use std::fs;
use std::io::Read as _;
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
    wait_until("it listens", || files.join("aws-iot-sim.json").exists());
    let state: Value = serde_json::from_slice(&fs::read(files.join("aws-iot-sim.json")).unwrap()).unwrap();
    let url = state["controlPlaneUrl"].as_str().unwrap();
    assert_eq!(state["endpoint"], "localhost");
    assert_eq!(state["environment"]["AWS_ENDPOINT_URL"], url);
    let ca = fs::read_to_string(state["caFile"].as_str().unwrap()).unwrap();
    assert!(ca.starts_with("-----BEGIN CERTIFICATE-----"), "{ca}");
    let port = u16::try_from(state["port"].as_u64().unwrap()).unwrap();
    TcpStream::connect(("localhost", port)).unwrap();

    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    wait_until("it stops when told", || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success(), "SIGTERM is the orderly end");
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let lines = [
        format!("export AWS_ENDPOINT_URL={url}"),
        format!("port {}", state["port"]),
        "Ctrl-C stops".to_owned(),
    ];
    for line in lines {
        assert!(said.contains(&line), "{line} in {said}");
    }
}

/// The lines that turn the AWS CLI to the simulator are run as they are printed; the directory's name has a space.
#[test]
fn the_printed_commands_run() {
    let Some(cli) = test_peers::aws_cli(Vec::new()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path().join("it's here");
    let printed = directory.path().join("printed");
    let mut child = Command::new(PROGRAM)
        .args(["--port", "0", "--account", "111122223333", "--dir"])
        .arg(&files)
        .stdout(fs::File::create(&printed).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(&printed).unwrap();
    wait_until("it has said all", || said().contains("Ctrl-C stops"));
    let said = said();
    let exports: Vec<&str> = said.lines().filter(|line| line.starts_with("  export ")).collect();
    assert!(exports.iter().any(|line| line.contains("AWS_CONFIG_FILE")), "{said}");
    let aws = cli.command([""; 0]).get_program().to_owned();
    let mut shell = Command::new("/bin/sh");
    let script =
        format!("{}\n\"$0\" sts get-caller-identity --query Account --output text", exports.join("\n"));
    let account = output_of(shell.args(["-c", &script]).arg(aws).env_clear().env("PATH", "/usr/bin:/bin"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(String::from_utf8(account).unwrap(), "111122223333\n");
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
