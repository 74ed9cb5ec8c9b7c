//! Time and CPU.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    /// For one message.
    pub(crate) cpu_micros: f64,
}

impl Measured {
    pub(crate) fn new(messages: usize, wall: Duration, cpu: Duration) -> Self {
        let messages = messages as f64;
        Self { per_second: messages / wall.as_secs_f64(), cpu_micros: cpu.as_secs_f64() * 1e6 / messages }
    }
}

/// Begins with `start`, ends with `stop`; counts this process only, so not the broker.
pub(crate) struct Watch {
    wall: Instant,
    cpu: Duration,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu() }
    }

    pub(crate) fn stop(&self, messages: usize) -> Measured {
        Measured::new(messages, self.wall.elapsed(), cpu() - self.cpu)
    }
}

fn cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn show(measured: &[Measured]) -> String {
    if measured.is_empty() {
        return format!("{:>10} {:>6}", "-", "-");
    }
    let per_second = median(measured.iter().map(|one| one.per_second));
    let cpu = median(measured.iter().map(|one| one.cpu_micros));
    format!("{per_second:>10.0} {cpu:>6.1}")
}
