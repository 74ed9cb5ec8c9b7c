//! How far a fleet is: a bar on a terminal, a line for each device elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use aws_iot_provision::fleet::{Progress, Row};

const BAR: usize = 30;

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
        // What cannot be shown is in journal and report.
        let _ = if self.on_terminal {
            let full = BAR * finished / total.max(1);
            let seconds = self.started.elapsed().as_secs();
            let end = if finished == total { "\n" } else { "" };
            write!(
                err,
                "\r[{}{}] {finished}/{total}, {bad} bad, {seconds} s{end}",
                "#".repeat(full),
                " ".repeat(BAR - full)
            )
        } else {
            let name = if row.thing.is_empty() { &row.source } else { &row.thing };
            let error = row.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
            writeln!(err, "{finished}/{total} {name} {}{error}", row.result.name())
        };
        let _ = err.flush();
    }
}
