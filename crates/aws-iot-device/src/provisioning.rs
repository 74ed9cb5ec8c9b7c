//! A certificate of the device's own, in exchange for a claim: fleet provisioning (AWS IoT developer guide, "Device provisioning
//! MQTT API").

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_iot_mqtt::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::error::Cause;
use crate::exchange::{Answer, Exchange, Request};
use crate::{Error, name};

/// Longest certificate signing request that is sent, in bytes: a request with an RSA key of 4096 bits has 1.7 KiB.
const CSR_BYTES: usize = 8 * 1024;

/// Fleet provisioning with one template. The client is connected with the claim certificate, or, for a new certificate before the
/// old one expires, with the device's own: the application's client, whose connection stays. At most four of the connection's
/// subscriptions.
///
/// The answers do not say to which request they are: check that the certificate belongs to the key.
///
/// AWS IoT makes a new certificate with each request, so none is sent twice: after [`Error::NoAnswer`], begin anew. A certificate that
/// is not registered within an hour is of no use, and AWS IoT does not count it as a device's.
///
/// ```no_run
/// # use aws_iot_device::{Error, FleetProvisioning};
/// # async fn claim(client: &aws_iot_mqtt::Client, csr_pem: &str) -> Result<(), Error> {
/// let mut provisioning = FleetProvisioning::new(client, "gateways")?;
/// // The request is signed by the key in the chip.
/// let issued = provisioning.create_certificate_from_csr(csr_pem).await?;
/// let registration = provisioning.register_thing(&issued, [("SerialNumber", "00C0A1")]).await?;
/// println!("{:?}: {}", registration.thing_name, issued.certificate_pem);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FleetProvisioning {
    client: Client,
    template: String,
    timeout: Option<Duration>,
}

/// A certificate that is not registered yet.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IssuedCertificate {
    /// AWS IoT's id of the certificate.
    pub certificate_id: String,
    /// The certificate, in PEM.
    pub certificate_pem: String,
    /// Proves to `RegisterThing` that it is this device's. Valid for an hour.
    certificate_ownership_token: String,
}

/// What the template has made of the device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Registration {
    /// The thing's name, where the template makes a thing.
    pub thing_name: Option<String>,
    /// What the template says to the device.
    #[serde(default)]
    pub device_configuration: BTreeMap<String, String>,
}

impl FleetProvisioning {
    /// Fleet provisioning with this template.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn new(client: &Client, template: &str) -> Result<Self, Error> {
        let template = name::checked(name::TEMPLATE, template)?;
        Ok(Self { client: client.clone(), template, timeout: None })
    }

    /// How long an answer is waited for: 30 s unless said otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A certificate for the key that has signed the request (PKCS #10, in PEM). The device can use it once it is registered.
    ///
    /// # Errors
    /// The request is too large, or AWS IoT refuses it.
    pub async fn create_certificate_from_csr(&mut self, csr_pem: &str) -> Result<IssuedCertificate, Error> {
        let action = "get a certificate from AWS IoT".to_owned();
        if csr_pem.len() > CSR_BYTES {
            let (item, actual) = ("the certificate signing request", csr_pem.len());
            return Err(Error::TooLarge { action, item, actual, limit: CSR_BYTES, unit: "bytes" });
        }
        let payload = json!({ "certificateSigningRequest": csr_pem });
        self.ask("$aws/certificates/create-from-csr/json".to_owned(), action, payload).await
    }

    /// Registers the device as the template says, and makes the certificate its own. The parameters are what the template asks for.
    ///
    /// # Errors
    /// AWS IoT refuses, for example because the template's hook does not know the device.
    pub async fn register_thing(
        &mut self,
        certificate: &IssuedCertificate,
        parameters: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<Registration, Error> {
        let action = format!("register the device with the provisioning template '{}'", self.template);
        let parameters: BTreeMap<String, String> =
            parameters.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let payload = json!({
            "certificateOwnershipToken": certificate.certificate_ownership_token,
            "parameters": parameters,
        });
        self.ask(format!("$aws/provisioning-templates/{}/provision/json", self.template), action, payload)
            .await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        topic: String,
        action: String,
        payload: Value,
    ) -> Result<T, Error> {
        // For this request alone: the answers carry nothing that would tell a late one from this one's.
        let mut exchange =
            Exchange::new(&self.client, ["accepted", "rejected"].map(|outcome| format!("{topic}/{outcome}")));
        if let Some(timeout) = self.timeout {
            exchange.set_timeout(timeout);
        }
        let payload = match payload {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        let request =
            Request { has_token: false, repeat: false, ..Request::new(action.clone(), topic, payload) };
        match exchange.ask(request).await? {
            Answer::Accepted(value) => serde_json::from_value(value)
                .map_err(|error| Error::Answer { action, source: Cause::new(error) }),
            Answer::Rejected(value) => Err(rejected(action, &value)),
        }
    }
}

pub(crate) fn rejected(action: String, value: &Value) -> Error {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let status = value.get("statusCode").and_then(Value::as_u64).unwrap_or_default();
    let (code, message) = (text("errorCode"), text("errorMessage"));
    Error::ProvisioningRejected { action, status, code, message }
}

/// The token is worth a certificate.
impl fmt::Debug for IssuedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedCertificate")
            .field("certificate_id", &self.certificate_id)
            .finish_non_exhaustive()
    }
}
