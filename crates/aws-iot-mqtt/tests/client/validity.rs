//! Certificates outside their validity, the server's and the device's own, in real handshakes.

use std::sync::Arc;
use std::time::Duration;

use aws_iot_mqtt::{Error, Verdict};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use crate::support::authority::{Authority, FAR_AHEAD, LONG_AGO, NOW};
use crate::support::cloud::{ALLOW_ALL, Cloud};
use crate::support::server::{Scripted, read_to_end};
use crate::support::{EACH_VERSION, block_on, client, tls};

#[track_caller]
fn says(error: &Error, parts: &[&str]) {
    let words = error.to_string();
    for part in parts {
        assert!(words.contains(part), "'{part}' in: {words}");
    }
}

#[test]
fn a_server_certificate_that_is_not_valid_by_this_clock() {
    for (years, validity) in [(LONG_AGO, "valid until 2020-01-01"), (FAR_AHEAD, "valid from 2090-01-01 on")] {
        for version in EACH_VERSION {
            let authority = Authority::new();
            let (server, device) = (authority.server(years), authority.client(NOW));
            let server =
                Scripted::with(&authority.pem(), &server, device, |stream| drop(read_to_end(stream)));
            let tls = tls(&server.device, &server.ca_pem, &[version]);
            let error = block_on(client(server.port, "device-1", tls).connect()).unwrap_err();
            assert!(matches!(error, Error::Clock { .. }), "{error:?}");
            let who = format!("localhost:{} is not trusted", server.port);
            let next = "set the clock (is a time server reached?); if it is right, the server needs another";
            says(&error, &[&who, validity, "but this device's clock says 20", next]);
            // The clock may be set by the network while the client tries.
            assert_eq!(error.verdict(), Verdict::Transient);
        }
    }
}

/// A device's clock that stands still.
#[derive(Debug)]
struct Stopped(Duration);

impl TimeProvider for Stopped {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0))
    }
}

#[test]
fn a_clock_that_cannot_be_right_is_called_wrong() {
    // Without a battery, and after an overflow of 32 bits.
    for (clock, says_what) in [(0, "1970-01-01"), (1 << 32, "2106-02-07")] {
        for version in EACH_VERSION {
            let authority = Authority::new();
            let (server, device) = (authority.server(NOW), authority.client(NOW));
            let server =
                Scripted::with(&authority.pem(), &server, device, |stream| drop(read_to_end(stream)));
            let mut tls = tls(&server.device, &server.ca_pem, &[version]);
            tls.time_provider = Arc::new(Stopped(Duration::from_secs(clock)));
            let error = block_on(client(server.port, "device-1", tls).connect()).unwrap_err();
            assert!(matches!(error, Error::Clock { .. }), "{error:?}");
            says(&error, &["this device's clock is wrong, it says", says_what, "set the clock"]);
            assert_eq!(error.verdict(), Verdict::Transient);
        }
    }
}

#[test]
fn a_device_certificate_that_is_not_valid_by_the_servers_clock() {
    for years in [LONG_AGO, FAR_AHEAD] {
        for version in EACH_VERSION {
            let authority = Authority::new();
            let (server, device) = (authority.server(NOW), authority.client(years));
            let server =
                Scripted::with(&authority.pem(), &server, device, |stream| drop(read_to_end(stream)));
            let tls = tls(&server.device, &server.ca_pem, &[version]);
            let error = block_on(client(server.port, "device-1", tls).connect()).unwrap_err();
            assert!(matches!(error, Error::CertificateRefused { .. }), "{error:?}");
            let who = format!("localhost:{} refused this device's certificate", server.port);
            let next = "register the device with a new one";
            says(&error, &[&who, "TLS alert CertificateExpired", "has expired, or is not valid yet", next]);
            assert_eq!(error.verdict(), Verdict::Permanent);
        }
    }
}

#[test]
fn aws_does_not_say_that_a_device_certificate_has_expired() {
    let cloud = Cloud::new(ALLOW_ALL);
    let expired = Authority::new().client(LONG_AGO);
    cloud.sim.admit(&expired.certificate_pem, "device-2", ALLOW_ALL).unwrap();
    for version in EACH_VERSION {
        let tls = cloud.tls_of(&expired, &[version]);
        let error = block_on(client(cloud.sim.port(), "device-2", tls).connect()).unwrap_err();
        assert!(matches!(error, Error::CertificateRefused { .. }), "{error:?}");
        says(&error, &["TLS alert CertificateUnknown", "not registered", "or it has expired"]);
    }
}
