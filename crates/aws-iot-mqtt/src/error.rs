//! Everything that can go wrong, in the words of the person who has to put it right.

mod report;

use std::convert::Infallible;
use std::time::Duration;

pub use self::report::{Cause, Stage};
pub(crate) use self::report::{Printable, no_route};
use self::report::{
    certificate_hint, disk_hint, expired_when, given_up_hint, said, unanswered_hint, unreachable_hint,
};
use crate::ReasonCode;

/// Why something did not work: the likeliest cause first, and what to try.
///
/// An error is cheap to clone, since one lost connection is the answer to everybody who waits on it. What lies
/// underneath is its [`source`](std::error::Error::source).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not a topic to publish to.
    #[error("'{}' is not a topic to publish to: {why}", Printable(.topic))]
    InvalidTopic {
        /// The text.
        topic: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The text is not a topic filter.
    #[error("'{}' is not a topic filter to subscribe to: {why}", Printable(.filter))]
    InvalidFilter {
        /// The text.
        filter: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The endpoint is not a host name.
    #[error(
        "'{endpoint}' is not an endpoint: give the host name alone, without scheme, port or path, as `aws iot \
         describe-endpoint --endpoint-type iot:Data-ATS` prints it"
    )]
    InvalidEndpoint {
        /// The text.
        endpoint: String,
    },
    /// The text is not the address of an HTTP proxy.
    #[error(
        "{place} is not the address of a proxy: {why}; it is written http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
    )]
    InvalidProxy {
        /// Where the text stands; the text itself may hold a password.
        place: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Nothing was sent: the server would not take it.
    #[error("{what}")]
    Limit {
        /// What is too large or too small, how large it is, whose limit it is, and what is allowed.
        what: String,
    },
    /// The operating system gives the session no thread or no event queue, or the thread died.
    #[error("the MQTT session's own thread does not run")]
    Start {
        /// What is known of it.
        source: Cause,
    },
    /// The endpoint's name has no address.
    #[error(
        "the name '{endpoint}' cannot be resolved: is it spelt as `aws iot describe-endpoint` prints it, and does \
         this device reach a DNS server?"
    )]
    Resolve {
        /// The endpoint.
        endpoint: String,
        /// What the resolver says.
        source: Cause,
    },
    /// Nobody accepts a TCP connection there.
    #[error("no connection to {endpoint}, tried {tried}: {}", unreachable_hint(.source))]
    Unreachable {
        /// The endpoint and its port.
        endpoint: String,
        /// Each address that was tried, and its answer.
        tried: String,
        /// The last answer.
        source: Cause,
    },
    /// The HTTP proxy makes no connection to the endpoint.
    #[error("the proxy {proxy} makes no connection to {endpoint}: {why}")]
    Proxy {
        /// The proxy's host and port.
        proxy: String,
        /// The endpoint and its port.
        endpoint: String,
        /// What it answered, and what to try.
        why: String,
    },
    /// The connection did not stand in time.
    #[error("no MQTT connection to {endpoint} within {} s: it got no further than {stage}", .after.as_secs_f32())]
    ConnectTimeout {
        /// The endpoint and its port.
        endpoint: String,
        /// How far it got.
        stage: Stage,
        /// The time that was given.
        after: Duration,
    },
    /// What answers CONNECT is an HTTP server.
    #[error(
        "what answers on {endpoint} is an HTTP server and not MQTT ('{answer}'): is it the endpoint that `aws iot \
         describe-endpoint --endpoint-type iot:Data-ATS` prints? (port 8883, or 443 with ALPN x-amzn-mqtt-ca)"
    )]
    NotMqtt {
        /// The endpoint and its port.
        endpoint: String,
        /// The first line of the answer.
        answer: String,
    },
    /// By this device's clock, the server's certificate is not valid now; or the clock cannot be right.
    #[error("{endpoint} is not trusted: {why}")]
    Clock {
        /// The endpoint and its port.
        endpoint: String,
        /// What the clock says, and from when or until when the certificate is valid.
        why: String,
    },
    /// The server's certificate is not one that the given roots vouch for.
    #[error("{endpoint} is not trusted: {why}")]
    ServerNotTrusted {
        /// The endpoint and its port.
        endpoint: String,
        /// What is wrong, and what to try.
        why: &'static str,
        /// The verifier's verdict.
        source: Cause,
    },
    /// The server refused the device's certificate with a TLS alert.
    #[error("{endpoint} refused this device's certificate (TLS alert {alert}): {}", certificate_hint(.alert))]
    CertificateRefused {
        /// The endpoint and its port.
        endpoint: String,
        /// The alert's name.
        alert: String,
        /// The alert.
        source: Cause,
    },
    /// The private key made no signature: [`source`](std::error::Error::source) is the signer's own error.
    #[error("the device's key made no signature for the TLS handshake with {endpoint}")]
    Signer {
        /// The endpoint and its port.
        endpoint: String,
        /// The signer's own error.
        source: Cause,
    },
    /// The TLS handshake failed in another way.
    #[error("the TLS handshake with {endpoint} failed: {why}")]
    Tls {
        /// The endpoint and its port.
        endpoint: String,
        /// What is the likeliest reason.
        why: &'static str,
        /// What the TLS library says.
        source: Cause,
    },
    /// The server hung up after CONNECT, without a word.
    #[error(
        "{endpoint} closed the connection in answer to CONNECT: most likely no policy attached to the certificate \
         allows iot:Connect for client id '{client_id}' (where the policy wants the thing's name, give --client-id THING); \
         otherwise another client connects with the same id, or the certificate is not registered or INACTIVE"
    )]
    ClosedAfterConnect {
        /// The endpoint and its port.
        endpoint: String,
        /// The client id.
        client_id: String,
        /// How the connection ended.
        source: Cause,
    },
    /// The server answered CONNECT with a refusal.
    #[error("{endpoint} refused client id '{client_id}': {reason}{}; {}", said(.text), .reason.connect_hint())]
    ConnectRefused {
        /// The endpoint and its port.
        endpoint: String,
        /// The client id.
        client_id: String,
        /// The server's reason.
        reason: ReasonCode,
        /// The server's own words, where it gave any.
        text: Option<String>,
    },
    /// The server ended the connection, and said why.
    #[error("the server ended the connection of client id '{client_id}': {reason}{}{}",
        said(.text), .reason.disconnect_hint())]
    Disconnected {
        /// The client id.
        client_id: String,
        /// The server's reason.
        reason: ReasonCode,
        /// The server's own words, where it gave any.
        text: Option<String>,
    },
    /// The connection broke, or the server hung up without a reason.
    #[error("the connection was lost{}", unanswered_hint(.unanswered))]
    Lost {
        /// What the server had not yet answered: a refusal by the policy may show like this.
        unanswered: Option<String>,
        /// How it ended.
        source: Cause,
    },
    /// The server no longer answers.
    #[error("the server answered no keep-alive ping within {} s: the connection is taken for dead", .after.as_secs_f32())]
    KeepAlive {
        /// How long was waited.
        after: Duration,
    },
    /// The server sent something that is not MQTT 5, or not allowed there.
    #[error("the server broke the MQTT 5 protocol")]
    Protocol {
        /// What it did.
        source: Cause,
    },
    /// The server did not take the message.
    #[error("the server refused the message to '{topic}': {reason}{}{}", said(.text), .reason.publish_hint())]
    PublishRefused {
        /// The topic.
        topic: String,
        /// The server's reason.
        reason: ReasonCode,
        /// The server's own words, where it gave any.
        text: Option<String>,
    },
    /// The server did not take the subscription.
    #[error("the server refused the subscription to '{filter}': {reason}{}{}",
        said(.text), .reason.subscribe_hint())]
    SubscribeRefused {
        /// The filter.
        filter: String,
        /// The server's reason.
        reason: ReasonCode,
        /// The server's own words, where it gave any.
        text: Option<String>,
    },
    /// The server did not end the subscription.
    #[error("the server refused to end the subscription to '{filter}': {reason}")]
    UnsubscribeRefused {
        /// The filter.
        filter: String,
        /// The server's reason.
        reason: ReasonCode,
    },
    /// A message of QoS 0 while there is no connection: now or never, and it cannot be now.
    #[error(
        "the message to '{topic}' was not sent: there is no connection, and QoS 0 does not wait for one (see \
         OfflineQos0::Queue)"
    )]
    Offline {
        /// The topic.
        topic: String,
    },
    /// The outbox has no room, and the call was not to wait.
    #[error(
        "the message to '{topic}' was not accepted: the outbox is full, with {messages} messages ({bytes} bytes) that \
         the server has not acknowledged"
    )]
    OutboxFull {
        /// The topic.
        topic: String,
        /// How many messages are in the outbox.
        messages: usize,
        /// What they take in memory.
        bytes: usize,
    },
    /// The durable outbox's disk does not do its work.
    #[error("the durable outbox in {directory} cannot {doing}{}", disk_hint(.source))]
    OutboxStore {
        /// The store's directory.
        directory: String,
        /// What was tried.
        doing: &'static str,
        /// What the operating system says.
        source: Cause,
    },
    /// Another process has the durable outbox.
    #[error(
        "the durable outbox in {directory} is in use by {owner}: one program at a time has it; stop that one, or choose \
         another directory"
    )]
    OutboxInUse {
        /// The store's directory.
        directory: String,
        /// Who has it.
        owner: String,
    },
    /// The outbox had no room, and this message was the one that had to go.
    #[error("the message to '{topic}' was dropped: the outbox was full")]
    Dropped {
        /// The topic.
        topic: String,
    },
    /// The message's expiry interval was over before the server had acknowledged it.
    #[error("the message to '{topic}' was dropped: it expired {}", expired_when(*.sent))]
    Expired {
        /// The topic.
        topic: String,
        /// It was sent before, so it may have arrived.
        sent: bool,
    },
    /// The server did not answer in time.
    #[error(
        "{what} was not answered within {} s: AWS IoT Core withholds answers when it throttles (send less at a time); \
         otherwise the connection may be bad",
        .after.as_secs_f32()
    )]
    OperationTimeout {
        /// What was asked.
        what: String,
        /// How long was waited.
        after: Duration,
    },
    /// The server ended the connection each time it was asked this.
    #[error("{what} was given up: the connection ended {times} times without an answer to it{}", given_up_hint(.last))]
    Unanswerable {
        /// What was asked.
        what: String,
        /// How often it was asked.
        times: u32,
        /// How the last connection ended.
        #[source]
        last: Box<Error>,
    },
    /// The connection ended before the server had acknowledged everything.
    #[error("disconnected with {messages} messages that the server had not acknowledged within {} s", .after.as_secs_f32())]
    NotDrained {
        /// How many messages.
        messages: usize,
        /// How long was waited.
        after: Duration,
    },
    /// This client was disconnected by its own program, or all its clones were dropped.
    #[error("this client is disconnected: `disconnect()` was called, or all its clones were dropped")]
    Closed,
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
