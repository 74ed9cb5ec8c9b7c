//! Times as RFC 3339 text in UTC, to the second: `2026-11-22T20:15:27Z`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::DateTime;

/// The time, in seconds since 1970 and as text.
pub(crate) fn to_text(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    DateTime::from_unix_duration(Duration::from_secs(seconds))
        .map_or_else(|_| format!("{seconds} s after 1970"), |time| time.to_string())
}

pub(crate) fn from_text(text: &str) -> Option<SystemTime> {
    text.parse::<DateTime>().ok().map(|time| time.to_system_time())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_time_agree() {
        // date -u -d 2026-11-22T20:15:27Z +%s
        let time = UNIX_EPOCH + Duration::from_secs(1_795_378_527);
        assert_eq!(to_text(time), "2026-11-22T20:15:27Z");
        assert_eq!(from_text("2026-11-22T20:15:27Z"), Some(time));
        for wrong in ["", "2026-11-22", "2026-11-22T20:15:27", "2026-13-22T20:15:27Z"] {
            assert_eq!(from_text(wrong), None, "{wrong}");
        }
    }
}
