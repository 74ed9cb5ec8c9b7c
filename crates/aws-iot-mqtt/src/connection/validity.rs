//! Certificates and clocks.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use der::DateTime;
use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use crate::Error;

/// Where a clock may be right, in seconds since 1970: from 2025, when this crate was written, to the end of the century. A clock
/// that has lost its battery says 1970, one that has overflowed says 2106.
const PLAUSIBLE: Range<u64> = 1_735_689_600..4_102_444_800;

/// A certificate that is not valid by this device's clock.
pub(super) struct Validity {
    /// From when or until when it is valid.
    pub(super) validity: String,
    /// What the clock says.
    pub(super) clock: String,
    /// Whether the clock may be right.
    pub(super) is_plausible: bool,
}

/// Fails where the clock is before 1970: rustls panics there.
pub(super) fn check_clock(now: SystemTime, endpoint: &str) -> Result<(), Error> {
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::Clock { endpoint: endpoint.to_owned(), clock: "a time before 1970".to_owned() }),
    }
}

/// When a certificate is valid and what the clock says, if that is what is wrong.
pub(super) fn of(verdict: &CertificateError) -> Option<Validity> {
    use CertificateError as C;
    let (validity, now) = match verdict {
        C::ExpiredContext { time, not_after } => (format!("until {}", date(*not_after)), *time),
        C::NotValidYetContext { time, not_before } => (format!("from {} on", date(*not_before)), *time),
        C::Expired => ("until an earlier time".to_owned(), UnixTime::now()),
        C::NotValidYet => ("from a later time on".to_owned(), UnixTime::now()),
        _ => return None,
    };
    Some(Validity { validity, clock: date(now), is_plausible: PLAUSIBLE.contains(&now.as_secs()) })
}

fn date(time: UnixTime) -> String {
    match DateTime::from_unix_duration(Duration::from_secs(time.as_secs())) {
        Ok(date) => format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
        Err(_) => "a time after the year 9999".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (1_709_251_199, "2024-02-29"),
            (4_294_967_296, "2106-02-07"),
            (u64::MAX, "a time after the year 9999"),
        ] {
            assert_eq!(date(at(seconds)), expected);
        }
    }

    #[test]
    fn a_clock_before_1970_is_an_error_and_no_panic() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        let words = check_clock(before, "host:8883").unwrap_err().to_string();
        assert!(words.contains("clock is wrong") && words.contains("before 1970"), "{words}");
        assert!(check_clock(SystemTime::UNIX_EPOCH, "host:8883").is_ok());
    }

    #[test]
    fn clocks_that_cannot_be_right() {
        let expired =
            |time| of(&CertificateError::ExpiredContext { time: at(time), not_after: at(0) }).unwrap();
        for (seconds, expected) in
            [(0, false), (1_798_761_599, true), (4_294_967_296, false), (u64::MAX, false)]
        {
            assert_eq!(expired(seconds).is_plausible, expected, "{seconds}");
        }
    }
}
