//! The checks, in the order in which they run, and how they are shown.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::messages::{Language, Text, device as words, text};
use crate::json;
use crate::terminal::Escaping;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Good,
    /// Worth knowing; the device can work all the same.
    Warning,
    Failed,
    /// It would say nothing, because another check failed.
    NotChecked,
    /// It belongs to what was not asked for, or cannot be had here: it counts for nothing.
    NotAsked,
}

/// One check.
#[derive(Debug)]
struct Check {
    name: String,
    outcome: Outcome,
    time: Duration,
    /// What was found, or the likeliest cause of the failure.
    finding: Text,
    /// What to do next.
    next: Option<Text>,
}

/// What a check found wrong.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) cause: Text,
    pub(super) next: Text,
    is_warning: bool,
}

impl Problem {
    pub(super) fn new(cause: Text, next: Text) -> Self {
        Self { cause, next, is_warning: false }
    }

    #[cfg(test)]
    pub(super) fn is_warning(&self) -> bool {
        self.is_warning
    }

    pub(super) fn into_warning(self) -> Self {
        Self { is_warning: true, ..self }
    }
}

/// The checks so far. Each is shown as soon as it has ended, unless JSON was asked for.
pub(super) struct Checklist<'a> {
    checks: Vec<Check>,
    out: &'a mut Escaping<File>,
    as_json: bool,
    /// Of what people read. JSON is English.
    language: Language,
    coloured: bool,
    /// The first failure to write.
    written: io::Result<()>,
}

impl<'a> Checklist<'a> {
    pub(super) fn new(out: &'a mut Escaping<File>, as_json: bool) -> Self {
        // https://no-color.org: any value that is not empty.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let coloured = !no_color && out.0.is_terminal();
        let language = Language::of_environment(|name| std::env::var(name).ok());
        Self { checks: Vec::new(), out, as_json, language, coloured, written: Ok(()) }
    }

    /// Runs a check. What it found goes to the next ones; `None` where it failed.
    pub(super) fn run<T>(
        &mut self,
        name: impl Into<String>,
        check: impl FnOnce() -> Result<(T, Text), Problem>,
    ) -> Option<T> {
        let started = Instant::now();
        let result = check();
        let time = started.elapsed();
        match result {
            Ok((found, finding)) => {
                self.add(name, time, Ok(finding));
                Some(found)
            }
            Err(problem) => {
                self.add(name, time, Err(problem));
                None
            }
        }
    }

    /// Adds a check that was made already.
    pub(super) fn add(&mut self, name: impl Into<String>, time: Duration, result: Result<Text, Problem>) {
        let (outcome, finding, next) = match result {
            Ok(finding) => (Outcome::Good, finding, None),
            Err(Problem { cause, next, is_warning }) => {
                (if is_warning { Outcome::Warning } else { Outcome::Failed }, cause, Some(next))
            }
        };
        self.push(Check { name: name.into(), outcome, time, finding, next });
    }

    /// Says why a check was not made: what it depends on failed.
    pub(super) fn skip(&mut self, name: impl Into<String>, because: Text) {
        let finding = Text::new(&words::NOT_CHECKED).with_text("why", because);
        self.push(Check::not_made(name.into(), Outcome::NotChecked, finding));
    }

    /// [`Self::skip`] for several checks.
    pub(super) fn skip_all(&mut self, names: &[&'static str], because: &Text) {
        for name in names {
            self.skip(*name, because.clone());
        }
    }

    /// Says why something was not asked that nobody insisted on.
    pub(super) fn leave_out(&mut self, name: impl Into<String>, because: Text) {
        let finding = Text::new(&words::NOT_ASKED).with_text("why", because);
        self.push(Check::not_made(name.into(), Outcome::NotAsked, finding));
    }

    /// Whether nothing failed. A check that was not made is not good: it depends on one that failed.
    pub(super) fn is_good(&self) -> bool {
        self.checks.iter().all(|check| !matches!(check.outcome, Outcome::Failed | Outcome::NotChecked))
    }

    /// Ends the list.
    ///
    /// # Errors
    /// Something could not be written.
    pub(super) fn finish(mut self) -> io::Result<bool> {
        let good = self.is_good();
        if self.as_json {
            let checks: Vec<Value> = self.checks.iter().map(Check::to_json).collect();
            json::print(&mut self.out, &json!({ "good": good, "checks": checks }))?;
        } else if self.written.is_ok() {
            let failed = self.checks.iter().filter(|check| check.outcome == Outcome::Failed).count();
            let verdict = match (good, failed) {
                (true, _) => text!(words::ALL_IS_WELL),
                (false, 1) => text!(words::ONE_FAILED),
                (false, failed) => text!(words::SOME_FAILED, count = failed),
            };
            self.written = writeln!(self.out, "{}", verdict.in_language(self.language));
        }
        self.written.map(|()| good)
    }

    fn push(&mut self, check: Check) {
        if !self.as_json && self.written.is_ok() {
            self.written = self.print(&check);
        }
        self.checks.push(check);
    }

    fn print(&mut self, check: &Check) -> io::Result<()> {
        let (mark, colour) = match check.outcome {
            Outcome::Good => ("[ ok ]", 32),
            Outcome::Warning => ("[warn]", 33),
            Outcome::Failed => ("[FAIL]", 31),
            Outcome::NotChecked | Outcome::NotAsked => ("[ -- ]", 2),
        };
        if self.coloured {
            // Not through `Escaping`, which keeps names and answers from steering the terminal.
            write!(self.out.0, "\u{1b}[{colour}m{mark}\u{1b}[0m")?;
        } else {
            write!(self.out.0, "{mark}")?;
        }
        let time = match check.outcome {
            Outcome::NotChecked | Outcome::NotAsked => String::new(),
            _ => format!("{:.2} s", check.time.as_secs_f32()),
        };
        writeln!(self.out, " {time:>7}  {:18} {}", check.name, check.finding.in_language(self.language))?;
        if let Some(next) = &check.next {
            let next = Text::new(&words::NEXT).with_text("what", next.clone());
            writeln!(self.out, "{:16}{}", "", next.in_language(self.language))?;
        }
        Ok(())
    }
}

impl Check {
    fn not_made(name: String, outcome: Outcome, finding: Text) -> Self {
        Self { name, outcome, time: Duration::ZERO, finding, next: None }
    }

    fn to_json(&self) -> Value {
        let result = match self.outcome {
            Outcome::Good => "good",
            Outcome::Warning => "warning",
            Outcome::Failed => "failed",
            Outcome::NotChecked => "notChecked",
            Outcome::NotAsked => "notAsked",
        };
        let finding = self.finding.in_language(Language::English);
        let is_problem = matches!(self.outcome, Outcome::Warning | Outcome::Failed);
        json!({
            "name": self.name,
            "result": result,
            "milliseconds": u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX),
            "finding": (!is_problem).then_some(&finding),
            "cause": is_problem.then_some(&finding),
            "next": self.next.as_ref().map(|next| next.in_language(Language::English)),
        })
    }
}
