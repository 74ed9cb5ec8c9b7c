//! Messages of the device: what its policy allows, and whether it is alone with its client id.

use std::time::{Duration, Instant};

use aws_iot_mqtt::{Builder, Client, DisconnectReason, Error, QoS, ReasonCode, Subscription};
use se050_device::Device;

use super::checklist::{Checklist, Problem};
use super::messages::{Text, device as words, text};
use crate::round_trip::{self, RETURN};

/// How long the connection is watched: another client with the same id comes back after a second or so.
const WATCHED: Duration = Duration::from_secs(3);
/// AWS IoT Core takes one CONNECT a second of a client id ("AWS IoT Core message broker and protocol limits and quotas").
const BETWEEN_CONNECTS: Duration = Duration::from_millis(1100);

/// The checks.
pub(super) const MESSAGES: [&str; 4] = ["subscribe", "publish", "receive", "client-id"];

/// A connection, made again where the server ended it over what was asked.
pub(super) struct Session {
    builder: Builder,
    client: Client,
}

impl Session {
    pub(super) fn new(builder: Builder, client: Client) -> Self {
        Self { builder, client }
    }

    async fn client(&mut self) -> Result<Client, Error> {
        if let Ok(Err(error)) = tokio::time::timeout(Duration::ZERO, self.client.closed()).await {
            // The other client would be put out of its connection again.
            if is_taken_over(&error) {
                return Err(error);
            }
            tokio::time::sleep(BETWEEN_CONNECTS).await;
            self.client = self.builder.clone().connect().await?;
        }
        Ok(self.client.clone())
    }
}

/// Subscribe, publish, receive on one topic of the device. Nothing of it stays at the broker: neither session nor message.
pub(super) async fn check(list: &mut Checklist<'_>, device: &Device, mut session: Session, topic: &str) {
    let [subscribe, publish, receive, client_id] = MESSAGES;
    let payload = round_trip::payload("doctor");
    let mut taken = None;
    let mut note = |error: &Error| {
        if is_taken_over(error) {
            taken = Some(error.clone());
        }
    };
    let started = Instant::now();
    let subscribed: Result<Subscription, Error> = match session.client().await {
        Ok(client) => client.subscribe(topic.to_owned(), QoS::AtLeastOnce).await,
        Err(error) => Err(error),
    };
    let result = subscribed.as_ref().map(|_| text!(words::ALLOWED, topic = topic)).map_err(|error| {
        note(error);
        refused(error, "iot:Subscribe", &format!("topicfilter/{topic}"))
    });
    list.add(subscribe, started.elapsed(), result);

    let started = Instant::now();
    let published = match session.client().await {
        Ok(client) => client.publish(topic.to_owned(), QoS::AtLeastOnce, payload.clone()).await,
        Err(error) => Err(error),
    };
    let result = published.as_ref().map(|()| text!(words::ALLOWED, topic = topic)).map_err(|error| {
        note(error);
        refused(error, "iot:Publish", &format!("topic/{topic}"))
    });
    list.add(publish, started.elapsed(), result);

    match (subscribed, published) {
        (Ok(mut messages), Ok(())) => {
            let started = Instant::now();
            let result = match round_trip::comes_back(&mut messages, &payload).await {
                Some(true) => Ok(text!(words::CAME_BACK)),
                Some(false) => Err(Problem::new(text!(words::SUBSCRIPTION_ENDED), text!(words::RUN_AGAIN))),
                None => Err(Problem::new(
                    text!(words::NOT_BACK, seconds = RETURN.as_secs()),
                    allow("iot:Receive", &format!("topic/{topic}")),
                )),
            };
            list.add(receive, started.elapsed(), result);
        }
        _ => list.skip(receive, text!(words::NOTHING_TO_RECEIVE)),
    }
    watch(list, client_id, device, &mut session, taken).await;
    // The checks are done; what the server says to the end changes nothing.
    let _ = session.client.disconnect(DisconnectReason::Normal).await;
}

/// Stays connected for a while: another client with the same id would come back, and be heard of.
async fn watch(
    list: &mut Checklist<'_>,
    name: &str,
    device: &Device,
    session: &mut Session,
    taken: Option<Error>,
) {
    let started = Instant::now();
    let id = device.client_id();
    let ended = match (taken, session.client().await) {
        (Some(error), _) | (None, Err(error)) => Some(error),
        (None, Ok(client)) => match tokio::time::timeout(WATCHED, client.closed()).await {
            Ok(closed) => closed.err(),
            Err(_) => None,
        },
    };
    let result = match ended {
        None => Ok(text!(words::ALONE, client_id = id, seconds = WATCHED.as_secs())),
        Some(error) if is_taken_over(&error) => Err(Problem::new(
            text!(words::TAKEN, client_id = id, error = error.report()),
            text!(words::STOP_TWIN),
        )),
        Some(error) => {
            Err(Problem::new(text!(words::NOT_LASTING, error = error.report()), text!(words::CHECK_LINE)))
        }
    };
    list.add(name, started.elapsed(), result);
}

fn is_taken_over(error: &Error) -> bool {
    matches!(error, Error::Disconnected { reason, .. } if *reason == ReasonCode::SESSION_TAKEN_OVER)
}

fn refused(error: &Error, action: &str, resource: &str) -> Problem {
    let next = match error {
        // The last three may be refusals: AWS IoT Core may end the connection over one.
        Error::SubscribeRefused { .. }
        | Error::PublishRefused { .. }
        | Error::Unanswerable { .. }
        | Error::Disconnected { .. }
        | Error::Lost { .. } => allow(action, resource),
        _ => text!(words::CHECK_LIMITS),
    };
    Problem::new(text!(words::REFUSED, error = error.report()), next)
}

fn allow(action: &str, resource: &str) -> Text {
    text!(words::ALLOW, action = action, resource = resource)
}
