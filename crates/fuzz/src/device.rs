//! What the device parses, and what passes between it and the operator.

use std::fs;
use std::time::{Duration, SystemTime};

use aws_iot_mqtt::{Filter, Proxy, Topic, durable};
use device_identity::{DeviceCertificate, DeviceConfig, Identity, IdentityBundle, Requirements};
use se050_key::{ByteOrder, ObjectId, Pkcs11Uri, Selector};
use tempfile::tempdir;

/// When the seeds' certificates are valid: 2026-11-26.
const NOW: Duration = Duration::from_secs(1_795_651_200);

/// A factory's file: a bundle, or a bare certificate.
pub fn bundle(bytes: &[u8]) {
    if let Ok(identity) = Identity::from_bytes(bytes) {
        let wanted = Requirements { nonce: Some("n".to_owned()), ..Requirements::default() };
        let now = SystemTime::UNIX_EPOCH + NOW;
        if let Ok(checked) = identity.check(&wanted, now) {
            checked.summary();
        }
        identity.key();
    }
    if let Ok(bundle) = IdentityBundle::from_json(bytes)
        && let Ok(json) = bundle.to_json()
    {
        let again = IdentityBundle::from_json(json.as_bytes()).and_then(|bundle| bundle.to_json());
        assert_eq!(again.ok(), Some(json), "a bundle that was written is read again");
    }
}

/// A certificate of the chip or of a file. Device and operator take the same ones for the same.
pub fn certificate(bytes: &[u8]) {
    if let Ok(certificate) = se050_key::Certificate::from_bytes(bytes, "a file") {
        let times = [certificate.not_before(), certificate.not_after()];
        let _ = (times.map(|time| time.system_time()), format!("{times:?} {certificate:?}"));
        let again = se050_key::Certificate::from_bytes(certificate.to_pem().as_bytes(), "PEM");
        assert!(again.is_ok_and(|again| again.as_der() == certificate.as_der()));
    }
    let _ = DeviceCertificate::all_from_pem(bytes);
    if let Ok(certificate) = DeviceCertificate::from_bytes(bytes) {
        let _ = (certificate.subject(), certificate.issuer(), certificate.key_kind());
        let _ = (certificate.validity(), certificate.is_authority());
        let again = DeviceCertificate::from_pem(certificate.to_pem().as_bytes());
        assert!(again.is_ok_and(|again| again.fingerprint() == certificate.fingerprint()));
    }
}

/// `device.toml`.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(configuration) = DeviceConfig::from_toml(text)
        && let Ok(text) = configuration.to_toml()
    {
        let again = DeviceConfig::from_toml(&text).and_then(|configuration| configuration.to_toml());
        assert_eq!(again.ok(), Some(text), "a configuration that was written is read again");
    }
}

/// Labels, object ids and URIs of keys, and what else is a word of the command line.
pub fn names(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(selector) = text.parse::<Selector>() {
        let again: Result<Selector, _> = selector.as_str().parse();
        assert_eq!(again.ok().map(|again| again.to_string()), Some(selector.to_string()));
    }
    if let Ok(uri) = text.parse::<Pkcs11Uri>() {
        let _ = (uri.module_path(), uri.pin_source());
    }
    if let Ok(id) = text.parse::<ObjectId>() {
        let _ = (id.label(ByteOrder::LittleEndian), id.label(ByteOrder::BigEndian), id.factory_certificate());
        assert_eq!(id.to_string().parse::<ObjectId>().ok(), Some(id));
    }
    if let Ok(proxy) = text.parse::<Proxy>() {
        let _ = format!("{proxy:?}");
    }
}

/// A durable outbox: the first byte says how many 16ths are the file of what was set aside, the others are messages.
pub fn store(bytes: &[u8]) {
    let Some((split, rest)) = bytes.split_first() else { return };
    let (set_aside, messages) = rest.split_at(rest.len() * usize::from(split % 16) / 16);
    let Ok(directory) = tempdir() else { return };
    let write = |name, bytes| fs::write(directory.path().join(name), bytes);
    if write("0000000000000001.mqo1", messages).and_then(|()| write("set-aside", set_aside)).is_err() {
        return;
    }
    let messages = durable::messages(directory.path()).map(Iterator::count);
    let status = durable::status(directory.path()).map(|status| status.messages);
    assert_eq!(status.ok(), messages.ok().map(|count| count as u64));
}

/// Topics and topic filters.
pub fn topics(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (filter, topic) = text.split_once('\n').unwrap_or((text, text));
    if let (Ok(filter), Ok(topic)) = (filter.parse::<Filter>(), topic.parse::<Topic>()) {
        let matches = filter.matches(topic.as_str());
        if filter.as_str() == topic.as_str() {
            // A topic has no wildcards. A shared subscription's name is no part of its filter.
            assert!(matches || topic.as_str().starts_with("$share/"), "{topic} is not its own filter");
        }
    }
}
