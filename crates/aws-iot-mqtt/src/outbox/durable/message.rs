//! A message as it stands in a file.

use std::time::{Duration, SystemTime};

use bytes::{Buf as _, BufMut as _, Bytes};

use super::super::entry::{Entry, Status};
use super::super::store::CLOCK_IS_SET;
use crate::{PayloadFormat, Properties, QoS, Topic};

/// A message in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredMessage {
    /// Its number in the store, counted up.
    pub key: u64,
    /// Where it goes to.
    pub topic: Topic,
    /// Its content.
    pub payload: Bytes,
    /// Whether the server shall keep it.
    pub retain: bool,
    /// What it carries beside the payload.
    pub properties: Option<Box<Properties>>,
    /// When it was accepted, by the wall clock.
    pub accepted: SystemTime,
    /// When it expires, by the wall clock.
    pub expires: Option<SystemTime>,
}

/// Bits of the flags' byte.
const RETAIN: u8 = 1;
const EXPIRES: u8 = 2;
const PROPERTIES: u8 = 4;
/// Bits of the properties' byte.
const CONTENT_TYPE: u8 = 1;
const RESPONSE_TOPIC: u8 = 2;
const CORRELATION: u8 = 4;
const INTERVAL: u8 = 8;
const BYTES: u8 = 16;
const UTF8: u8 = 32;

/// The body of a message's record.
pub(super) fn encode(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + entry.topic.len() + entry.payload.len());
    out.put_u8(flags([
        (entry.retain, RETAIN),
        (entry.expires.is_some(), EXPIRES),
        (entry.properties.is_some(), PROPERTIES),
    ]));
    out.put_u64_le(milliseconds(entry.accepted));
    if let Some(expires) = entry.expires {
        out.put_u64_le(milliseconds(expires));
    }
    put(&mut out, &entry.topic);
    if let Some(properties) = &entry.properties {
        encode_properties(&mut out, properties);
    }
    out.put_slice(&entry.payload);
    out
}

fn flags<const N: usize>(bits: [(bool, u8); N]) -> u8 {
    bits.into_iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum()
}

fn encode_properties(out: &mut Vec<u8>, properties: &Properties) {
    let Properties { payload_format, content_type, response_topic, correlation_data, .. } = properties;
    out.put_u8(flags([
        (content_type.is_some(), CONTENT_TYPE),
        (response_topic.is_some(), RESPONSE_TOPIC),
        (correlation_data.is_some(), CORRELATION),
        (properties.message_expiry_interval.is_some(), INTERVAL),
        (*payload_format == Some(PayloadFormat::Bytes), BYTES),
        (*payload_format == Some(PayloadFormat::Utf8), UTF8),
    ]));
    let response_topic = response_topic.as_ref().map(|topic| topic.as_str().as_bytes());
    let content_type = content_type.as_ref().map(String::as_bytes);
    for text in content_type.into_iter().chain(response_topic).chain(correlation_data.as_deref()) {
        put(out, text);
    }
    if let Some(interval) = properties.message_expiry_interval {
        out.put_u64_le(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX));
    }
    out.put_u32_le(u32::try_from(properties.user_properties.len()).unwrap_or(u32::MAX));
    for (name, value) in &properties.user_properties {
        put(out, name.as_bytes());
        put(out, value.as_bytes());
    }
}

impl StoredMessage {
    pub(super) fn decode(key: u64, body: &[u8]) -> Option<Self> {
        let body = &mut &*body;
        let flags = body.try_get_u8().ok()?;
        let accepted = time(body.try_get_u64_le().ok()?)?;
        let expires = if flags & EXPIRES != 0 { Some(time(body.try_get_u64_le().ok()?)?) } else { None };
        let topic = Topic::try_from(text(body)?).ok()?;
        let properties =
            if flags & PROPERTIES != 0 { Some(Box::new(decode_properties(body)?)) } else { None };
        let payload = Bytes::copy_from_slice(body);
        Some(Self { key, topic, payload, retain: flags & RETAIN != 0, properties, accepted, expires })
    }

    /// As the session takes it. A message that was accepted before the clock was set has the age that this process knows of.
    pub(super) fn into_entry(self, packet_id: Option<u16>, bytes: u64, now: SystemTime) -> Entry {
        let is_set = SystemTime::UNIX_EPOCH + CLOCK_IS_SET;
        let (accepted, expires) = if self.accepted < is_set && is_set <= now {
            let life = self.expires.map(|expires| expires.duration_since(self.accepted).unwrap_or_default());
            (now, life.and_then(|life| now.checked_add(life)))
        } else {
            (self.accepted, self.expires)
        };
        Entry {
            topic: Bytes::from(self.topic.into_string()),
            qos: QoS::AtLeastOnce,
            payload: self.payload,
            retain: self.retain,
            properties: self.properties,
            // Whoever published it was told when it was stored.
            answer: None,
            accepted,
            expires,
            status: Status::Waiting,
            sent: packet_id.is_some(),
            packet_id,
            refused: None,
            stored: Some((self.key, bytes)),
        }
    }
}

fn decode_properties(body: &mut &[u8]) -> Option<Properties> {
    let flags = body.try_get_u8().ok()?;
    let mut properties = Properties::default();
    if flags & CONTENT_TYPE != 0 {
        properties.content_type = Some(text(body)?);
    }
    if flags & RESPONSE_TOPIC != 0 {
        properties.response_topic = Some(Topic::try_from(text(body)?).ok()?);
    }
    if flags & CORRELATION != 0 {
        properties.correlation_data = Some(Bytes::copy_from_slice(part(body)?));
    }
    if flags & INTERVAL != 0 {
        properties.message_expiry_interval = Some(Duration::from_millis(body.try_get_u64_le().ok()?));
    }
    properties.payload_format = match (flags & BYTES != 0, flags & UTF8 != 0) {
        (true, _) => Some(PayloadFormat::Bytes),
        (_, true) => Some(PayloadFormat::Utf8),
        _ => None,
    };
    for _ in 0..body.try_get_u32_le().ok()? {
        properties.user_properties.push((text(body)?, text(body)?));
    }
    Some(properties)
}

/// A length of four bytes, and the bytes.
pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32_le(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn part<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = body.try_get_u32_le().ok()?;
    let (part, rest) = body.split_at_checked(length as usize)?;
    *body = rest;
    Some(part)
}

pub(super) fn text(body: &mut &[u8]) -> Option<String> {
    String::from_utf8(part(body)?.to_vec()).ok()
}

/// Since 1970.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn time(milliseconds: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))
}
