//! What the benchmark's client programs (`examples/`) share: their arguments, and the line that each prints.
#![allow(clippy::expect_used, reason = "a benchmark that cannot run may panic")]

mod slow_key;
mod task;
mod ticks;
mod watch;

pub use slow_key::with_slow_key;
pub use task::{Messages, Task, TaskArgs};
pub use ticks::count_missed_ticks;
pub use watch::{Timing, Watch};
