//! A request over MQTT, and its answer.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_iot_mqtt::{Client, Event, Message, QoS, SubscribeOptions, Subscription, WhenUnread};
use futures_core::Stream as _;
use serde_json::{Map, Value};

use crate::Error;
use crate::error::Cause;

/// How long an answer is waited for unless said otherwise: a reconnect of a mobile line fits in.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How many answers may wait unread. Others' requests are answered on the same topics while nobody reads here: the oldest are
/// dropped, so that they hold up no other subscription.
pub(crate) const UNREAD: usize = 16;

/// Sends requests, and finds their answers among those of others.
#[derive(Debug)]
pub(crate) struct Exchange {
    client: Client,
    filters: Vec<String>,
    timeout: Duration,
    /// `None`: not subscribed yet, or the server has ended a subscription.
    answers: Option<Vec<Subscription>>,
    /// How many answers to requests without a client token may still come, by the topic of the request.
    late: BTreeMap<String, usize>,
}

pub(crate) struct Request {
    /// What is to be done, for the errors.
    pub(crate) action: String,
    pub(crate) topic: String,
    pub(crate) accepted: String,
    pub(crate) rejected: String,
    pub(crate) payload: Map<String, Value>,
    /// Whether the answer repeats a client token; else the first answer on these topics is taken.
    pub(crate) has_token: bool,
    /// Whether to send it again when its answer may have been lost with the connection. Only for requests that change nothing
    /// the second time.
    pub(crate) repeat: bool,
}

pub(crate) enum Answer {
    Accepted(Value),
    Rejected(Value),
}

impl Request {
    /// A request with a client token that may be repeated, answered below its own topic.
    pub(crate) fn new(action: String, topic: String, payload: Map<String, Value>) -> Self {
        let (accepted, rejected) = (format!("{topic}/accepted"), format!("{topic}/rejected"));
        Self { action, topic, accepted, rejected, payload, has_token: true, repeat: true }
    }
}

impl Exchange {
    /// The answers come under these filters, which are subscribed to with the first request.
    pub(crate) fn new(client: &Client, filters: impl IntoIterator<Item = String>) -> Self {
        Self {
            client: client.clone(),
            filters: filters.into_iter().collect(),
            timeout: TIMEOUT,
            answers: None,
            late: BTreeMap::new(),
        }
    }

    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Drops what has come without having been asked for. Where the server has ended a subscription, the next request subscribes
    /// again.
    pub(crate) async fn discard(&mut self) {
        if let Some(answers) = &mut self.answers
            && !discard(answers).await
        {
            self.answers = None;
        }
    }

    /// How many answers to earlier requests on that topic, without a client token, may still come: requests that were not answered
    /// in time, or were sent twice. Such an answer cannot be told from that to the next request.
    pub(crate) fn late_answers(&self, topic: &str) -> usize {
        self.late.get(topic).copied().unwrap_or_default()
    }

    /// The answer to a request of an earlier process on that topic may still come.
    pub(crate) fn expect_late_answer(&mut self, topic: &str) {
        *self.late.entry(topic.to_owned()).or_default() += 1;
    }

    /// There are no further requests on that topic.
    pub(crate) fn forget_late_answers(&mut self, topic: &str) {
        self.late.remove(topic);
    }

    /// Sends a request, and returns its answer.
    pub(crate) async fn ask(&mut self, request: Request) -> Result<Answer, Error> {
        let (mut offline, mut unmatched) = (None, None);
        let (action, after) = (request.action.clone(), self.timeout);
        let answer = self.answer(request, &mut offline, &mut unmatched);
        match tokio::time::timeout(after, answer).await {
            Ok(answer) => answer,
            Err(_) => unmatched.unwrap_or(Err(Error::NoAnswer { action, after, offline })),
        }
    }

    /// `offline` is why there is no connection. `unmatched` is an answer that does not say whose it is: it counts when no other
    /// comes.
    async fn answer(
        &mut self,
        mut request: Request,
        offline: &mut Option<Box<aws_iot_mqtt::Error>>,
        unmatched: &mut Option<Result<Answer, Error>>,
    ) -> Result<Answer, Error> {
        let action = request.action.clone();
        let failed = |source| Error::mqtt(action.as_str(), source);
        let token = client_token();
        if request.has_token {
            request.payload.insert("clientToken".to_owned(), token.as_str().into());
        }
        let payload = Value::Object(std::mem::take(&mut request.payload)).to_string();
        let client = self.client.clone();
        let mut events = client.events();
        let send = |late: &mut BTreeMap<String, usize>| {
            if !request.has_token {
                *late.entry(request.topic.clone()).or_default() += 1;
            }
            Some(Box::pin(client.publish(request.topic.as_str(), QoS::AtLeastOnce, payload.as_str())))
        };
        let mut sending = None;
        self.discard().await;
        let mut subscribing = match self.answers {
            Some(_) => {
                sending = send(&mut self.late);
                None
            }
            None => Some(Box::pin(subscribe(&client, &self.filters))),
        };
        loop {
            tokio::select! {
                biased;
                event = events.next() => match event {
                    Some(Event::Connected { .. }) => *offline = None,
                    Some(Event::Disconnected { error, .. } | Event::ConnectFailed { error, .. }) => *offline = Some(Box::new(error)),
                    // The answer may have been lost with the connection.
                    Some(Event::Resumed) if request.repeat && subscribing.is_none() && sending.is_none() => sending = send(&mut self.late),
                    Some(Event::SubscriptionLost { filter, error }) if self.filters.contains(&filter) => {
                        self.answers = None;
                        return Err(failed(error));
                    }
                    Some(_) => {}
                    None => {
                        let source = client.closed().await.err().unwrap_or(aws_iot_mqtt::Error::Closed);
                        return Err(failed(source));
                    }
                },
                subscribed = pending(&mut subscribing), if subscribing.is_some() => {
                    subscribing = None;
                    self.answers = Some(subscribed.map_err(failed)?);
                    sending = send(&mut self.late);
                }
                sent = pending(&mut sending), if sending.is_some() => {
                    sending = None;
                    sent.map_err(failed)?;
                }
                message = next(&mut self.answers) => match message.map(|message| request.read(message.topic.as_str(), &message.payload, &token)) {
                    Some(Reading::Answer(answer)) => {
                        let left = self.late_answers(&request.topic).saturating_sub(1);
                        match left {
                            0 => drop(self.late.remove(&request.topic)),
                            _ => drop(self.late.insert(request.topic.clone(), left)),
                        }
                        return answer;
                    }
                    Some(Reading::Unmatched(answer)) => *unmatched = Some(answer),
                    Some(Reading::OfAnother) => {}
                    // An event will say why.
                    None => self.answers = None,
                },
            }
        }
    }
}

enum Reading {
    Answer(Result<Answer, Error>),
    Unmatched(Result<Answer, Error>),
    OfAnother,
}

impl Request {
    fn read(&self, topic: &str, payload: &[u8], token: &str) -> Reading {
        let is_rejected = topic == self.rejected;
        if topic != self.accepted && !is_rejected {
            return Reading::OfAnother;
        }
        let value: Value = match serde_json::from_slice(payload) {
            Ok(value) => value,
            Err(error) => {
                let error = Err(Error::Answer { action: self.action.clone(), source: Cause::new(error) });
                return if self.has_token { Reading::Unmatched(error) } else { Reading::Answer(error) };
            }
        };
        let theirs = value.get("clientToken").and_then(Value::as_str).map(ToOwned::to_owned);
        let answer = Ok(if is_rejected { Answer::Rejected(value) } else { Answer::Accepted(value) });
        match theirs {
            _ if !self.has_token => Reading::Answer(answer),
            Some(theirs) if theirs == token => Reading::Answer(answer),
            // AWS repeats no token where it could not read the request, or throttled it.
            None if is_rejected => Reading::Unmatched(answer),
            _ => Reading::OfAnother,
        }
    }
}

/// The answer with that payload, if it is one: accepted and rejected, with a client token and without.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(payload: &[u8]) -> impl Iterator<Item = Answer> {
    let read = |has_token, outcome| {
        let request = Request { has_token, ..Request::new("ask".to_owned(), "t".to_owned(), Map::new()) };
        match request.read(&format!("t/{outcome}"), payload, "token") {
            Reading::Answer(answer) | Reading::Unmatched(answer) => answer.ok(),
            Reading::OfAnother => None,
        }
    };
    [true, false].into_iter().flat_map(move |has_token| {
        ["accepted", "rejected"].into_iter().filter_map(move |outcome| read(has_token, outcome))
    })
}

async fn subscribe(client: &Client, filters: &[String]) -> Result<Vec<Subscription>, aws_iot_mqtt::Error> {
    let options = filters.iter().map(|filter| {
        SubscribeOptions::new(filter.as_str(), QoS::AtLeastOnce)
            .map(|options| options.queue(UNREAD, WhenUnread::DropOldest))
    });
    let mut answers = client.subscribe_all(options.collect::<Result<Vec<_>, _>>()?).await?;
    // A session may have kept answers to an earlier process.
    discard(&mut answers).await;
    Ok(answers)
}

/// The future's output; nothing while there is none.
async fn pending<F: Future + ?Sized>(future: &mut Option<Pin<Box<F>>>) -> F::Output {
    poll_fn(|context| future.as_mut().map_or(Poll::Pending, |future| future.as_mut().poll(context))).await
}

/// The next message of any of the subscriptions, or `None` when one of them is at its end.
async fn next(subscriptions: &mut Option<Vec<Subscription>>) -> Option<Message> {
    let poll = |subscription: &mut Subscription, context: &mut Context<'_>| {
        Pin::new(subscription).poll_next(context)
    };
    poll_fn(|context| {
        let all = subscriptions.iter_mut().flatten();
        let mut polled = all.map(|subscription| poll(subscription, context));
        polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

/// Drops the messages that wait: answers that came before the request are to earlier ones. Returns whether all the subscriptions
/// still stand.
pub(crate) async fn discard(subscriptions: &mut [Subscription]) -> bool {
    poll_fn(|context| {
        let mut all_stand = true;
        for subscription in subscriptions.iter_mut() {
            all_stand &= loop {
                match Pin::new(&mut *subscription).poll_next(context) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => break false,
                    Poll::Pending => break true,
                }
            };
        }
        Poll::Ready(all_stand)
    })
    .await
}

/// What tells this request's answer from others': AWS takes 64 bytes.
fn client_token() -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}-{}", *PROCESS, NEXT.fetch_add(1, Ordering::Relaxed))
}
