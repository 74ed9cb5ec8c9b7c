//! What the server takes, checked before a byte is sent to it.
//!
//! AWS IoT Core answers most transgressions by closing the connection, which tells nobody which limit it was.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::topic::MQTT_TEXT_BYTES;
use crate::{Error, Filter, Publication};

/// Largest packet with [`Limits::mqtt5`], in bytes. MQTT's own maximum, 256 MiB, is more than a device has memory for.
const DEFAULT_PACKET_BYTES: u32 = 1024 * 1024;
/// Most memory for received messages that the application has not acknowledged, in bytes.
const INBOUND_BYTES: usize = 16 * 1024 * 1024;
/// Neither of the two counts this prefix, up to its third slash (AWS IoT Core developer guide, "Basic Ingest").
const AWS_BASIC_INGEST: &str = "$aws/rules/";
/// Topics of this kind have eight slashes (AWS IoT Core developer guide, "Reserved topics", commands), so the limit
/// cannot count all of them.
const AWS_COMMANDS: &str = "$aws/commands/";

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
        // In quotes: the quota's name.
        Self {
            whose: "AWS IoT Core",
            client_id_bytes: 128,                     // "Client ID size"
            topic_bytes: 256,                         // "Topic size"
            topic_slashes: 7,                         // "Maximum number of slashes in topic and topic filter"
            payload_bytes: 128 * 1024,                // "Message size"
            maximum_packet_size: 149_504,             // what its CONNACK names
            receive_maximum: 100,                     // "Maximum inbound / outbound unacknowledged messages"
            keep_alive_seconds: 30..=1200,            // "Keep alive interval": it coerces what lies outside
            subscriptions: 50,                        // "Subscriptions per connection"
            filters_per_subscribe: 8,                 // "Maximum subscriptions per subscribe request"
            publishes_per_second: Some(100),          // "Publish requests per second per connection"
            bytes_per_second: Some(512 * 1024),       // "Throughput per second per connection"
            connect_interval: Duration::from_secs(1), // "Connect requests per second per client ID"
            session_expiry_seconds: 7 * 24 * 3600,    // "Persistent session expiry period": 7 days
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
            // Less than the largest remaining length (MQTT 5, section 2.1.4).
            payload_bytes: 268_435_455,
            maximum_packet_size: DEFAULT_PACKET_BYTES,
            receive_maximum: u16::MAX,
            keep_alive_seconds: 1..=u16::MAX.into(),
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

    pub(crate) fn check_client_id(&self, client_id: &str) -> Result<(), Error> {
        let allowed = 1..=self.client_id_bytes as u64;
        self.check(|| format!("client id '{client_id}'"), client_id.len() as u64, "bytes", allowed)
    }

    pub(crate) fn check_keep_alive(&self, keep_alive: Duration) -> Result<(), Error> {
        let allowed = self.keep_alive_seconds.clone();
        self.check(|| "keep-alive".to_owned(), keep_alive.as_secs(), "seconds", allowed)
    }

    pub(crate) fn check_session_expiry(&self, expiry: Duration) -> Result<(), Error> {
        let allowed = 0..=self.session_expiry_seconds.into();
        self.check(|| "session expiry".to_owned(), expiry.as_secs(), "seconds", allowed)
    }

    pub(crate) fn check_subscriptions(&self, wanted: usize) -> Result<(), Error> {
        let allowed = 0..=self.subscriptions as u64;
        self.check(|| "this connection".to_owned(), wanted as u64, "subscriptions", allowed)
    }

    pub(crate) fn check_filter(&self, filter: &Filter) -> Result<(), Error> {
        self.check_depth(|| format!("topic filter '{filter}'"), filter.topics())
    }

    /// Topic, payload and properties of a message.
    pub(crate) fn check_publication(&self, publication: &Publication) -> Result<(), Error> {
        let Publication { topic, payload, .. } = publication;
        let properties = publication.properties();
        for topic in [topic].into_iter().chain(&properties.response_topic) {
            self.check_depth(|| format!("topic '{topic}'"), topic.as_str())?;
        }
        let allowed = 0..=self.payload_bytes as u64;
        self.check(|| format!("the message to '{topic}'"), payload.len() as u64, "bytes", allowed)?;
        properties.parts().try_for_each(|(name, bytes)| {
            let item = || format!("{name} of the message to '{topic}'");
            self.check(item, bytes as u64, "bytes", 0..=MQTT_TEXT_BYTES as u64)
        })
    }

    fn check_depth(&self, item: impl Fn() -> String, topic: &str) -> Result<(), Error> {
        let topic = counted(topic);
        self.check(&item, topic.len() as u64, "bytes", 0..=self.topic_bytes as u64)?;
        self.check(&item, topic.matches('/').count() as u64, "slashes", 0..=self.topic_slashes as u64)
    }

    fn check(
        &self,
        item: impl Fn() -> String,
        actual: u64,
        unit: &'static str,
        allowed: RangeInclusive<u64>,
    ) -> Result<(), Error> {
        let allowed = match (allowed.contains(&actual), allowed.start(), allowed.end()) {
            (true, ..) => return Ok(()),
            (false, 0, most) => format!("at most {most}"),
            (false, least, most) => format!("{least} to {most}"),
        };
        let what = format!("{}: {actual} {unit}, but {} allows {allowed}", item(), self.whose);
        Err(Error::Limit { what })
    }
}

/// The part of a topic that is counted.
fn counted(topic: &str) -> &str {
    let rest = topic.strip_prefix(AWS_BASIC_INGEST).or_else(|| topic.strip_prefix(AWS_COMMANDS));
    rest.and_then(|rest| rest.split_once('/')).map_or(topic, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QoS;

    #[test]
    fn each_limit_is_named_with_its_value() {
        let aws = Limits::aws_iot_core();
        let topic =
            |text: &str| aws.check_publication(&Publication::new(text, QoS::AtLeastOnce, "").unwrap());
        let filter = |text: &str| aws.check_filter(&text.parse().unwrap());
        let message = |bytes: usize| Publication::new("t", QoS::AtLeastOnce, vec![0; bytes]).unwrap();
        let payload = |bytes| aws.check_publication(&message(bytes));
        let expiry = |days: u64| aws.check_session_expiry(Duration::from_secs(days * 86_400));
        let keep_alive = |seconds| aws.check_keep_alive(Duration::from_secs(seconds));
        let long = |bytes: usize| "x".repeat(bytes);
        for (case, result, expected) in [
            ("client id of 128", aws.check_client_id(&long(128)), ""),
            (
                "client id of 129",
                aws.check_client_id(&long(129)),
                "129 bytes, but AWS IoT Core allows 1 to 128",
            ),
            (
                "no client id",
                aws.check_client_id(""),
                "client id '': 0 bytes, but AWS IoT Core allows 1 to 128",
            ),
            ("topic of 256", topic(&long(256)), ""),
            ("topic of 257", topic(&long(257)), "257 bytes, but AWS IoT Core allows at most 256"),
            ("seven slashes", topic("$aws/things/t/shadow/name/n/get/accepted"), ""),
            ("eight slashes", topic("1/2/3/4/5/6/7/8/9"), "8 slashes, but AWS IoT Core allows at most 7"),
            ("basic ingest", topic("$aws/rules/myrule/1/2/3/4/5/6/7/8"), ""),
            ("basic ingest, too deep", topic("$aws/rules/myrule/1/2/3/4/5/6/7/8/9"), "8 slashes"),
            ("commands", filter("$aws/commands/things/t/executions/+/response/accepted/json"), ""),
            ("deep filter", filter("+/+/+/+/+/+/+/+/#"), "topic filter '+/+/+/+/+/+/+/+/#': 8 slashes"),
            ("shared filter", filter("$share/group/1/2/3/4/5/6/7/8"), ""),
            ("payload of 128 KiB", payload(131_072), ""),
            ("larger payload", payload(131_073), "131073 bytes, but AWS IoT Core allows at most 131072"),
            ("keep-alive 30 s", keep_alive(30), ""),
            ("keep-alive 29 s", keep_alive(29), "keep-alive: 29 seconds, but AWS IoT Core allows 30 to 1200"),
            ("keep-alive 1201 s", keep_alive(1201), "1201 seconds"),
            ("session of a week", expiry(7), ""),
            (
                "session of 8 days",
                expiry(8),
                "session expiry: 691200 seconds, but AWS IoT Core allows at most 604800",
            ),
            (
                "content type of 65536",
                aws.check_publication(&message(0).content_type(long(65_536))),
                "the content type",
            ),
            ("50 subscriptions", aws.check_subscriptions(50), ""),
            (
                "51 subscriptions",
                aws.check_subscriptions(51),
                "51 subscriptions, but AWS IoT Core allows at most 50",
            ),
        ] {
            match result {
                Ok(()) => assert_eq!(expected, "", "{case}"),
                Err(error) => {
                    assert!(!expected.is_empty() && error.to_string().contains(expected), "{case}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_profile_of_the_protocol_itself_only_stops_what_cannot_be_sent() {
        let mqtt = Limits::mqtt5();
        assert!(mqtt.check_filter(&"1/2/3/4/5/6/7/8/9/10".parse().unwrap()).is_ok());
        assert!(mqtt.check_keep_alive(Duration::from_secs(5)).is_ok());
        assert!(mqtt.check_keep_alive(Duration::from_secs(65_536)).is_err());
    }
}
