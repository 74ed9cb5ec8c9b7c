//! What a server takes, checked before a byte is sent to it.
//!
//! AWS IoT Core answers most transgressions by closing the connection, which tells nobody which limit it was.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::topic::MQTT_TEXT_BYTES;
use crate::{Error, Filter, Publication, Topic};

/// Longest client id, in bytes (AWS IoT Core message broker quotas, "Client ID size").
const AWS_CLIENT_ID_BYTES: usize = 128;
/// Longest topic or topic filter, in bytes of UTF-8 (AWS IoT Core message broker quotas, "Topic size").
const AWS_TOPIC_BYTES: usize = 256;
/// Most slashes in a topic or topic filter (AWS IoT Core message broker quotas, "Maximum number of slashes").
const AWS_TOPIC_SLASHES: usize = 7;
/// Neither of the two counts this prefix, up to its third slash (AWS IoT Core developer guide, "Basic Ingest").
const AWS_BASIC_INGEST: &str = "$aws/rules/";
/// Largest payload, in bytes: 128 KiB (AWS IoT Core message broker quotas, "Message size").
const AWS_PAYLOAD_BYTES: usize = 128 * 1024;
/// Largest packet, in bytes: the maximum packet size that AWS IoT Core's CONNACK names.
const AWS_PACKET_BYTES: u32 = 149_504;
/// Most unacknowledged messages each way (AWS IoT Core message broker quotas, "Maximum inbound / outbound
/// unacknowledged messages").
const AWS_IN_FLIGHT: u16 = 100;
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

/// The largest packet of MQTT, in bytes: fixed header and the largest remaining length (MQTT 5, section 2.1.4).
const MQTT_PACKET_BYTES: u32 = 268_435_455 + 5;
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
    pub packet_bytes: u32,
    /// Most QoS 1 messages under way, each way. Where the server names fewer, that holds.
    pub in_flight: u16,
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
            packet_bytes: AWS_PACKET_BYTES,
            in_flight: AWS_IN_FLIGHT,
            keep_alive_seconds: AWS_KEEP_ALIVE_SECONDS,
            subscriptions: AWS_SUBSCRIPTIONS,
            filters_per_subscribe: AWS_FILTERS_PER_SUBSCRIBE,
            publishes_per_second: Some(AWS_PUBLISHES_PER_SECOND),
            bytes_per_second: Some(AWS_BYTES_PER_SECOND),
            connect_interval: AWS_CONNECT_INTERVAL,
            session_expiry_seconds: AWS_SESSION_EXPIRY_SECONDS,
        }
    }

    /// What MQTT 5 itself can carry: for other brokers, which say the rest when one connects.
    pub fn mqtt5() -> Self {
        Self {
            whose: "MQTT 5",
            client_id_bytes: MQTT_TEXT_BYTES,
            topic_bytes: MQTT_TEXT_BYTES,
            topic_slashes: MQTT_TEXT_BYTES,
            payload_bytes: MQTT_PACKET_BYTES as usize,
            packet_bytes: MQTT_PACKET_BYTES,
            in_flight: u16::MAX,
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

    pub(crate) fn check_client_id(&self, client_id: &str) -> Result<(), Error> {
        self.check(|| format!("client id '{client_id}'"), client_id.len(), "bytes", 1..=self.client_id_bytes)
    }

    /// The keep-alive in whole seconds, as CONNECT carries it.
    pub(crate) fn check_keep_alive(&self, keep_alive: Duration) -> Result<u16, Error> {
        let (seconds, allowed) = (keep_alive.as_secs(), &self.keep_alive_seconds);
        u16::try_from(seconds)
            .ok()
            .filter(|_| allowed.contains(&seconds))
            .ok_or_else(|| self.exceeded("keep-alive".to_owned(), seconds, "seconds", range(allowed)))
    }

    fn check_topic(&self, topic: &Topic) -> Result<(), Error> {
        self.check_depth(|| format!("topic '{topic}'"), counted(topic.as_str()))
    }

    pub(crate) fn check_filter(&self, filter: &Filter) -> Result<(), Error> {
        self.check_depth(|| format!("topic filter '{filter}'"), counted(filter.topics()))
    }

    /// Topic, payload and properties of a message.
    pub(crate) fn check_publication(&self, publication: &Publication) -> Result<(), Error> {
        let Publication { topic, payload, .. } = publication;
        self.check_topic(topic)?;
        self.check(|| format!("the message to '{topic}'"), payload.len(), "bytes", 0..=self.payload_bytes)?;
        let properties = publication.properties();
        if let Some(response) = &properties.response_topic {
            self.check_topic(response)?;
        }
        properties.parts().try_for_each(|(name, bytes)| {
            self.check(|| format!("{name} of the message to '{topic}'"), bytes, "bytes", 0..=MQTT_TEXT_BYTES)
        })
    }

    /// How long the server keeps the session, as CONNECT carries it.
    pub(crate) fn check_session_expiry(&self, expiry: Duration) -> Result<u32, Error> {
        let (seconds, allowed) = (expiry.as_secs(), 0..=u64::from(self.session_expiry_seconds));
        u32::try_from(seconds)
            .ok()
            .filter(|_| allowed.contains(&seconds))
            .ok_or_else(|| self.exceeded("session expiry".to_owned(), seconds, "seconds", range(&allowed)))
    }

    pub(crate) fn check_subscriptions(&self, wanted: usize) -> Result<(), Error> {
        self.check(|| "this connection".to_owned(), wanted, "subscriptions", 0..=self.subscriptions)
    }

    fn check_depth(&self, item: impl Fn() -> String, text: &str) -> Result<(), Error> {
        self.check(&item, text.len(), "bytes", 0..=self.topic_bytes)?;
        self.check(&item, text.matches('/').count(), "slashes", 0..=self.topic_slashes)
    }

    fn check(
        &self,
        item: impl Fn() -> String,
        actual: usize,
        unit: &'static str,
        allowed: RangeInclusive<usize>,
    ) -> Result<(), Error> {
        if allowed.contains(&actual) {
            return Ok(());
        }
        Err(self.exceeded(item(), actual as u64, unit, range(&allowed)))
    }

    fn exceeded(&self, item: String, actual: u64, unit: &'static str, allowed: String) -> Error {
        Error::Limit { item, actual, unit, whose: self.whose, allowed }
    }
}

/// The part of a topic that AWS counts.
fn counted(topic: &str) -> &str {
    topic.strip_prefix(AWS_BASIC_INGEST).and_then(|rest| rest.split_once('/')).map_or(topic, |(_, rest)| rest)
}

fn range<T: std::fmt::Display + PartialEq + Default>(allowed: &RangeInclusive<T>) -> String {
    let (low, high) = (allowed.start(), allowed.end());
    if *low == T::default() { format!("at most {high}") } else { format!("{low} to {high}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QoS;

    #[test]
    fn each_limit_is_named_with_its_value() {
        let aws = Limits::aws_iot_core();
        let topic = |text: &str| aws.check_topic(&text.parse().unwrap());
        let filter = |text: &str| aws.check_filter(&text.parse().unwrap());
        let message = |bytes: usize| Publication::new("t", QoS::AtLeastOnce, vec![0; bytes]).unwrap();
        let payload = |bytes| aws.check_publication(&message(bytes));
        let expiry = |days: u64| aws.check_session_expiry(Duration::from_secs(days * 86_400)).map(drop);
        let keep_alive = |seconds| aws.check_keep_alive(Duration::from_secs(seconds)).map(drop);
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
        assert!(mqtt.check_topic(&"1/2/3/4/5/6/7/8/9/10".parse().unwrap()).is_ok());
        assert_eq!(mqtt.check_keep_alive(Duration::from_secs(5)).unwrap(), 5);
        assert!(mqtt.check_keep_alive(Duration::from_secs(65_536)).is_err());
    }
}
