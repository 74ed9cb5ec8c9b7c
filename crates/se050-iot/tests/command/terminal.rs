//! The programs at a terminal, with somebody at it who presses Ctrl-C.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use aws_iot_sim::AwsIotSim;
use se050_sim::Fault;
use test_peers::program;

use crate::support::messaging::{Messaging, wait_until};
use crate::support::text;

const ALL: [&str; 4] = ["Connect", "Publish", "Subscribe", "Receive"];
const CTRL_C: &[u8] = b"\x03";

/// A command that `script` (util-linux) runs at a terminal of its own: what is typed, and what is seen.
struct Terminal {
    script: Child,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// `None` where there is no `script`.
    fn start(bench: &Messaging<AwsIotSim>, words: &str) -> Option<Self> {
        let mut command = Command::new(program("script")?);
        let line = format!("exec {} {words}", env!("CARGO_BIN_EXE_se050-iot"));
        command.args(["--quiet", "--flush", "--return", "--command", &line, "/dev/null"]);
        command
            .current_dir(bench.device.path(""))
            .env_clear()
            .env("SHELL", "/bin/sh")
            .env("PATH", "/usr/bin:/bin");
        command.env("SE050_LOCK_FILE", bench.device.path("lock")).env("SE050_CONFIG", "device.toml");
        let mut script =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = script.stdout.take().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                copy.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Some(Self { script, seen })
    }

    fn seen(&self) -> String {
        text(&self.seen.lock().unwrap())
    }

    #[track_caller]
    fn wait_for(&self, words: &str) {
        wait_until(words, || self.seen().contains(words));
    }

    fn press(&mut self, keys: &[u8]) {
        self.script.stdin.as_mut().unwrap().write_all(keys).unwrap();
    }

    /// The command's exit status.
    #[track_caller]
    fn end(&mut self) -> Option<i32> {
        wait_until("the end", || self.script.try_wait().unwrap().is_some());
        self.script.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

#[test]
fn ctrl_c_ends_sub_and_pub_in_order() {
    let bench = Messaging::with_aws(&ALL);
    for (words, before, status) in [
        ("sub -t gw-1/kept", "kept", 0),
        ("sub -t gw-1/kept -C 2", "kept", 130),
        // It waits for a line that nobody types.
        ("pub -t t -l -v", "connected", 130),
    ] {
        bench.broker.publish_retained("gw-1/kept", "kept").unwrap();
        let Some(mut terminal) = Terminal::start(&bench, words) else { return };
        terminal.wait_for(before);
        terminal.press(CTRL_C);
        assert_eq!(terminal.end(), Some(status), "{words}: {}", terminal.seen());
        wait_until("the broker knows no connection", || bench.broker.connections().is_empty());
        bench.assert_chip_is_free();
    }
}

#[test]
fn ctrl_c_ends_what_waits_for_the_chip() {
    let bench = Messaging::with_aws(&ALL);
    for words in ["doctor --chip", "sub -t t", "pub -t t -m x", "cert show"] {
        bench.chip.set_fault(Fault::Held).unwrap();
        let Some(mut terminal) = Terminal::start(&bench, words) else { return };
        // Only the lock tells that it waits in the module now.
        wait_until("the lock is taken", || bench.device.path("lock").exists());
        std::thread::sleep(std::time::Duration::from_millis(300));
        terminal.press(CTRL_C);
        assert_eq!(terminal.end(), Some(130), "{words}: {}", terminal.seen());
        bench.chip.set_fault(Fault::None).unwrap();
        bench.assert_chip_is_free();
        std::fs::remove_file(bench.device.path("lock")).unwrap();
    }
}

#[test]
fn what_others_publish_does_not_steer_the_terminal() {
    let bench = Messaging::with_aws(&ALL);
    bench.broker.publish_retained("gw-1/kept", "\u{1b}[2Jgone").unwrap();
    let Some(mut terminal) = Terminal::start(&bench, "sub -t gw-1/kept -C 1") else { return };
    assert_eq!(terminal.end(), Some(0));
    assert_eq!(terminal.seen(), "\\u{1b}[2Jgone\r\n");
    // Into a pipe, each byte goes as it came.
    let piped = bench.run("sub", &["-t", "gw-1/kept", "-C", "1"]);
    assert_eq!(text(&piped.stdout), "\u{1b}[2Jgone\n");
}
