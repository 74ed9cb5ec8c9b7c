use std::time::Duration;

/// Units with their length in seconds.
const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 60 * 60), ('d', 24 * 60 * 60)];

/// A time such as `30d`, `12h`, `90m` or `45s`. The unit is never left out: a number alone is read as days by one and as
/// seconds by another.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = UNITS.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(*unit)?.parse().ok()?;
        number.checked_mul(*seconds).filter(|seconds| *seconds > 0)
    });
    parsed
        .map(Duration::from_secs)
        .ok_or_else(|| "a number with its unit is wanted: 30d, 12h, 90m or 45s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_its_unit() {
        for (text, seconds) in [("45s", 45), ("90m", 5400), ("12h", 43_200), ("30d", 2_592_000)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        for wrong in
            ["", "30", "d", "0d", "-1d", "1.5h", "nan", "99999999999999999999s", "999999999999999999d"]
        {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
