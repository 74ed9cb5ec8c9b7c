//! Time and CPU of a part of a process.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What a client program prints, as JSON: the time that its messages took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Timing {
    /// Wall clock.
    pub seconds: f64,
    /// Of this process, user and system.
    pub cpu_seconds: f64,
}

/// Counts from `start` to `stop`.
#[derive(Debug)]
pub struct Watch {
    wall: Instant,
    cpu: Duration,
}

impl Watch {
    /// Begins to count.
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu() }
    }

    /// Ends, and prints the result for the program that started this one.
    pub fn print(&self) {
        let timing = Timing {
            seconds: self.wall.elapsed().as_secs_f64(),
            cpu_seconds: (cpu() - self.cpu).as_secs_f64(),
        };
        println!("{}", serde_json::to_string(&timing).expect("two numbers are JSON"));
    }
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every Linux has this clock").into()
}
