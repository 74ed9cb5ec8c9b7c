//! What a server takes, checked before a byte is sent to it.
//!
//! AWS IoT Core answers most transgressions by closing the connection, which tells nobody which limit it was.

mod check;

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::topic::MQTT_TEXT_BYTES;

/// Longest client id, in bytes (AWS IoT Core message broker quotas, "Client ID size").
const AWS_CLIENT_ID_BYTES: usize = 128;
/// Longest topic or topic filter, in bytes of UTF-8 (AWS IoT Core message broker quotas, "Topic size").
const AWS_TOPIC_BYTES: usize = 256;
/// Most slashes in a topic or topic filter (AWS IoT Core message broker quotas, "Maximum number of slashes").
const AWS_TOPIC_SLASHES: usize = 7;
/// Largest payload, in bytes: 128 KiB (AWS IoT Core message broker quotas, "Message size").
const AWS_PAYLOAD_BYTES: usize = 128 * 1024;
/// Largest packet, in bytes: the maximum packet size that AWS IoT Core's CONNACK names.
const AWS_PACKET_BYTES: u32 = 149_504;
/// Most unacknowledged messages each way (AWS IoT Core message broker quotas, "Maximum inbound / outbound
/// unacknowledged messages").
const AWS_RECEIVE_MAXIMUM: u16 = 100;
/// Keep-alive in seconds; AWS coerces what lies outside (AWS IoT Core message broker quotas, "Keep alive interval").
const AWS_KEEP_ALIVE_SECONDS: RangeInclusive<u64> = 30..=1200;
/// Most subscriptions of one connection (AWS IoT Core message broker quotas, "Subscriptions per connection").
const AWS_SUBSCRIPTIONS: usize = 50;
/// Most filters of one SUBSCRIBE (AWS IoT Core message broker quotas, "Maximum subscriptions per subscribe request").
const AWS_FILTERS_PER_SUBSCRIBE: usize = 8;
/// Most publishes of one connection in a second (AWS IoT Core message broker quotas, "Publish requests per second per
/// connection").
const AWS_PUBLISHES_PER_SECOND: u32 = 100;
/// Most bytes of one connection in a second (AWS IoT Core message broker quotas, "Throughput per second per
/// connection").
const AWS_BYTES_PER_SECOND: u32 = 512 * 1024;
/// How far apart two CONNECTs of one client id are (AWS IoT Core message broker quotas, "Connect requests per second
/// per client ID").
const AWS_CONNECT_INTERVAL: Duration = Duration::from_secs(1);
/// Longest that a session is kept, in seconds: 7 days (AWS IoT Core message broker quotas, "Persistent session expiry
/// period").
const AWS_SESSION_EXPIRY_SECONDS: u32 = 7 * 24 * 3600;

/// The largest payload of MQTT, in bytes: less than the largest remaining length (MQTT 5, section 2.1.4).
const MQTT_PAYLOAD_BYTES: usize = 268_435_455;
/// Largest packet with [`Limits::mqtt5`], in bytes. MQTT's own maximum, 256 MiB, is more than a device has memory for.
const DEFAULT_PACKET_BYTES: u32 = 1024 * 1024;
/// Most memory for received messages that the application has not acknowledged, in bytes.
const INBOUND_BYTES: usize = 16 * 1024 * 1024;
/// The largest keep-alive of MQTT, in seconds (MQTT 5, section 3.1.2.10).
const MQTT_KEEP_ALIVE_SECONDS: RangeInclusive<u64> = 1..=65_535;

/// What a server takes. Each value may be changed; start from the profile that comes nearest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Whose limits these are: the errors name it.
    whose: &'static str,
    /// Longest client id, in bytes.
    pub client_id_bytes: usize,
    /// Longest topic and topic filter, in bytes.
    pub topic_bytes: usize,
    /// Most slashes in a topic and a topic filter.
    pub topic_slashes: usize,
    /// Largest payload, in bytes.
    pub payload_bytes: usize,
    /// Largest packet, in bytes, each way. Where the server names a smaller one, that holds.
    pub maximum_packet_size: u32,
    /// Most QoS 1 messages that are unacknowledged, each way. Where the server names fewer, that holds; for received
    /// messages, as many as 16 MiB hold of the largest packets.
    pub receive_maximum: u16,
    /// Keep-alive, in whole seconds.
    pub keep_alive_seconds: RangeInclusive<u64>,
    /// Most subscriptions of one connection.
    pub subscriptions: usize,
    /// Most filters of one SUBSCRIBE; more are spread over several.
    pub filters_per_subscribe: usize,
    /// Most publishes in a second, where that is limited: what is more waits here.
    pub publishes_per_second: Option<u32>,
    /// Most bytes of publishes in a second, where that is limited: what is more waits here.
    pub bytes_per_second: Option<u32>,
    /// How far apart two connections of one client id are at least.
    pub connect_interval: Duration,
    /// Longest that a session is kept, in seconds.
    pub session_expiry_seconds: u32,
}

impl Limits {
    /// What AWS IoT Core takes ("AWS IoT Core endpoints and quotas", message broker and protocol limits).
    pub fn aws_iot_core() -> Self {
        Self {
            whose: "AWS IoT Core",
            client_id_bytes: AWS_CLIENT_ID_BYTES,
            topic_bytes: AWS_TOPIC_BYTES,
            topic_slashes: AWS_TOPIC_SLASHES,
            payload_bytes: AWS_PAYLOAD_BYTES,
            maximum_packet_size: AWS_PACKET_BYTES,
            receive_maximum: AWS_RECEIVE_MAXIMUM,
            keep_alive_seconds: AWS_KEEP_ALIVE_SECONDS,
            subscriptions: AWS_SUBSCRIPTIONS,
            filters_per_subscribe: AWS_FILTERS_PER_SUBSCRIBE,
            publishes_per_second: Some(AWS_PUBLISHES_PER_SECOND),
            bytes_per_second: Some(AWS_BYTES_PER_SECOND),
            connect_interval: AWS_CONNECT_INTERVAL,
            session_expiry_seconds: AWS_SESSION_EXPIRY_SECONDS,
        }
    }

    /// What MQTT 5 itself can carry, but for packets of at most 1 MiB: for other brokers, which say the rest when one
    /// connects.
    pub fn mqtt5() -> Self {
        Self {
            whose: "MQTT 5",
            client_id_bytes: MQTT_TEXT_BYTES,
            topic_bytes: MQTT_TEXT_BYTES,
            topic_slashes: MQTT_TEXT_BYTES,
            payload_bytes: MQTT_PAYLOAD_BYTES,
            maximum_packet_size: DEFAULT_PACKET_BYTES,
            receive_maximum: u16::MAX,
            keep_alive_seconds: MQTT_KEEP_ALIVE_SECONDS,
            subscriptions: usize::MAX,
            // A packet that is always accepted, whatever the filters' length.
            filters_per_subscribe: 64,
            publishes_per_second: None,
            bytes_per_second: None,
            connect_interval: Duration::ZERO,
            session_expiry_seconds: u32::MAX,
        }
    }

    /// The receive maximum that CONNECT names: so many of the largest packets as there is memory for.
    pub(crate) fn inbound_receive_maximum(&self) -> u16 {
        let most = INBOUND_BYTES / usize::try_from(self.maximum_packet_size).unwrap_or(usize::MAX).max(1);
        self.receive_maximum.min(u16::try_from(most).unwrap_or(u16::MAX)).max(1)
    }

    /// Most memory for received messages that are not acknowledged, in bytes.
    pub(crate) fn inbound_bytes(&self) -> usize {
        let largest = usize::try_from(self.maximum_packet_size).unwrap_or(usize::MAX);
        INBOUND_BYTES.max(largest.saturating_add(INBOUND_BYTES / 16))
    }
}
