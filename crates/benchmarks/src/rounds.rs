//! Several runs of each client, in turn, and what is said of them.

use std::fmt;

/// Runs each of the clients once a round; every other round the other way round, so that a noisy machine is noisy for all.
pub(crate) fn in_turn<T>(
    rounds: usize,
    clients: usize,
    mut run: impl FnMut(usize) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<Vec<T>>> {
    let mut results: Vec<Vec<T>> = (0..clients).map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for turn in 0..clients {
            let client = if round % 2 == 0 { turn } else { clients - 1 - turn };
            let result = run(client)?;
            if let Some(results) = results.get_mut(client) {
                results.push(result);
            }
        }
    }
    Ok(results)
}

/// The median of several runs, with the smallest and the largest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    smallest: f64,
    largest: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(values.len() / 2), smallest: at(0), largest: at(values.len().saturating_sub(1)) }
    }

    /// The same in another unit.
    pub(crate) fn times(self, factor: f64) -> Self {
        Self {
            median: self.median * factor,
            smallest: self.smallest * factor,
            largest: self.largest * factor,
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}–{})", Figure(self.median), Figure(self.smallest), Figure(self.largest))
    }
}

/// A number with about three digits, and with a comma between thousands.
pub(crate) struct Figure(pub(crate) f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if !value.is_finite() => f.write_str("–"),
            value if value < 10.0 => write!(f, "{value:.2}"),
            value if value < 100.0 => write!(f, "{value:.1}"),
            value => {
                let digits = format!("{value:.0}");
                for (index, digit) in digits.chars().enumerate() {
                    if index > 0 && (digits.len() - index) % 3 == 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{digit}")?;
                }
                Ok(())
            }
        }
    }
}

/// The smallest and the largest of several figures, `1.20–3.40`.
pub(crate) fn between(values: &[f64]) -> String {
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{}–{}", Figure(smallest), Figure(largest))
}
