//! The application's end of a session.

use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;
use tokio::sync::{mpsc, oneshot, watch};

use crate::Payload;
use crate::connection::{CloseOnDrop, Shared, died};
use crate::message_queue::queue;
use crate::outbox::Entry;
use crate::session::{Command, Subscriber};
use crate::{
    Builder, Error, Events, Filter, Message, Messages, Publication, QoS, Receipt, Statistics,
    SubscribeOptions, Subscription, Topic,
};

/// How a session ended: `Ok` when it was asked to.
pub(crate) type Outcome = Result<(), Error>;

/// A client of AWS IoT Core. Cheap to clone; the clones share the connection, which ends in the ordinary way when the
/// last one is dropped. To wait for that, call [`disconnect`](Self::disconnect). Its futures run on any executor.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) ended: watch::Receiver<Option<Outcome>>,
    pub(crate) shared: Arc<Shared>,
    /// For SUBSCRIBE and UNSUBSCRIBE.
    pub(crate) operation_timeout: Duration,
    pub(crate) _alive: Arc<CloseOnDrop>,
}

/// What the server is told at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// All is well: the server throws the will away.
    #[default]
    Normal,
    /// The server shall publish the will.
    WithWill,
}

impl Client {
    /// Settings for a connection to `endpoint`, a host name, under `client_id`. `tls` has the device's certificate and key,
    /// and the roots that it trusts.
    pub fn builder(endpoint: &str, client_id: &str, tls: impl Into<Arc<ClientConfig>>) -> Builder {
        Builder::new(endpoint, client_id, tls.into())
    }

    /// Publishes a message, and returns when its [`Receipt`] would be given: at QoS 1 when the server has acknowledged it,
    /// be it over a later connection. Dropping the future gives up the wait, not a message that the outbox has accepted.
    ///
    /// # Errors
    /// When a limit is exceeded (nothing is sent), when the outbox does not accept it, when the server refuses it, or
    /// when the client ends first: whether the message arrived is then not known.
    pub async fn publish(
        &self,
        topic: impl TryInto<Topic, Error: Into<Error>>,
        qos: QoS,
        payload: impl Into<Payload>,
    ) -> Result<(), Error> {
        self.publish_with(Publication::new(topic, qos, payload)?).await
    }

    /// Publishes a message with all that MQTT 5 lets it carry.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish).
    pub async fn publish_with(&self, publication: Publication) -> Result<(), Error> {
        let (entry, receipt) = self.entry(publication)?;
        self.shared.outbox.put(entry).await?;
        receipt.await
    }

    /// Puts a message into the outbox without waiting, from any thread, and returns the receipt to await, or not, later.
    ///
    /// ```no_run
    /// # use aws_iot_mqtt::{Client, Error, Publication, QoS};
    /// # async fn readings(client: &Client) -> Result<(), Error> {
    /// let reading = Publication::new("device-1/readings", QoS::AtLeastOnce, "21.5")?;
    /// let receipt = client.try_publish(reading)?;
    /// // This waits for the acknowledgement.
    /// receipt.await
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a limit is exceeded, or when the outbox does not accept the message.
    pub fn try_publish(&self, publication: Publication) -> Result<Receipt, Error> {
        let (entry, receipt) = self.entry(publication)?;
        self.shared.outbox.try_put(entry)?;
        Ok(receipt)
    }

    /// Publishes a request at QoS 1, and returns the first message under one of the `responses` filters, as for device
    /// shadows and jobs (`.../get` with `.../get/accepted` and `.../get/rejected`). It subscribes to them before, and
    /// ends these subscriptions again.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use aws_iot_mqtt::{Client, Error};
    /// # async fn shadow(client: &Client) -> Result<(), Error> {
    /// let topic = "$aws/things/device-1/shadow/get";
    /// let responses = [format!("{topic}/accepted"), format!("{topic}/rejected")];
    /// let answer = client.request(topic, "", responses, Duration::from_secs(10)).await?;
    /// println!("{}: {:?}", answer.topic, answer.payload);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::OperationTimeout`] when no answer came in time; otherwise as for [`subscribe`](Self::subscribe) and
    /// [`publish`](Self::publish).
    pub async fn request(
        &self,
        topic: impl TryInto<Topic, Error: Into<Error>>,
        payload: impl Into<Payload>,
        responses: impl IntoIterator<Item: TryInto<Filter, Error: Into<Error>>>,
        timeout: Duration,
    ) -> Result<Message, Error> {
        let request = Publication::new(topic, QoS::AtLeastOnce, payload)?;
        let what = format!("the request to '{}'", request.topic);
        let options: Vec<_> = responses
            .into_iter()
            .map(|filter| SubscribeOptions::new(filter, QoS::AtLeastOnce))
            .collect::<Result<_, _>>()?;
        let answered = async {
            let mut streams = self.subscribe_all(options).await?;
            self.publish_with(request).await?;
            let first = poll_fn(|context| {
                let polled = streams.iter_mut().map(|stream| stream.messages.poll(context));
                polled
                    .reduce(|one, other| if one.is_ready() { one } else { other })
                    .unwrap_or(Poll::Ready(None))
            });
            match first.await {
                Some(message) => Ok(message),
                None => self.ended().await,
            }
        };
        self.within(timeout, what, answered).await
    }

    /// Subscribes to a filter, and returns when the server has agreed. With `$share/NAME/FILTER`, the clients that subscribe
    /// under that name share the messages.
    ///
    /// With AWS IoT Core, the policy has to allow two actions: `iot:Subscribe` on the filter, without which the server
    /// refuses, and `iot:Receive` on the topics, without which it agrees and then stays silent.
    ///
    /// # Errors
    /// When a limit is exceeded (nothing is sent), when the server refuses, when it has not agreed within
    /// [`Builder::operation_timeout`], connected or not, or when the client ends first.
    pub async fn subscribe(
        &self,
        filter: impl TryInto<Filter, Error: Into<Error>>,
        qos: QoS,
    ) -> Result<Subscription, Error> {
        self.subscribe_with(SubscribeOptions::new(filter, qos)?).await
    }

    /// Subscribes with all options.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    pub async fn subscribe_with(&self, options: SubscribeOptions) -> Result<Subscription, Error> {
        self.subscribe_all([options]).await?.pop().ok_or(Error::Closed)
    }

    /// Makes several subscriptions with as few packets as the server's limits allow. All or none: where one is refused,
    /// the others are ended again.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    pub async fn subscribe_all(
        &self,
        options: impl IntoIterator<Item = SubscribeOptions>,
    ) -> Result<Vec<Subscription>, Error> {
        let (mut requests, mut pending, mut filters) = (Vec::new(), Vec::new(), Vec::new());
        for options in options {
            self.shared.limits.check_filter(&options.filter)?;
            let (answer, answered) = oneshot::channel();
            let waker = Arc::clone(&self.shared.waker);
            let (writer, reader) = queue(waker, options.capacity, options.when_unread);
            filters.push(format!("'{}'", options.filter));
            pending.push((reader, answered));
            requests.push(Subscriber::new(options, writer, Some(answer)));
        }
        self.shared.limits.check_subscriptions(requests.len())?;
        let answered = async {
            self.command(Command::Subscribe(requests)).await?;
            let mut subscriptions = Vec::with_capacity(pending.len());
            for (messages, answered) in pending {
                subscriptions.push(Subscription { qos: self.answer(answered).await?, messages });
            }
            Ok(subscriptions)
        };
        let what = format!("the subscription to {}", filters.join(", "));
        self.within(self.operation_timeout, what, answered).await
    }

    /// The messages of the filters that were given to [`Builder::subscribe`], and those that belong to no subscription:
    /// AWS IoT Core's direct messages, or what the session of an earlier process still brings. While nobody reads it, the
    /// latter are refused (PUBACK 0x83) and counted ([`Statistics::unwanted`]). `None` when it was taken before.
    pub fn messages(&self) -> Option<Messages> {
        let messages = self.shared.messages.lock().unwrap_or_else(PoisonError::into_inner).take();
        messages.inspect(Messages::attach)
    }

    /// Ends the subscriptions to a filter, and returns when the server has confirmed it.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    pub async fn unsubscribe(&self, filter: impl TryInto<Filter, Error: Into<Error>>) -> Result<(), Error> {
        let filter = filter.try_into().map_err(Into::into)?;
        let what = format!("the end of the subscription to '{filter}'");
        let (answer, answered) = oneshot::channel();
        let answered = async {
            self.command(Command::Unsubscribe(filter, answer)).await?;
            self.answer(answered).await
        };
        self.within(self.operation_timeout, what, answered).await
    }

    /// What happens to the connection from now on. The first event is the state that holds now, the last one says how it
    /// ended.
    pub fn events(&self) -> Events {
        self.shared.hub.listen()
    }

    /// What this client has done so far.
    pub fn statistics(&self) -> Statistics {
        let outbox = &self.shared.outbox;
        let (outbox_messages, outbox_bytes) = outbox.depth();
        let outbox_oldest = outbox.oldest_age(SystemTime::now());
        let counted = self.shared.counters.lock().clone();
        Statistics { outbox_messages, outbox_bytes, outbox_oldest, ..counted }
    }

    /// Ends the connection for all clones: what was accepted is sent, acknowledgements are waited for as long as
    /// [`Builder::drain_timeout`] says, the server is told the reason (of several calls, the first one's), TLS is closed.
    /// When it returns, the session holds the TLS configuration, and with it the key, no longer.
    ///
    /// # Errors
    /// [`Error::NotDrained`] when acknowledgements are missing, or the reason why the client had ended before.
    pub async fn disconnect(&self, reason: DisconnectReason) -> Result<(), Error> {
        self.shared.close(reason);
        self.closed().await
    }

    /// Waits until the client is at its end, and says why. One that was asked to end gives `Ok`.
    ///
    /// # Errors
    /// The reason why the client ended.
    pub async fn closed(&self) -> Result<(), Error> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            Err(_) => Err(died()),
        }
    }

    fn entry(&self, publication: Publication) -> Result<(Entry, Receipt), Error> {
        self.shared.limits.check_publication(&publication)?;
        let (entry, answered) = Entry::new(publication, SystemTime::now());
        Ok((entry, Receipt { answered }))
    }

    async fn command(&self, command: Command) -> Result<(), Error> {
        if self.commands.send(command).await.is_ok() {
            self.shared.waker.notify_one();
            return Ok(());
        }
        self.ended().await
    }

    /// Waits for `answered`, on any executor: the session has the timer.
    async fn within<T>(
        &self,
        timeout: Duration,
        what: String,
        answered: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let (timer, timed_out) = oneshot::channel();
        self.command(Command::Timer(timeout, timer)).await?;
        tokio::select! {
            biased;
            answer = answered => answer,
            fired = self.answer(timed_out) => fired.and(Err(Error::OperationTimeout { what, after: timeout })),
        }
    }

    async fn answer<T>(&self, answered: oneshot::Receiver<Result<T, Error>>) -> Result<T, Error> {
        match answered.await {
            Ok(answer) => answer,
            Err(_) => self.ended().await,
        }
    }

    /// No answer: the session is at its end, and its end has a reason.
    async fn ended<T>(&self) -> Result<T, Error> {
        self.closed().await?;
        Err(Error::Closed)
    }
}
