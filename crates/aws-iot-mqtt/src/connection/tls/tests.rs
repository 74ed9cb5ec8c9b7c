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
        |time| clock(&CertificateError::ExpiredContext { time: at(time), not_after: at(0) }).unwrap();
    for (seconds, wrong) in [(0, true), (1_798_761_599, false), (4_294_967_296, true), (u64::MAX, true)] {
        assert_eq!(expired(seconds).starts_with("this device's clock is wrong"), wrong, "{seconds}");
    }
}

fn configuration() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(crate::roots::amazon()).with_no_client_auth())
}

#[test]
fn alpn_is_set_on_443_only_on_a_copy_and_never_over_the_callers_own() {
    let given = configuration();
    assert_eq!(with_alpn(Arc::clone(&given), 443).alpn_protocols, [ALPN.to_vec()]);
    assert!(given.alpn_protocols.is_empty());
    assert!(with_alpn(given, 8883).alpn_protocols.is_empty());

    let mut own = ClientConfig::clone(&configuration());
    own.alpn_protocols = vec![b"mqtt".to_vec()];
    assert_eq!(with_alpn(Arc::new(own), 443).alpn_protocols, [b"mqtt".to_vec()]);
}
