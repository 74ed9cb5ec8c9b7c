//! A terminal with somebody at it: a pseudoterminal whose other end is the test's.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Runs the command at a terminal where `typed` has been typed already, as by somebody who knows the question.
pub(crate) fn at_a_terminal(command: &mut Command, typed: &str) -> Output {
    let (mut ours, theirs) = pair();
    ours.write_all(typed.as_bytes()).unwrap();
    let output = command.stdin(theirs).output().unwrap();
    // Before that the terminal would have hung up.
    drop(ours);
    output
}

/// What somebody sees of the command's standard error at a terminal. It has to fit into what a terminal buffers: 4 KiB.
pub(crate) fn seen_at_a_terminal(command: &mut Command) -> String {
    let (mut ours, theirs) = pair();
    let mut child = command.stderr(theirs).stdout(Stdio::null()).spawn().unwrap();
    // The command holds the terminal's other end, until the child has another standard error.
    command.stderr(Stdio::null());
    child.wait().unwrap();
    let mut seen = Vec::new();
    // Linux ends it with EIO once nobody has the other end.
    let _ = ours.read_to_end(&mut seen);
    String::from_utf8(seen).unwrap()
}

/// What somebody sees of the command's standard output at a terminal, up to 4 KiB; its standard error goes nowhere.
pub(crate) fn output_at_a_terminal(command: &mut Command) -> String {
    let (mut ours, theirs) = pair();
    let mut child = command.stdout(theirs).stderr(Stdio::null()).spawn().unwrap();
    command.stdout(Stdio::null());
    child.wait().unwrap();
    let mut seen = Vec::new();
    let _ = ours.read_to_end(&mut seen);
    String::from_utf8(seen).unwrap()
}

fn pair() -> (File, File) {
    let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    (File::from(ours), OpenOptions::new().read(true).write(true).open(name).unwrap())
}
