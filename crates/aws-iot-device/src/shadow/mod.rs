//! A device shadow: the desired and the reported state of a thing, kept by AWS IoT while the device is away (AWS IoT developer
//! guide, "Device Shadow MQTT topics").

mod deltas;
pub(crate) mod document;
mod sync;

use std::time::Duration;

use aws_iot_mqtt::Client;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use deltas::{Delta, Deltas};
pub use document::{ShadowDocument, ShadowState, ShadowUpdate};
pub use sync::ShadowSync;

use crate::error::Cause;
use crate::exchange::{Answer, Exchange, Request};
use crate::{Error, ShadowErrorCode, name};

/// Largest state of a shadow, in bytes: 8 KiB (AWS IoT Core endpoints and quotas, "Maximum size of a JSON state document").
const DOCUMENT_BYTES: usize = 8 * 1024;

/// One shadow of a thing. It has two of the connection's subscriptions, from the first request on.
///
/// ```no_run
/// # use aws_iot_mqtt::Client;
/// use aws_iot_device::{Shadow, ShadowUpdate};
/// # async fn lamp(client: &Client) -> Result<(), aws_iot_device::Error> {
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Lamp {
///     on: Option<bool>,
/// }
///
/// let mut shadow = Shadow::classic(client, "gw-1")?;
/// let version = shadow.update(&ShadowUpdate::new().reported(&Lamp { on: Some(false) })?).await?;
/// let document = shadow.get::<Lamp>().await?;
/// println!("version {}: wanted {:?}", document.version, document.state.desired.and_then(|lamp| lamp.on));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Shadow {
    /// `$aws/things/THING/shadow`, or that of a named shadow.
    base: String,
    /// For the errors.
    what: String,
    document_bytes: usize,
    exchange: Exchange,
}

impl Shadow {
    /// The classic shadow of a thing, which has no name.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn classic(client: &Client, thing: &str) -> Result<Self, Error> {
        let thing = name::checked(name::THING, thing)?;
        let base = format!("$aws/things/{thing}/shadow");
        Ok(Self::new(client, base, format!("the shadow of thing '{thing}'")))
    }

    /// A named shadow of a thing. It comes into being with the first update.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn named(client: &Client, thing: &str, shadow: &str) -> Result<Self, Error> {
        let (thing, shadow) = (name::checked(name::THING, thing)?, name::checked(name::SHADOW, shadow)?);
        let base = format!("$aws/things/{thing}/shadow/name/{shadow}");
        Ok(Self::new(client, base, format!("the shadow '{shadow}' of thing '{thing}'")))
    }

    fn new(client: &Client, base: String, what: String) -> Self {
        let filters = ["accepted", "rejected"].map(|outcome| format!("{base}/+/{outcome}"));
        Self { exchange: Exchange::new(client, filters), base, what, document_bytes: DOCUMENT_BYTES }
    }

    /// How long an answer is waited for: 30 s unless said otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.exchange.set_timeout(timeout);
        self
    }

    /// How many bytes a state may have: 8 KiB unless said otherwise. For accounts whose quota AWS has raised.
    #[must_use]
    pub fn document_limit(mut self, bytes: usize) -> Self {
        self.document_bytes = bytes;
        self
    }

    /// The whole shadow.
    ///
    /// # Errors
    /// There is none ([`Error::is_not_found`]), the state does not fit `T`, or the request fails.
    pub async fn get<T: DeserializeOwned>(&mut self) -> Result<ShadowDocument<T>, Error> {
        let action = format!("get {}", self.what);
        let answer = self.ask("get", action.clone(), Map::new(), true).await?;
        document::read(&action, answer)
    }

    /// Changes the members that the update has, and returns the shadow's new version. A member of value `null` is removed; all
    /// others stay as they are.
    ///
    /// # Errors
    /// The state is too large (nothing is sent), the version is another ([`Error::is_version_conflict`]), or the request fails.
    pub async fn update(&mut self, update: &ShadowUpdate) -> Result<u64, Error> {
        let action = format!("update {}", self.what);
        update.check(&action, self.document_bytes)?;
        // With a version, the second of two equal updates would be refused.
        let answer = self.ask("update", action.clone(), update.payload(), !update.has_version()).await?;
        document::version(&action, &answer)
    }

    /// Removes the shadow. AWS IoT goes on counting its versions.
    ///
    /// # Errors
    /// There is none ([`Error::is_not_found`]), or the request fails.
    pub async fn delete(&mut self) -> Result<(), Error> {
        // The second of two equal requests would find nothing.
        self.ask("delete", format!("delete {}", self.what), Map::new(), false).await.map(drop)
    }

    /// What is desired and not reported, from now on, each time that it changes. One more subscription. For a device that may
    /// be offline, [`Self::sync`] is the better choice.
    ///
    /// # Errors
    /// The subscription fails.
    pub async fn deltas(&self) -> Result<Deltas, Error> {
        Deltas::subscribe(self.exchange.client(), &self.base, &self.what).await
    }

    /// Follows the desired state, and reports. See [`ShadowSync`].
    pub fn sync(self) -> ShadowSync {
        ShadowSync::new(self)
    }

    async fn ask(
        &mut self,
        verb: &str,
        action: String,
        payload: Map<String, Value>,
        repeat: bool,
    ) -> Result<Value, Error> {
        let request = Request::new(action.clone(), format!("{}/{verb}", self.base), payload);
        match self.exchange.ask(Request { repeat, ..request }).await? {
            Answer::Accepted(value) => Ok(value),
            Answer::Rejected(value) => Err(rejected(action, &value)),
        }
    }
}

pub(crate) fn rejected(action: String, value: &Value) -> Error {
    let Some(code) = value.get("code").and_then(Value::as_u64) else {
        return Error::Answer { action, source: Cause::new("it has no code") };
    };
    let message = value.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    Error::ShadowRejected { action, code: ShadowErrorCode::from(code), message }
}
