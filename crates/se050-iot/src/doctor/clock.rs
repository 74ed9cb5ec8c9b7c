//! The device's clock, against which certificates are checked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::DateTime;
use se050_key::Certificate;

use super::checklist::{Checklist, Problem};
use super::messages::{Text, device as words, text};

/// 2026-11-01, before this version was built: a clock that says less is wrong.
const EARLIEST: Duration = Duration::from_secs(1_793_491_200);
/// 30 years later: no device runs this version then.
const LATEST: Duration = Duration::from_secs(1_793_491_200 + 30 * 365 * 86_400);

/// Beyond that, certificates may seem expired, or not yet valid.
const TOO_FAR: Duration = Duration::from_secs(86_400);
/// AWS refuses signed requests beyond that (Signature Version 4), those with credentials from the credential provider too.
const FAR: Duration = Duration::from_secs(300);

/// Whether the clock can be right.
pub(super) fn check(list: &mut Checklist<'_>, now: SystemTime) -> Option<()> {
    list.run("clock", || {
        let wrong = |cause: Text| Err(Problem::new(cause, text!(words::SET_CLOCK)));
        match now.duration_since(UNIX_EPOCH) {
            Ok(since) if since < EARLIEST => wrong(text!(words::CLOCK_TOO_EARLY, time = date(now))),
            Ok(since) if since > LATEST => wrong(text!(words::CLOCK_TOO_LATE, time = date(now))),
            Ok(_) => Ok(((), text!(words::CLOCK, time = date(now)))),
            Err(_) => wrong(text!(words::CLOCK_BEFORE_1970)),
        }
    })
}

/// How far the clock is from the server's.
pub(super) fn compare(server: SystemTime, now: SystemTime) -> Result<Text, Problem> {
    let apart = server.duration_since(now).unwrap_or_else(|error| error.duration());
    let (time, seconds) = (date(server), apart.as_secs());
    if apart <= FAR {
        return Ok(text!(words::SERVER_TIME, time = time, seconds = seconds));
    }
    let cause = text!(words::SERVER_TIME_DIFFERS, time = time, seconds = seconds);
    let problem = Problem::new(cause, text!(words::SET_CLOCK_TO, time = time));
    Err(if apart > TOO_FAR { problem } else { problem.into_warning() })
}

/// Whether the certificate is valid now, by this clock.
pub(super) fn check_dates(list: &mut Checklist<'_>, name: &str, certificate: &Certificate, now: SystemTime) {
    let (from, until) = (certificate.not_before(), certificate.not_after());
    list.run(name, || {
        if now < from.system_time() {
            Err(Problem::new(text!(words::NOT_YET_VALID, from = from), text!(words::CHECK_DATES)))
        } else if now > until.system_time() {
            Err(Problem::new(text!(words::EXPIRED, until = until), text!(words::CHECK_DATES)))
        } else {
            Ok(((), text!(words::VALID, from = from, until = until)))
        }
    });
}

/// In UTC, as `date -s` takes it.
fn date(time: SystemTime) -> String {
    DateTime::from_system_time(time).map_or_else(
        |_| "a time that has no date".to_owned(),
        |date| {
            let (year, month, day) = (date.year(), date.month(), date.day());
            format!(
                "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
                date.hour(),
                date.minutes(),
                date.seconds()
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_compared_with_the_servers() {
        let server = UNIX_EPOCH + EARLIEST;
        for (apart, good, warning) in
            [(0, true, false), (300, true, false), (301, false, true), (86_401, false, false)]
        {
            for now in [server + Duration::from_secs(apart), server - Duration::from_secs(apart)] {
                let compared = compare(server, now);
                assert_eq!(compared.is_ok(), good, "{apart}");
                assert_eq!(compared.is_err_and(|problem| problem.is_warning()), warning, "{apart}");
            }
        }
        // date -u -d @1793491200
        assert_eq!(date(server), "2026-11-01 00:00:00 UTC");
    }
}
