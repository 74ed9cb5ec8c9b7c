//! Temporary AWS credentials in exchange for the device's certificate (AWS IoT developer guide, "Authorizing direct calls to AWS
//! services using AWS IoT Core credential provider").

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_iot_mqtt::Proxy;
use aws_iot_mqtt::rustls::ClientConfig;
use aws_iot_mqtt::rustls::pki_types::ServerName;
use der::DateTime;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

use crate::error::Cause;
use crate::{Error, name};

/// The credential provider's port.
const PORT: u16 = 443;
/// How long the request may take: the signature of the chip and a slow line fit in.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer, in bytes. A session token has about 1 KiB.
const ANSWER_BYTES: usize = 64 * 1024;
/// How long before their end credentials are replaced: what AWS's SDKs call the expiry window (botocore's mandatory refresh is
/// at 10 minutes).
const RENEW_BEFORE: Duration = Duration::from_secs(10 * 60);

/// Gets temporary AWS credentials with the device's certificate and key. Which AWS role they are for is what the role alias says.
///
/// ```no_run
/// # use std::sync::Arc;
/// use aws_iot_device::CredentialProvider;
/// # async fn upload(tls: Arc<aws_iot_mqtt::rustls::ClientConfig>) -> Result<(), aws_iot_device::Error> {
/// let endpoint = "c123.credentials.iot.eu-west-1.amazonaws.com";
/// let mut provider = CredentialProvider::new(endpoint, "uploads", tls)?.thing("gw-1")?;
/// let credentials = provider.credentials().await?;
/// println!("valid until {}", credentials.expiration);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CredentialProvider {
    endpoint: String,
    port: u16,
    role_alias: String,
    thing: Option<String>,
    tls: Arc<ClientConfig>,
    proxy: Option<Proxy>,
    timeout: Duration,
    current: Option<Credentials>,
}

/// Temporary AWS credentials.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Credentials {
    /// The id of the access key.
    pub access_key_id: String,
    /// The access key.
    pub secret_access_key: String,
    /// Goes with each request.
    pub session_token: String,
    /// Until when they are valid (RFC 3339, in UTC).
    pub expiration: String,
}

impl Credentials {
    /// As the AWS CLI and AWS's SDKs read them from a `credential_process` (AWS SDKs and Tools reference guide, "Process credential
    /// provider").
    pub fn to_process_json(&self) -> Value {
        json!({
            "Version": 1,
            "AccessKeyId": self.access_key_id,
            "SecretAccessKey": self.secret_access_key,
            "SessionToken": self.session_token,
            "Expiration": self.expiration,
        })
    }

    /// Whether they are valid for so long. What has no readable end is not.
    fn outlives(&self, time: Duration) -> bool {
        let Ok(expiration) = DateTime::from_str(&self.expiration) else { return false };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_add(time) < expiration.unix_duration()
    }
}

/// Without the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Credentials");
        shown.field("access_key_id", &self.access_key_id).field("expiration", &self.expiration);
        shown.finish_non_exhaustive()
    }
}

impl CredentialProvider {
    /// Gets credentials from this endpoint (`aws iot describe-endpoint --endpoint-type iot:CredentialProvider`), which is another
    /// than the data endpoint. `tls` has the device's identity, as for [`aws_iot_mqtt::Client`].
    ///
    /// # Errors
    /// [`Error::Name`], or the endpoint is no host name.
    pub fn new(endpoint: &str, role_alias: &str, tls: impl Into<Arc<ClientConfig>>) -> Result<Self, Error> {
        let role_alias = name::checked(name::ROLE_ALIAS, role_alias)?;
        if ServerName::try_from(endpoint).is_err() {
            return Err(Error::Invalid {
                action: format!("get credentials for role alias '{role_alias}'"),
                reason: format!("'{endpoint}' is no host name"),
            });
        }
        let mut tls = Arc::unwrap_or_clone(tls.into());
        // It speaks HTTP/1.1; a configuration for MQTT on port 443 names another protocol.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            endpoint: endpoint.to_owned(),
            port: PORT,
            role_alias,
            thing: None,
            tls: Arc::new(tls),
            proxy: None,
            timeout: TIMEOUT,
            current: None,
        })
    }

    /// The endpoint's port: 443 unless said otherwise.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Names the thing, for policies that ask for it (`${credentials-iot:ThingName}`).
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn thing(mut self, thing: &str) -> Result<Self, Error> {
        self.thing = Some(name::checked(name::THING, thing)?);
        Ok(self)
    }

    /// The HTTP proxy to go through. [`Proxy::from_environment`] has the one that the environment names for the endpoint.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// How long the request may take: 30 s unless said otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Credentials that are valid for ten minutes more: those of before, or new ones. New ones cost one signature of the key.
    ///
    /// The future runs on any executor: the connection has a thread of its own, where the signature of a chip holds up nobody.
    ///
    /// # Errors
    /// There is no connection, or the credential provider refuses.
    pub async fn credentials(&mut self) -> Result<Credentials, Error> {
        if let Some(current) = self.current.as_ref().filter(|current| current.outlives(RENEW_BEFORE)) {
            return Ok(current.clone());
        }
        let new = self.request().await?;
        self.current = Some(new.clone());
        Ok(new)
    }

    async fn request(&self) -> Result<Credentials, Error> {
        let action = format!("get credentials for role alias '{}'", self.role_alias);
        let host = format!("{}:{}", self.endpoint, self.port);
        let unreachable = |source| Error::Https { action: action.clone(), host: host.clone(), source };
        let (status, body) = self.get().await.map_err(unreachable)?;
        read(action, status, &body)
    }

    /// The answer, from a thread of its own.
    async fn get(&self) -> Result<(StatusCode, Bytes), Cause> {
        let (answer, answered) = oneshot::channel();
        let (endpoint, port, timeout) = (self.endpoint.clone(), self.port, self.timeout);
        let proxy = self.proxy.clone();
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        let mut request = Request::get(format!("/role-aliases/{}/credentials", self.role_alias))
            .header(header::HOST, &self.endpoint);
        if let Some(thing) = &self.thing {
            request = request.header("x-amzn-iot-thingname", thing);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(Cause::new)?;
        let run = move || -> Result<(StatusCode, Bytes), Cause> {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Cause::new)?;
            let fetched = runtime.block_on(async {
                tokio::time::timeout(timeout, fetch(&endpoint, port, proxy.as_ref(), &tls, request)).await
            });
            // A name resolution that is under way is not waited for.
            runtime.shutdown_background();
            fetched.unwrap_or_else(|_| Err(Cause::new(format!("not within {} s", timeout.as_secs_f32()))))
        };
        thread::Builder::new()
            .name("aws-credentials".to_owned())
            // Nobody waits any more where it cannot be sent.
            .spawn(move || drop(answer.send(run())))
            .map_err(Cause::new)?;
        answered.await.unwrap_or_else(|_| Err(Cause::new("the thread of the connection has died")))
    }
}

/// What the credential provider answers.
fn read(action: String, status: StatusCode, body: &[u8]) -> Result<Credentials, Error> {
    #[derive(Deserialize)]
    struct Body {
        credentials: Credentials,
    }
    if status.is_success() {
        return match serde_json::from_slice::<Body>(body) {
            Ok(body) => Ok(body.credentials),
            // Not the error's words: they may repeat a secret.
            Err(_) => Err(Error::Answer { action, source: Cause::new("it holds no credentials") }),
        };
    }
    let message = serde_json::from_slice::<Value>(body).ok();
    let message = message.as_ref().and_then(|body| body.get("message")).and_then(Value::as_str);
    let message = message.unwrap_or("no reason given").to_owned();
    Err(Error::CredentialsRefused { action, status: status.as_u16(), message })
}

/// Both kinds of answer.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(body: &[u8]) {
    if let Ok(credentials) = read("ask".to_owned(), StatusCode::OK, body) {
        let _ = (credentials.outlives(RENEW_BEFORE), credentials.to_process_json());
    }
    if let Err(error) = read("ask".to_owned(), StatusCode::FORBIDDEN, body) {
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
}

async fn fetch(
    endpoint: &str,
    port: u16,
    proxy: Option<&Proxy>,
    tls: &TlsConnector,
    request: Request<Empty<Bytes>>,
) -> Result<(StatusCode, Bytes), Cause> {
    let name = ServerName::try_from(endpoint.to_owned()).map_err(Cause::new)?;
    let socket = match proxy {
        Some(proxy) => proxy.connect(endpoint, port).await.map_err(Cause::new)?,
        None => TcpStream::connect((endpoint, port)).await.map_err(Cause::new)?,
    };
    socket.set_nodelay(true).map_err(Cause::new)?;
    let stream = tls.connect(name, socket).await.map_err(Cause::new)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(Cause::new)?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(Cause::new)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await.map_err(Cause::new)?;
    connection.abort();
    Ok((status, body.to_bytes()))
}
