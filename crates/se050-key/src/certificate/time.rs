//! When a certificate begins and ceases to be valid.

use std::fmt;
use std::time::SystemTime;

use x509_cert::time::Time;

/// A moment as a certificate names it, in UTC, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateTime(der::DateTime);

impl CertificateTime {
    /// The same moment on the system's clock.
    pub fn system_time(self) -> SystemTime {
        self.0.to_system_time()
    }
}

/// As RFC 3339 writes it: `2049-12-31T23:59:59Z`.
impl fmt::Display for CertificateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Time> for CertificateTime {
    fn from(time: Time) -> Self {
        Self(match time {
            Time::UtcTime(time) => time.to_date_time(),
            Time::GeneralTime(time) => time.to_date_time(),
        })
    }
}
