//! The messages of one filter.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use crate::acknowledgement::GivenOnes;
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
    pub(crate) filter: Filter,
    pub(crate) qos: QoS,
    /// Bounded. While it is full, QoS 1 messages wait in the session and are not acknowledged: the server stops when
    /// as many are under way as this client said it takes. QoS 0 messages, which nobody can hold back, are dropped.
    /// Reading from the socket never stops for it: acknowledgements for this same program come over that socket.
    pub(crate) queue: mpsc::Receiver<Message>,
    /// Tells the session that the queue has room again, or is gone.
    pub(crate) given_ones: Arc<GivenOnes>,
}

/// What is asked for: a filter, and how its messages are delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "hand it to `Client::subscribe_with`"]
pub struct SubscribeOptions {
    pub(crate) filter: Filter,
    pub(crate) qos: QoS,
    pub(crate) manual: bool,
}

impl SubscribeOptions {
    /// The topics of a filter, each message acknowledged once it is in the subscription's queue.
    ///
    /// # Errors
    /// When the filter is none.
    pub fn new<F>(filter: F, qos: QoS) -> Result<Self, Error>
    where
        F: TryInto<Filter>,
        Error: From<F::Error>,
    {
        Ok(Self { filter: filter.try_into()?, qos, manual: false })
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
}

impl Subscription {
    /// The filter that was subscribed to.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The highest QoS that the server grants, which may be less than was asked for.
    pub fn qos(&self) -> QoS {
        self.qos
    }

    /// The next message, or `None` when the subscription is at its end.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let message = self.queue.poll_recv(context);
        // The session waits for room only after it has seen none at all, so the first free place is what it waits for.
        if matches!(message, Poll::Ready(Some(_))) && self.queue.capacity() <= 1 {
            self.given_ones.bell.notify_one();
        }
        message
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.get_mut().poll(context)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.queue.close();
        self.given_ones.bell.notify_one();
    }
}
