//! An application's timer, and how often it comes late.

use std::future::Future;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(10);

/// Runs the work beside a timer of 10 ms on the same runtime, and prints how many ticks were missed meanwhile.
pub async fn count_missed_ticks<F: Future>(work: F) -> F::Output {
    let started = Instant::now();
    let mut work = std::pin::pin!(work);
    let mut timer = tokio::time::interval(TICK);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut ticks: u128 = 0;
    let output = loop {
        tokio::select! {
            output = &mut work => break output,
            _ = timer.tick() => ticks += 1,
        }
    };
    let due = started.elapsed().as_millis() / TICK.as_millis();
    println!("{}", due.saturating_sub(ticks));
    output
}
