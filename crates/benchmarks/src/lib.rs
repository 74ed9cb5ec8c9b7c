//! What the benchmark's client programs (`src/bin`) share: their arguments, and the line that each prints; the broker, and the
//! count of instructions, which the tests use, too.
#![allow(clippy::expect_used, reason = "a benchmark that cannot run may panic")]

mod broker;
mod callgrind;
mod slow_key;
mod task;
mod ticks;
mod watch;

pub use broker::Broker;
pub use callgrind::count_instructions;
pub use slow_key::with_slow_key;
pub use task::{Messages, Task, TaskArgs};
pub use ticks::count_missed_ticks;
pub use watch::{Timing, Watch};
