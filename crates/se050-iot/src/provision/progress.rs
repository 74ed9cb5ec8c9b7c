//! How far a fleet is: on a terminal a bar, and a line for each device that is not registered; elsewhere a line for each.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use aws_iot_provision::fleet::{Progress, Row};

const BAR: usize = 30;

/// To the line's beginning, and all of it away (ECMA-48: EL).
const CLEAR_LINE: &str = "\r\u{1b}[K";

pub(super) struct ProgressBar {
    on_terminal: bool,
    started: Instant,
}

impl ProgressBar {
    pub(super) fn new() -> Self {
        Self { on_terminal: std::io::stderr().is_terminal(), started: Instant::now() }
    }

    pub(super) fn show(&self, row: &Row, progress: Progress) {
        let Progress { finished, bad, total, .. } = progress;
        let mut err = std::io::stderr().lock();
        let name = if row.thing.is_empty() { &row.source } else { &row.thing };
        let error = row.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
        let line = format!("{name} {}{error}", row.result.words());
        // What cannot be shown is in journal and report.
        let _ = if self.on_terminal {
            let full = BAR * finished / total.max(1);
            let seconds = self.started.elapsed().as_secs();
            let end = if finished == total { "\n" } else { "" };
            let trouble = if error.is_empty() { String::new() } else { format!("{CLEAR_LINE}{line}\n") };
            write!(
                err,
                "{trouble}\r[{}{}] {finished}/{total}, {bad} bad, {seconds} s{end}",
                "#".repeat(full),
                " ".repeat(BAR - full)
            )
        } else {
            writeln!(err, "{finished}/{total} {line}")
        };
        let _ = err.flush();
    }
}
