//! The messages of one filter.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::message_queue::{CAPACITY, Messages, WhenUnread};
use crate::{Error, Filter, Message, QoS};

/// The messages of one filter, in the order in which they arrive. Also a [`Stream`].
///
/// It outlives connections: after a reconnect, the client subscribes again where the server has forgotten. It ends when
/// the client does ([`Client::closed`](crate::Client::closed) says why), when it is unsubscribed, or when the server
/// refuses it after a reconnect ([`Event::SubscriptionLost`](crate::Event)). Dropping it unsubscribes.
///
/// Where two filters of a client overlap, both subscriptions get the message, each as often as the server sends it.
#[derive(Debug)]
pub struct Subscription {
    pub(crate) qos: QoS,
    pub(crate) messages: Messages,
}

/// What is asked for: a filter, and how its messages are delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "hand it to `Client::subscribe_with`"]
pub struct SubscribeOptions {
    pub(crate) filter: Filter,
    pub(crate) qos: QoS,
    pub(crate) manual: bool,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) retain_handling: RetainHandling,
    pub(crate) capacity: usize,
    pub(crate) when_unread: WhenUnread,
}

/// Whether the server sends the messages that it has retained (MQTT 5, section 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RetainHandling {
    /// At each subscribing, also after a reconnect where the server has forgotten the subscription.
    Send,
    /// Only if the server does not have the subscription yet.
    SendIfNew,
    /// Never.
    DoNotSend,
}

impl SubscribeOptions {
    /// The topics of a filter, each message acknowledged once it is in the subscription's queue.
    ///
    /// # Errors
    /// When the text is not a filter.
    pub fn new(filter: impl TryInto<Filter, Error: Into<Error>>, qos: QoS) -> Result<Self, Error> {
        Ok(Self {
            filter: filter.try_into().map_err(Into::into)?,
            qos,
            manual: false,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
            capacity: CAPACITY,
            when_unread: WhenUnread::Wait,
        })
    }

    /// The application acknowledges each QoS 1 message itself ([`Message::acknowledge`]), once it has it safe.
    ///
    /// ```no_run
    /// # use aws_iot_mqtt::{Client, Error, QoS, SubscribeOptions};
    /// # async fn store(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let options = SubscribeOptions::new("device-1/orders", QoS::AtLeastOnce)?.manual_acknowledgement();
    /// let mut orders = client.subscribe_with(options).await?;
    /// while let Some(order) = orders.next().await {
    ///     std::fs::write("order", &order.payload)?;
    ///     order.acknowledge();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn manual_acknowledgement(mut self) -> Self {
        self.manual = true;
        self
    }

    /// The server does not send what this client publishes itself.
    pub fn no_local(mut self) -> Self {
        self.no_local = true;
        self
    }

    /// Messages keep the retain flag with which they were published.
    pub fn retain_as_published(mut self) -> Self {
        self.retain_as_published = true;
        self
    }

    /// Whether the server sends the messages that it has retained: [`RetainHandling::Send`] unless said otherwise.
    pub fn retain_handling(mut self, handling: RetainHandling) -> Self {
        self.retain_handling = handling;
        self
    }

    /// How many messages may wait to be read, 64 unless said otherwise, and what happens when there are more:
    /// [`WhenUnread::Wait`] unless said otherwise.
    pub fn queue(mut self, capacity: usize, when_unread: WhenUnread) -> Self {
        (self.capacity, self.when_unread) = (capacity, when_unread);
        self
    }
}

impl Subscription {
    /// The highest QoS that the server grants, which may be less than was asked for.
    pub fn qos(&self) -> QoS {
        self.qos
    }

    /// The next message, or `None` when the subscription is at its end.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.next().await
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.messages.poll(context)
    }
}
