//! The device's clock, against which certificates are checked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use se050_key::Certificate;

use super::checklist::{Checklist, Problem};

/// 2026-11-01, before this version was built: a clock that says less is wrong.
const EARLIEST: Duration = Duration::from_secs(1_793_491_200);
/// 30 years later: no device runs this version then.
const LATEST: Duration = Duration::from_secs(1_793_491_200 + 30 * 365 * 86_400);

const NEXT: &str = "set the clock: date -u -s 'YYYY-MM-DD hh:mm:ss'; then let a time server keep it (rc-service chronyd start), and check \
                    the battery of the real-time clock";

/// Whether the clock can be right.
pub(super) fn check(list: &mut Checklist<'_>, now: SystemTime) -> Option<()> {
    list.run("clock", || match now.duration_since(UNIX_EPOCH) {
        Ok(since) if since < EARLIEST => {
            Err(Problem::new(format!("it says {}, but this program was built later", date(since)), NEXT))
        }
        Ok(since) if since > LATEST => {
            Err(Problem::new(format!("it says {}, which is probably wrong", date(since)), NEXT))
        }
        Ok(since) => Ok(((), date(since))),
        Err(_) => Err(Problem::new("it says a time before 1970", NEXT)),
    })
}

/// Whether the certificate is valid now, by this clock.
pub(super) fn check_dates(list: &mut Checklist<'_>, name: &str, certificate: &Certificate, now: SystemTime) {
    let (from, until) = (certificate.not_before(), certificate.not_after());
    list.run(name, || {
        let next = "check the clock (date -u); if it is right, the device needs another certificate";
        if now < from.system_time() {
            Err(Problem::new(format!("the certificate is not valid before {from}"), next))
        } else if now > until.system_time() {
            Err(Problem::new(format!("the certificate expired at {until}"), next))
        } else {
            Ok(((), format!("valid from {from} until {until}")))
        }
    });
}

/// The day in UTC, by the proleptic Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn date(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_date_1() {
        // date -u -d @SECONDS
        for (seconds, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_793_491_200, "2026-11-01 00:00 UTC"),
            (4_294_967_295, "2106-02-07 06:28 UTC"),
        ] {
            assert_eq!(date(Duration::from_secs(seconds)), expected);
        }
    }
}
