//! What AWS IoT Core allows, each number with its source. Nothing here is tunable: a program that breaks a limit
//! on this simulator would break it in the cloud.

use std::time::Duration;

/// Longest client id, in bytes. Source: AWS IoT Core quotas page, "Client ID size".
pub(crate) const CLIENT_ID_BYTES: usize = 128;

/// Shortest keep-alive, in seconds; smaller requests are raised to it.
/// Source: AWS IoT Core quotas page, "Connection inactivity (keep-alive interval)".
pub(crate) const KEEP_ALIVE_MIN_SECONDS: u16 = 30;

/// Longest keep-alive, in seconds; larger requests and zero become it.
/// Source: AWS IoT Core quotas page, "Connection inactivity (keep-alive interval)".
pub(crate) const KEEP_ALIVE_MAX_SECONDS: u16 = 1200;

/// Largest payload of a publish, in bytes. Source: AWS IoT Core quotas page, "Publish request size" (128 KB).
pub(crate) const PAYLOAD_BYTES: usize = 128 * 1024;

/// Largest MQTT packet, in bytes. Source: what AWS IoT Core sends as Maximum Packet Size in its CONNACK.
pub(crate) const PACKET_BYTES: u32 = 149_504;

/// Longest topic or topic filter, in bytes of UTF-8. Source: AWS IoT Core quotas page, "Topic size".
pub(crate) const TOPIC_BYTES: usize = 256;

/// Most slashes in a topic or topic filter; those of a Basic Ingest prefix are not counted.
/// Source: AWS IoT Core quotas page, "Maximum number of slashes in topic and topic filter".
pub(crate) const TOPIC_SLASHES: usize = 7;

/// Most filters in one SUBSCRIBE. Source: AWS IoT Core quotas page, "Maximum subscriptions per subscribe request".
pub(crate) const FILTERS_PER_SUBSCRIBE: usize = 8;

/// Most subscriptions of one connection. Source: AWS IoT Core quotas page, "Subscriptions per connection".
pub(crate) const SUBSCRIPTIONS_PER_CONNECTION: usize = 50;

/// Most unacknowledged QoS 1 publishes in either direction, and the Receive Maximum of the CONNACK.
/// Source: AWS IoT Core quotas page, "Maximum inbound/outbound unacknowledged QoS 1 publish requests".
pub(crate) const IN_FLIGHT: u16 = 100;

/// Highest topic alias. Source: AWS IoT Core quotas page, "Topic Alias maximum".
pub(crate) const TOPIC_ALIASES: u16 = 8;

/// Longest policy document, in characters that are not white space. Source: AWS IoT API reference, CreatePolicy.
pub(crate) const POLICY_CHARACTERS: usize = 2048;

/// Most policies attached to one certificate or thing group.
/// Source: AWS IoT Core quotas page, "Maximum number of policies that can be attached to a certificate".
pub(crate) const POLICIES_PER_TARGET: usize = 10;

/// Most versions of one policy. Source: AWS IoT Core quotas page, "Maximum number of named policy versions".
pub(crate) const POLICY_VERSIONS: usize = 5;

/// Most attributes of a thing without a thing type.
/// Source: AWS IoT Core quotas page, "Maximum number of thing attributes for a thing without a thing type".
pub(crate) const THING_ATTRIBUTES: usize = 3;

/// Most attributes of a thing with a thing type.
/// Source: AWS IoT Core quotas page, "Maximum number of thing attributes for a thing with a thing type".
pub(crate) const THING_ATTRIBUTES_WITH_TYPE: usize = 50;

/// Most attributes of a thing group.
/// Source: AWS IoT Core quotas page, "Maximum number of attributes associated with a thing group".
pub(crate) const THING_GROUP_ATTRIBUTES: usize = 50;

/// Longest certificate PEM, in bytes. Source: AWS IoT API reference, RegisterCertificateWithoutCA.
pub(crate) const CERTIFICATE_PEM_BYTES: usize = 65_536;

/// Longest that a session is kept after its connection, in seconds: 7 days.
/// Source: AWS IoT Core quotas page, "Persistent session expiry period".
pub(crate) const SESSION_EXPIRY_MAX_SECONDS: u32 = 7 * 24 * 3600;

/// Messages that wait for one slow subscriber before it is disconnected, and that are stored for one that is away
/// before further ones are dropped. The simulator's own choice, not AWS's.
pub(crate) const WAITING_MESSAGES: usize = 1000;

/// Most entries on one page of a list. Source: AWS IoT API reference, `maxResults` and `pageSize` of the lists.
pub(crate) const PAGE_ITEMS: usize = 250;

/// Shortest time between two CONNECT packets of one client id.
/// Source: AWS IoT Core quotas page, "Connect requests per second per client ID" (1).
pub(crate) const CONNECT_INTERVAL: Duration = Duration::from_secs(1);

/// Most messages that `AwsIotSim::received` remembers. The simulator's own choice, not AWS's.
pub(crate) const RECEIVED_MESSAGES: usize = 10_000;
