//! The test programs that cargo has built, as programs to be run: cargo itself runs one after the other.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::count::Tests;
use crate::command::output_of;

/// How many are run at a time. Most of a test's time is waiting, and the last tests of a program often wait alone. With more, deadlines that
/// tests are about would pass on a machine with two cores.
pub(crate) const AT_ONCE: usize = 2;

/// Where tests stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Inside the crates: they need nothing but the project.
    Inside,
    /// Beside the crates, in a program of their own.
    Beside,
}

/// Builds the test programs of that `cargo test`. The one with the most tests comes first, since it takes longest.
///
/// `runner` is the emulator with its arguments; this PC's programs have none.
pub(crate) fn test_programs(build: &mut Command, runner: &[String]) -> anyhow::Result<Vec<(Place, Tests)>> {
    let messages = output_of(build.args(["--no-run", "--message-format", "json-render-diagnostics"]))?;
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("what cargo says of a build")?;
        let is_test = message.pointer("/profile/test").and_then(Value::as_bool) == Some(true);
        if let (true, Some(file)) = (is_test, message.get("executable").and_then(Value::as_str)) {
            programs.push(program(file, &message, runner)?);
        }
    }
    programs.retain(|(count, _, _)| *count > 0);
    programs.sort_by_key(|(count, _, _)| std::cmp::Reverse(*count));
    Ok(programs.into_iter().map(|(_, place, tests)| (place, tests)).collect())
}

/// A program with the number of its tests.
fn program(file: &str, message: &Value, runner: &[String]) -> anyhow::Result<(usize, Place, Tests)> {
    let text =
        |place: &str| message.pointer(place).and_then(Value::as_str).context("what cargo says of a test");
    let directory: PathBuf = Path::new(text("/manifest_path")?).parent().unwrap_or(Path::new("/")).into();
    let package = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut words = runner.iter().map(String::as_str).chain([file]);
    let mut command = Command::new(words.next().unwrap_or(file));
    // As cargo does it.
    command.args(words).current_dir(&directory).env("CARGO_MANIFEST_DIR", &directory);
    let mut list = Command::new(command.get_program());
    let listed = output_of(list.args(command.get_args()).args(["--list", "--format", "terse"]))?;
    let name = format!("{package}/{}", text("/target/name")?);
    let place = if text("/target/kind/0")? == "test" { Place::Beside } else { Place::Inside };
    Ok((listed.lines().count(), place, Tests { name, command }))
}
