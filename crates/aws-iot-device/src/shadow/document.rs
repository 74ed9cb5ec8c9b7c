//! What a shadow holds, and how it is changed.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Error;
use crate::error::Cause;

/// A shadow at one version.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
#[non_exhaustive]
pub struct ShadowDocument<T = Value> {
    /// What is desired and what is reported.
    pub state: ShadowState<T>,
    /// When each member was last changed: like the state, with `{"timestamp": SECONDS}` in place of each value.
    #[serde(default)]
    pub metadata: Value,
    /// Counts the updates.
    pub version: u64,
    /// When AWS IoT sent it, in seconds since 1970.
    #[serde(default)]
    pub timestamp: u64,
}

/// The parts of a shadow. A part that has no member is not there.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
#[non_exhaustive]
pub struct ShadowState<T = Value> {
    /// How the device should be.
    pub desired: Option<T>,
    /// How the device is.
    pub reported: Option<T>,
    /// The members of `desired` that `reported` does not have, or has with another value.
    pub delta: Option<T>,
}

/// A change of a shadow.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use = "hand it to `Shadow::update`"]
pub struct ShadowUpdate {
    state: Map<String, Value>,
    version: Option<u64>,
}

impl ShadowUpdate {
    /// An update that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How the device is: the members that have changed.
    ///
    /// # Errors
    /// The type cannot be written as JSON.
    pub fn reported(self, state: &impl Serialize) -> Result<Self, Error> {
        self.part("reported", state)
    }

    /// How the device should be: the members that change.
    ///
    /// # Errors
    /// The type cannot be written as JSON.
    pub fn desired(self, state: &impl Serialize) -> Result<Self, Error> {
        self.part("desired", state)
    }

    /// Only if the shadow has this version: otherwise AWS IoT refuses ([`Error::is_version_conflict`]).
    pub fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    fn part(mut self, part: &str, state: &impl Serialize) -> Result<Self, Error> {
        let state = serde_json::to_value(state).map_err(|error| Error::State {
            action: format!("write the {part} state of a shadow"),
            source: Cause::new(error),
        })?;
        self.state.insert(part.to_owned(), state);
        Ok(self)
    }

    pub(super) fn has_version(&self) -> bool {
        self.version.is_some()
    }

    pub(super) fn check(&self, action: &str, limit: usize) -> Result<(), Error> {
        let actual = Value::Object(self.state.clone()).to_string().len();
        if actual <= limit {
            return Ok(());
        }
        Err(Error::TooLarge { action: action.to_owned(), item: "the state", actual, limit, unit: "bytes" })
    }

    pub(super) fn payload(&self) -> Map<String, Value> {
        let mut payload = Map::new();
        payload.insert("state".to_owned(), Value::Object(self.state.clone()));
        if let Some(version) = self.version {
            payload.insert("version".to_owned(), version.into());
        }
        payload
    }
}

/// The answer to a `get`.
pub(crate) fn read<T: DeserializeOwned>(action: &str, answer: Value) -> Result<ShadowDocument<T>, Error> {
    // Told apart: what AWS sends, and what the application's type takes.
    if let Err(error) = ShadowDocument::<IgnoredAny>::deserialize(&answer) {
        return Err(Error::Answer { action: action.to_owned(), source: Cause::new(error) });
    }
    serde_json::from_value(answer)
        .map_err(|error| Error::State { action: action.to_owned(), source: Cause::new(error) })
}

pub(crate) fn version(action: &str, answer: &Value) -> Result<u64, Error> {
    answer
        .get("version")
        .and_then(Value::as_u64)
        .ok_or_else(|| Error::Answer { action: action.to_owned(), source: Cause::new("it has no version") })
}
