//! Ctrl-C and SIGTERM end pubsub in order.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::how_to::device;

#[test]
fn a_signal_disconnects_and_tells_what_is_missing() {
    let device = device();
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pubsub"));
        // Everything from the environment, as a container has it.
        command
            .env_clear()
            .current_dir(device.directory.path())
            .env("SE050_ENDPOINT", device.cloud.endpoint())
            .env("SE050_PORT", device.cloud.port().to_string())
            .env("SE050_CA_FILE", "AmazonRootCA1.pem")
            .env("SE050_PKCS11_LIB", device.chip.module())
            .env("SE050_KEY_LABEL", "sss:100100F0")
            .args(["--count", "1000000"]);
        let mut pubsub = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(pubsub.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("published")));
        kill_process(Pid::from_child(&pubsub), signal).unwrap();
        // To the end, so that the pipe is never full.
        let last = lines.map(Result::unwrap).last();
        assert_eq!(pubsub.wait().unwrap().code(), Some(1), "{last:?}");
        let mut said = String::new();
        pubsub.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.starts_with("Error: ") && said.contains("before all messages were back"), "{said}");
        assert!(device.cloud.connections().is_empty(), "the server was not told");
    }
}
