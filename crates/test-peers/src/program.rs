//! Finding and running installed programs.

use std::path::PathBuf;
use std::process::Command;

/// The installed program of that name, or `None` after writing down the skip.
///
/// Looks in `PATH` and in the two `sbin` directories, where Debian keeps mosquitto and which a user's `PATH` lacks.
pub fn program(name: &str) -> Option<PathBuf> {
    if crate::skip::without_peers() {
        crate::skip(&format!("{name} is not started by `cargo xtask test --fast`"));
        return None;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        crate::skip(&format!("{name} is not installed"));
    }
    found
}

/// The emulator under which the tests run, when they are built for the device: program and arguments, one a line.
const RUNNER: &str = "TEST_RUNNER";

/// The C compiler, with which tests make modules and libraries of their own, or `None` after writing down the skip: for a program of the
/// device, which an emulator runs, this PC's compiler builds nothing.
pub fn c_compiler() -> Option<PathBuf> {
    if std::env::var_os(RUNNER).is_some() {
        crate::skip("this PC's C compiler builds nothing for the device");
        return None;
    }
    program("cc")
}

/// The running test program, to be started once more: by the emulator, where that runs it (`cargo xtask cross --smoke`).
///
/// # Panics
/// When the system does not tell the program's path.
pub fn this_program() -> Command {
    let program = std::env::current_exe().expect("a running program has a path");
    let runner = std::env::var(RUNNER).unwrap_or_default();
    let mut runner = runner.lines();
    match runner.next() {
        None => Command::new(program),
        Some(emulator) => {
            let mut command = Command::new(emulator);
            command.args(runner).arg(program);
            command
        }
    }
}

/// Runs a command that has to succeed, and returns its standard output.
///
/// # Panics
/// With what the command wrote, when it cannot be started or fails.
#[track_caller]
pub fn output_of(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output.stdout
}
