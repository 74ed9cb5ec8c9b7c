//! What a connection is made from.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::connection::{start, with_alpn};
use crate::proxy::host_and_port;
use crate::reconnect::Classify;
use crate::session::ConnectOptions;
use crate::{Client, Error, Limits, OutboxOptions, Proxy, Reconnect, SubscribeOptions, Verdict, Will};

/// MQTT with a client certificate (AWS IoT Core developer guide, "Device communication protocols").
const MQTT_PORT: u16 = 8883;
/// Short enough for the address translation of mobile networks, which forgets silent connections after minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Long enough for a chip that takes some seconds to sign, over a slow line.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Long enough for a front end that restarts, short enough for whoever waits for the program to say what is wrong.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
/// What AWS's own device SDK waits for an acknowledgement (aws-c-mqtt,
/// `AWS_MQTT5_CLIENT_DEFAULT_OPERATION_TIMEOUT_SECONDS`).
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);
/// A round trip of a slow line, some times over; short enough for whoever waits for the program's end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of a [`Client`] that is not connected yet.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `connect`"]
pub struct Builder {
    pub(crate) endpoint: String,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) port: u16,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) connect: ConnectOptions,
    pub(crate) connect_timeout: Duration,
    pub(crate) connect_deadline: Duration,
    pub(crate) operation_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) subscriptions: Vec<SubscribeOptions>,
    pub(crate) limits: Arc<Limits>,
    paced: bool,
    pub(crate) outbox: OutboxOptions,
    #[cfg(feature = "durable")]
    pub(crate) durable: Option<crate::durable::DurableOptions>,
    pub(crate) reconnect: Reconnect,
    pub(crate) classify_signer_error: Classify,
}

impl Builder {
    pub(crate) fn new(endpoint: &str, client_id: &str, tls: Arc<ClientConfig>) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            tls,
            port: MQTT_PORT,
            proxy: None,
            connect: ConnectOptions::new(client_id, KEEP_ALIVE),
            connect_timeout: CONNECT_TIMEOUT,
            connect_deadline: CONNECT_DEADLINE,
            operation_timeout: OPERATION_TIMEOUT,
            drain_timeout: DRAIN_TIMEOUT,
            subscriptions: Vec::new(),
            limits: Arc::new(Limits::aws_iot_core()),
            paced: true,
            outbox: OutboxOptions::new(),
            #[cfg(feature = "durable")]
            durable: None,
            reconnect: Reconnect::new(),
            // This crate does not know the chip.
            classify_signer_error: |_| Verdict::Transient,
        }
    }

    /// The server's port: 8883 unless said otherwise. On 443, AWS IoT Core is told by ALPN that MQTT is meant
    /// (`x-amzn-mqtt-ca`), unless the TLS configuration names protocols of its own.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Connects through an HTTP proxy, for example [`Proxy::from_environment`]. Many of them open tunnels to port 443
    /// only.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// How long the connection may be silent before the server is asked whether it is still there: 60 s unless said
    /// otherwise, in whole seconds.
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.connect.keep_alive = interval;
        self
    }

    /// How long one attempt to connect may take, from the name's resolution to the end of the TLS handshake: 30 s unless
    /// said otherwise. CONNACK may take another 10 s. It holds even while the key does not answer; the signature's thread
    /// then ends when the key lets it go.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Until when [`connect`](Self::connect) begins further attempts, where the ones before failed for reasons that may
    /// pass: 15 s unless said otherwise.
    pub fn connect_deadline(mut self, deadline: Duration) -> Self {
        self.connect_deadline = deadline;
        self
    }

    /// How long the server may take to answer: 60 s unless said otherwise. A PUBLISH without an answer ends the connection,
    /// and is sent again on the next one. A SUBSCRIBE or UNSUBSCRIBE is sent once more after 10 s, and then fails; the time
    /// counts from the call, also while there is no connection.
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = timeout;
        self
    }

    /// How long the end may wait for acknowledgements, after [`Client::disconnect`] and after the last client is dropped:
    /// 10 s unless said otherwise.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Subscribes to a filter, from the first connection on; its messages come with [`Client::messages`]. A session
    /// that the server has kept for an earlier process is expected to have the subscription: then nothing is sent for
    /// it. A refusal is told by [`Event::SubscriptionLost`](crate::Event::SubscriptionLost).
    ///
    /// [`connect`](Self::connect) does not wait for the server's answer to it: where a message may come at once, as the answer
    /// to a request does, use [`Client::subscribe`], which does.
    pub fn subscribe(mut self, options: SubscribeOptions) -> Self {
        self.subscriptions.push(options);
        self
    }

    /// The server keeps the session, with its subscriptions and the messages for them, for so long after a connection
    /// (AWS IoT Core: at most 7 days), also for another process with the same client id. Without it, the server
    /// forgets the session with the connection.
    pub fn persistent_session(mut self, expiry: Duration) -> Self {
        self.connect.session_expiry = expiry;
        self
    }

    /// Whether the first connection throws away what the server has kept: yes, unless the session is persistent.
    pub fn clean_start(mut self, clean_start: bool) -> Self {
        self.connect.clean_start = Some(clean_start);
        self
    }

    /// The message that the server publishes when the connection ends without a DISCONNECT.
    pub fn will(mut self, will: Will) -> Self {
        self.connect.will = Some(will);
        self
    }

    /// What the server takes: [`Limits::aws_iot_core`] unless said otherwise.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// Whether messages are held back so as to keep to the server's rates, beyond which AWS IoT Core throttles or
    /// disconnects: yes, unless switched off here.
    pub fn pacing(mut self, paced: bool) -> Self {
        self.paced = paced;
        self
    }

    /// How much may wait for the server, and what happens when it is more: [`OutboxOptions::new`] unless said otherwise.
    pub fn outbox(mut self, outbox: OutboxOptions) -> Self {
        self.outbox = outbox;
        self
    }

    /// Keeps messages of QoS 1 on a disk until the server has acknowledged them, so that they survive a restart and a
    /// power failure. A message's receipt then means that it is on stable storage, not that the server has it; what the
    /// server refuses is told by [`Event::PublishRefused`](crate::Event::PublishRefused), and set aside in the store.
    #[cfg(feature = "durable")]
    pub fn durable(mut self, durable: crate::durable::DurableOptions) -> Self {
        self.durable = Some(durable);
        self
    }

    /// When to connect again: [`Reconnect::new`] unless said otherwise.
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Which errors of the signer may pass, and which stay: this crate does not know the chip. The function gets the
    /// signer's own error, ready for a downcast (`error.downcast_ref::<KeyError>()`). Without it, all of them may pass.
    pub fn classify_signer_errors(mut self, classify: fn(&(dyn StdError + 'static)) -> Verdict) -> Self {
        self.classify_signer_error = classify;
        self
    }

    /// Connects, on a thread that then belongs to the session. The first connection has to stand, or it fails, and holds
    /// the key no longer; later ones are made again as [`reconnect`](Self::reconnect) says.
    ///
    /// # Errors
    /// As for [`start`](Self::start), and in each of the ways in which a connection may fail: see [`Error`].
    pub async fn connect(self) -> Result<Client, Error> {
        let (client, connected) = start(self.checked()?, true)?;
        match connected.await {
            Ok(()) => Ok(client),
            Err(_) => Err(client.closed().await.err().unwrap_or(Error::Closed)),
        }
    }

    /// Returns a client at once, which connects on its own thread and tries again as [`reconnect`](Self::reconnect)
    /// says; messages wait in the outbox meanwhile. [`Client::events`] tells how it goes.
    ///
    /// # Errors
    /// When a limit is exceeded, when the durable outbox cannot be opened, and when there is no thread to be had.
    pub fn start(self) -> Result<Client, Error> {
        start(self.checked()?, false).map(|(client, _)| client)
    }

    /// Fails here, and not while it connects, where a setting cannot work.
    fn checked(mut self) -> Result<Self, Error> {
        if !self.paced {
            let limits = Arc::make_mut(&mut self.limits);
            (limits.publishes_per_second, limits.bytes_per_second) = (None, None);
        }
        let Self { limits, connect, .. } = &self;
        self.subscriptions.iter().try_for_each(|one| limits.check_filter(&one.filter))?;
        limits.check_subscriptions(self.subscriptions.len())?;
        limits.check_client_id(&connect.client_id)?;
        limits.check_keep_alive(connect.keep_alive)?;
        limits.check_session_expiry(connect.session_expiry)?;
        connect.will.iter().try_for_each(|will| limits.check_publication(&will.publication))?;
        self.server_name()?;
        self.tls = with_alpn(self.tls, self.port);
        Ok(self)
    }

    /// The server, as errors name it.
    pub(crate) fn server(&self) -> String {
        host_and_port(&self.endpoint, self.port)
    }

    /// Also what the server is told by SNI: AWS IoT Core finds the account by it.
    pub(crate) fn server_name(&self) -> Result<ServerName<'static>, Error> {
        let endpoint = self.endpoint.clone();
        ServerName::try_from(endpoint.clone()).map_err(|_| Error::InvalidEndpoint { endpoint })
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::v5::{Connect, LastWill, Packet};

    use super::*;
    use crate::{Publication, QoS};

    fn builder() -> Builder {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(crate::roots::amazon()).with_no_client_auth();
        Client::builder("localhost", "device-1", tls)
    }

    /// The first CONNECT.
    fn connect(builder: Builder) -> (Connect, Option<LastWill>) {
        let Packet::Connect(connect, will, _) = builder.connect.packet(&builder.limits, true) else {
            panic!()
        };
        (connect, will)
    }

    #[test]
    fn the_order_of_the_settings_does_not_matter() {
        let hour = Duration::from_secs(3600);
        for builder in [
            builder().pacing(false).limits(Limits::aws_iot_core()).clean_start(true).persistent_session(hour),
            builder().persistent_session(hour).clean_start(true).limits(Limits::aws_iot_core()).pacing(false),
        ] {
            let checked = builder.checked().unwrap();
            assert_eq!(checked.limits.publishes_per_second, None);
            let (connect, _) = connect(checked);
            assert!(connect.clean_start);
            assert_eq!(connect.properties.unwrap().session_expiry_interval, Some(3600));
        }
        assert!(!connect(builder().persistent_session(hour)).0.clean_start);
        assert!(connect(builder()).0.clean_start);
    }

    #[test]
    fn a_will_without_delay_is_sent_without_delay() {
        let will = || Will::new(Publication::new("gone", QoS::AtLeastOnce, "x").unwrap());
        for (will, expected) in [
            (will(), None),
            (will().delay(Duration::ZERO), Some(0)),
            (will().delay(Duration::from_secs(5)), Some(5)),
        ] {
            let (_, sent) = connect(builder().will(will));
            assert_eq!(sent.unwrap().properties.unwrap().delay_interval, expected);
        }
    }

    #[test]
    fn too_many_subscriptions_and_too_deep_filters_are_refused_before_anything_is_sent() {
        let options = |filter: String| SubscribeOptions::new(filter, QoS::AtLeastOnce).unwrap();
        let many = (0..51).fold(builder(), |builder, n| builder.subscribe(options(format!("t/{n}"))));
        for builder in [many, builder().subscribe(options("1/2/3/4/5/6/7/8/9".to_owned()))] {
            assert!(matches!(builder.checked(), Err(Error::Limit { .. })));
        }
    }
}
