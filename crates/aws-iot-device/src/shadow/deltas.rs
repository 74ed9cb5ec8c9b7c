//! What is desired and not reported, as AWS IoT publishes it.

use aws_iot_mqtt::{Client, QoS, SubscribeOptions, Subscription, WhenUnread};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;
use crate::error::Cause;
use crate::exchange::UNREAD;

/// The members of the desired state that the reported one does not have, or has with another value.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
#[non_exhaustive]
pub struct Delta<T = Value> {
    /// These members.
    pub state: T,
    /// When each was last desired, in seconds since 1970.
    #[serde(default)]
    pub metadata: Value,
    /// The shadow's version. Messages may come out of order: a smaller version than before is outdated.
    pub version: u64,
}

/// The deltas of one shadow, as they come: doubled ones and outdated ones included.
#[derive(Debug)]
pub struct Deltas {
    subscription: Subscription,
    what: String,
}

impl Deltas {
    pub(super) async fn subscribe(client: &Client, base: &str, what: &str) -> Result<Self, Error> {
        let failed = |source| Error::mqtt(format!("follow {what}"), source);
        // Each delta has all differences, so the newest are enough for a slow reader.
        let options = SubscribeOptions::new(format!("{base}/update/delta"), QoS::AtLeastOnce)
            .map_err(failed)?
            .queue(UNREAD, WhenUnread::DropOldest);
        let subscription = client.subscribe_with(options).await.map_err(failed)?;
        Ok(Self { subscription, what: what.to_owned() })
    }

    /// The next one, or `None` when the subscription is at its end.
    ///
    /// # Errors
    /// It does not fit `T`; the next call goes on with the one after it.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<Delta<T>>, Error> {
        let Some(message) = self.subscription.next().await else { return Ok(None) };
        serde_json::from_slice(&message.payload).map(Some).map_err(|error| Error::State {
            action: format!("read a delta of {}", self.what),
            source: Cause::new(error),
        })
    }
}
