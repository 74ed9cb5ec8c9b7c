//! Classifies the delays between attempts to connect.
//!
//! AWS names four kinds (jitter with backoff passes, strictly exponential passes with warnings, linear and constant fail) and
//! publishes no criterion for them. This one is ours; `docs/device-advisor.md` says so.

use std::time::Duration;

use crate::verdict::Finding;

/// Two figures are the same when they differ by less than this part of the larger one, or by less than [`SAME`].
const TOLERANCE: f64 = 0.1;
/// Seconds: what a loaded machine adds by itself.
const SAME: f64 = 0.15;

/// What a row of delays looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All alike.
    Constant,
    /// Each longer than the one before by the same time.
    Linear,
    /// Each longer than the one before by the same factor.
    Exponential,
    /// Growing, and not the same from one to the next by any rule.
    Jitter,
    /// Differing from each other, and not growing.
    NotGrowing,
}

/// The kind of a row of delays. It takes three at least to tell.
pub(crate) fn kind(delays: &[Duration]) -> Kind {
    let seconds: Vec<f64> = delays.iter().map(Duration::as_secs_f64).collect();
    let differences: Vec<f64> = seconds.iter().zip(seconds.iter().skip(1)).map(|(a, b)| b - a).collect();
    let factors: Vec<f64> =
        seconds.iter().zip(seconds.iter().skip(1)).map(|(a, b)| b / a.max(0.001)).collect();
    if alike(&seconds) {
        Kind::Constant
    } else if alike(&differences) && differences.iter().all(|difference| *difference > 0.0) {
        Kind::Linear
    } else if all_within(&factors, TOLERANCE, 0.0) && factors.iter().all(|factor| *factor > 1.0) {
        Kind::Exponential
    } else if grows(&seconds) {
        Kind::Jitter
    } else {
        Kind::NotGrowing
    }
}

/// The verdict on one or more rows of delays, each of one outage.
pub(crate) fn judge(rows: &[Vec<Duration>]) -> Finding {
    let shown: Vec<String> = rows.iter().map(|row| show(row)).collect();
    let evidence = format!("delays in s: {}", shown.join(" | "));
    let kinds: Vec<Kind> = rows.iter().map(|row| kind(row)).collect();
    let has = |wanted| kinds.contains(&wanted);
    if has(Kind::Constant) || has(Kind::Linear) {
        Finding::fail(format!("{evidence}: no exponential backoff ({kinds:?})"))
    } else if has(Kind::Exponential) {
        Finding::warn(format!("{evidence}: strictly exponential, without jitter"))
    } else if has(Kind::NotGrowing) {
        Finding::warn(format!("{evidence}: jitter, but no growth"))
    } else {
        Finding::pass(format!("{evidence}: growing, with jitter"))
    }
}

/// `1.0 2.1 3.9`
pub(crate) fn show(delays: &[Duration]) -> String {
    let shown: Vec<String> = delays.iter().map(|delay| format!("{:.1}", delay.as_secs_f64())).collect();
    shown.join(" ")
}

/// The second half is longer than the first one, on average.
fn grows(seconds: &[f64]) -> bool {
    let (first, second) = seconds.split_at(seconds.len() / 2);
    mean(second) > mean(first) * (1.0 + TOLERANCE)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn alike(values: &[f64]) -> bool {
    all_within(values, TOLERANCE, SAME)
}

fn all_within(values: &[f64], part: f64, absolute: f64) -> bool {
    let largest = values.iter().copied().fold(f64::MIN, f64::max);
    let smallest = values.iter().copied().fold(f64::MAX, f64::min);
    largest - smallest <= (largest.abs() * part).max(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told() {
        for (seconds, expected) in [
            (vec![1.0, 1.0, 1.05, 0.98, 1.0], Kind::Constant),
            (vec![1.0, 2.0, 3.0, 4.05, 5.0], Kind::Linear),
            (vec![1.0, 2.0, 4.0, 8.1, 16.0], Kind::Exponential),
            (vec![0.7, 1.3, 3.9, 5.2, 14.0], Kind::Jitter),
            (vec![0.2, 1.9, 0.6, 7.0, 3.3], Kind::Jitter),
            (vec![5.0, 3.0, 1.0, 0.4, 0.9], Kind::NotGrowing),
        ] {
            let delays: Vec<Duration> = seconds.iter().map(|s| Duration::from_secs_f64(*s)).collect();
            assert_eq!(kind(&delays), expected, "{seconds:?}");
        }
    }
}
