//! Certificates and clocks.

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

/// When a certificate is valid and what the clock says, in words, if that is what is wrong.
pub(super) fn of(verdict: &CertificateError) -> Option<(String, String)> {
    use CertificateError as C;
    match verdict {
        C::ExpiredContext { time, not_after } => Some((format!("until {}", date(*not_after)), date(*time))),
        C::NotValidYetContext { time, not_before } => {
            Some((format!("from {} on", date(*not_before)), date(*time)))
        }
        C::Expired => Some(("until an earlier time".to_owned(), date(UnixTime::now()))),
        C::NotValidYet => Some(("from a later time on".to_owned(), date(UnixTime::now()))),
        _ => None,
    }
}

/// The day, in the proleptic Gregorian calendar (the algorithm is Howard Hinnant's `civil_from_days`).
fn date(time: UnixTime) -> String {
    let days = time.as_secs() / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Years begin in March here, so that the leap day is the last one.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn days_by_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_709_251_199, "2024-02-29"),
            (1_709_251_200, "2024-03-01"),
            (1_798_761_599, "2026-12-31"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(UnixTime::since_unix_epoch(Duration::from_secs(seconds))), expected);
        }
    }
}
