//! A device that follows its shadow, also after it was offline.

use std::time::Duration;

use aws_iot_mqtt::{Event, Events};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Delta, Deltas, Shadow, ShadowDocument, ShadowUpdate};
use crate::Error;
use crate::error::Cause;

/// When a request that may succeed later is made again, where no new connection is the occasion to.
const RETRY: Duration = Duration::from_secs(10);

/// Follows the desired state of a shadow, and reports the device's own. Three of the connection's subscriptions.
///
/// Changes that were made while the device was offline are found when it is back, and each is handed out once, in the order of the
/// shadow's versions. A report that AWS IoT has not confirmed is sent again.
///
/// ```no_run
/// # use aws_iot_device::{Error, Shadow};
/// # use serde_json::{Value, json};
/// # async fn follow(shadow: Shadow) -> Result<(), Error> {
/// let mut sync = shadow.sync();
/// sync.report(&json!({"firmware": "1.2"}))?;
/// while let Some(wanted) = sync.next::<Value>().await? {
///     // Apply what is wanted; then say how the device is now.
///     sync.report(&wanted)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ShadowSync {
    shadow: Shadow,
    /// `None`: not subscribed yet, or the server has ended the subscription.
    deltas: Option<Deltas>,
    events: Events,
    /// All that was reported.
    reported: Value,
    /// AWS IoT has not confirmed all of `reported`.
    unconfirmed: bool,
    /// Deltas may have been missed.
    outdated: bool,
    version: u64,
    /// What was handed out last.
    handed_out: Option<(Value, Value)>,
}

impl ShadowSync {
    pub(super) fn new(shadow: Shadow) -> Self {
        Self {
            events: shadow.exchange.client().events(),
            shadow,
            deltas: None,
            reported: Value::Object(Map::new()),
            unconfirmed: false,
            outdated: true,
            version: 0,
            handed_out: None,
        }
    }

    /// How the device is: the members that have changed. They are sent by [`Self::next`], now or when there is a connection.
    ///
    /// # Errors
    /// The type cannot be written as JSON, or all that was reported is too large for a shadow.
    pub fn report(&mut self, state: &impl Serialize) -> Result<(), Error> {
        let action = format!("report to {}", self.shadow.what);
        let state = serde_json::to_value(state)
            .map_err(|error| Error::State { action: action.clone(), source: Cause::new(error) })?;
        let mut all = self.reported.clone();
        merge(&mut all, state);
        ShadowUpdate::new().reported(&all)?.check(&action, self.shadow.document_bytes)?;
        self.reported = all;
        self.unconfirmed = true;
        Ok(())
    }

    /// The shadow that is followed.
    pub fn shadow(&mut self) -> &mut Shadow {
        &mut self.shadow
    }

    /// Sends what is to be reported, and waits for the next change of what is desired: the members that differ from the reported
    /// ones. `None` when the client is at its end.
    ///
    /// It waits while there is no connection. It may be dropped and called again, in `tokio::select!` for example: nothing is
    /// lost.
    ///
    /// # Errors
    /// AWS IoT refuses for good, or what is desired does not fit `T`; the next call goes on with the next change.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        loop {
            match self.exchange().await {
                Ok(Some(state)) => return self.typed(state).map(Some),
                Ok(None) => {}
                Err(error) if error.is_closed() => return Ok(None),
                Err(error) => return Err(error),
            }
            // Answers to others, of which there is one for each of their updates.
            self.shadow.exchange.discard().await;
            let pending = self.outdated || self.unconfirmed || self.deltas.is_none();
            tokio::select! {
                event = self.events.next() => match event {
                    Some(Event::Resumed) => self.outdated = true,
                    Some(_) => {}
                    None => return Ok(None),
                },
                delta = next(&mut self.deltas) => match delta? {
                    // Messages may come twice, and out of order.
                    Some(delta) if delta.version > self.version => {
                        self.version = delta.version;
                        if let Some(state) = self.unknown(delta) {
                            return self.typed(state).map(Some);
                        }
                    }
                    Some(_) => {}
                    None => self.deltas = None,
                },
                () = tokio::time::sleep(RETRY), if pending => {}
            }
        }
    }

    /// What is to be asked and sent now. Failures that may pass leave it to the next time.
    async fn exchange(&mut self) -> Result<Option<Value>, Error> {
        if self.deltas.is_none() {
            // Before the `get`, so that no change falls in between.
            match self.shadow.deltas().await {
                Ok(deltas) => (self.deltas, self.outdated) = (Some(deltas), true),
                Err(error) if error.is_transient() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        if self.outdated {
            match self.shadow.get::<Value>().await {
                Ok(document) => {
                    self.outdated = false;
                    self.version = document.version;
                    let theirs = document.state.reported.as_ref().unwrap_or(&Value::Null);
                    // Somebody has removed or changed what this device reported.
                    self.unconfirmed |= !covers(theirs, &self.reported);
                    if let Some(state) = delta_of(document).and_then(|delta| self.unknown(delta)) {
                        return Ok(Some(state));
                    }
                }
                Err(error) if error.is_not_found() => {
                    self.outdated = false;
                    self.version = 0;
                    self.unconfirmed |= self.reported.as_object().is_some_and(|members| !members.is_empty());
                }
                Err(error) if error.is_transient() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        if self.unconfirmed {
            match self.shadow.update(&ShadowUpdate::new().reported(&self.reported)?).await {
                Ok(_) => {
                    self.unconfirmed = false;
                    // Done: if the device leaves this state again, it is told again.
                    self.handed_out.take_if(|(state, _)| covers(&self.reported, state));
                }
                Err(error) if error.is_transient() => {}
                Err(error) => {
                    // Not again and again: until something else is reported.
                    self.unconfirmed = false;
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// The delta's state, unless it was handed out before. AWS IoT publishes a delta with each update that leaves a difference, be
    /// it this device's own: a device that cannot do what is desired would be told after each report.
    fn unknown(&mut self, delta: Delta) -> Option<Value> {
        let Delta { state, metadata, .. } = delta;
        let known = Some((state.clone(), metadata));
        if self.handed_out == known {
            return None;
        }
        self.handed_out = known;
        Some(state)
    }

    fn typed<T: DeserializeOwned>(&self, state: Value) -> Result<T, Error> {
        serde_json::from_value(state).map_err(|error| Error::State {
            action: format!("read what is desired in {}", self.shadow.what),
            source: Cause::new(error),
        })
    }
}

async fn next(deltas: &mut Option<Deltas>) -> Result<Option<Delta>, Error> {
    match deltas {
        Some(deltas) => deltas.next().await,
        None => std::future::pending().await,
    }
}

/// The delta that a whole shadow has, in the form of the messages.
fn delta_of(document: ShadowDocument) -> Option<Delta> {
    let state = document.state.delta?;
    let metadata = document.metadata.get("desired").map_or(Value::Null, |desired| project(desired, &state));
    Some(Delta { state, metadata, version: document.version })
}

/// The part of the metadata that belongs to the members of the state.
fn project(metadata: &Value, state: &Value) -> Value {
    match (metadata, state) {
        (Value::Object(metadata), Value::Object(state)) => {
            let members = state
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), project(metadata.get(name)?, value))));
            Value::Object(members.collect())
        }
        _ => metadata.clone(),
    }
}

/// Merges as AWS IoT does: objects member by member; `null` removes; all else replaces. The `null` itself is kept, since it has to
/// be sent.
fn merge(base: &mut Value, change: Value) {
    match (base, change) {
        (Value::Object(base), Value::Object(change)) => {
            for (name, value) in change {
                merge(base.entry(name).or_insert(Value::Null), value);
            }
        }
        (base, change) => *base = change,
    }
}

/// Whether `theirs` has all of `ours`.
fn covers(theirs: &Value, ours: &Value) -> bool {
    match ours {
        Value::Object(ours) => {
            ours.iter().all(|(name, value)| covers(theirs.get(name).unwrap_or(&Value::Null), value))
        }
        _ => theirs == ours,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_reported_is_merged_as_aws_iot_does() {
        let mut all = json!({"a": {"b": 1, "c": 2}, "d": [1, 2]});
        merge(&mut all, json!({"a": {"b": 3, "c": null}, "d": [4]}));
        assert_eq!(all, json!({"a": {"b": 3, "c": null}, "d": [4]}));
        assert!(covers(&json!({"a": {"b": 3}, "d": [4], "of others": 1}), &all));
        for lacking in [json!({}), json!({"a": {"b": 3}}), json!({"a": {"b": 3, "c": 2}, "d": [4]})] {
            assert!(!covers(&lacking, &all), "{lacking}");
        }
    }

    #[test]
    fn the_metadata_of_a_whole_shadow_is_compared_with_that_of_a_delta() {
        let metadata = json!({"a": {"b": {"timestamp": 1}, "c": {"timestamp": 2}}, "d": {"timestamp": 3}});
        assert_eq!(project(&metadata, &json!({"a": {"c": 7}})), json!({"a": {"c": {"timestamp": 2}}}));
    }
}
