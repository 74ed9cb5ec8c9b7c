//! What a command says while it works: each step, and how long it took.

use std::fmt::Display;
use std::time::Instant;

/// A step that takes its time: announced before, timed after.
pub(crate) struct Step {
    name: String,
    started: Instant,
}

impl Step {
    pub(crate) fn begin(name: impl Display, what: impl Display) -> Self {
        println!("{name}: {what} …");
        Self { name: name.to_string(), started: Instant::now() }
    }

    pub(crate) fn done(self) {
        println!("{}: done in {:.1} s", self.name, self.started.elapsed().as_secs_f32());
    }
}
