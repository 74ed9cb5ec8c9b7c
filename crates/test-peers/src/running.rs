//! A program under test that runs beside its test.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything that a test waits for, on a busy machine: a simulated chip that is away for 40 s, for example.
const PATIENCE: Duration = Duration::from_secs(120);

/// The lines that a program prints, read as they come, so that it never waits for room in the pipe.
pub struct Lines(Receiver<String>);

impl Lines {
    /// Reads from now on.
    pub fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stream).lines().map_while(Result::ok);
            lines.into_iter().try_for_each(|line| sender.send(line))
        });
        Self(lines)
    }

    /// The next line if it comes within that time.
    pub fn within(&self, time: Duration) -> Option<String> {
        self.0.recv_timeout(time).ok()
    }
}

/// `None` when the program has closed its end.
///
/// # Panics
/// When no line comes for two minutes.
impl Iterator for Lines {
    type Item = String;

    #[track_caller]
    fn next(&mut self) -> Option<String> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line within {PATIENCE:?}"),
        }
    }
}

/// A running program and what it prints to standard output; it ends with this value.
pub struct Running {
    process: Child,
    /// Its standard output.
    pub lines: Lines,
}

impl Running {
    /// Starts the program.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let lines = Lines::of(process.stdout.take().expect("its standard output"));
        Self { process, lines }
    }

    /// The next line that it prints.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn line(&mut self) -> String {
        self.lines.next().expect("the program has ended")
    }

    /// SIGTERM, as `podman stop` sends it: the program ends with status 0.
    ///
    /// # Panics
    /// When it ends in another way.
    #[track_caller]
    pub fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("a running program takes a signal");
        // Its last lines, up to its end.
        while self.lines.next().is_some() {}
        let status = self.process.wait().expect("it has ended");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
