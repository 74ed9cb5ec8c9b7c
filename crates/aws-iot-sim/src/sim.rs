//! The running simulator, as tests and programs hold it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use mqtt5_protocol::{Properties, QoS, ReasonCode};

use crate::admission;
use crate::broker::{CloudMessage, Counters, Hub, Received};
use crate::directory::Directory;
use crate::faults::{ActiveFaults, Fault, Injection};
use crate::registry::Registry;
use crate::server::Server;
use crate::statistics::Statistics;
use crate::tls::ENDPOINT;
use crate::{Builder, Error};

/// A local AWS IoT Core. It stops when it is dropped.
///
/// ```
/// let sim = aws_iot_sim::AwsIotSim::start()?;
/// println!("mqtt: {}:{}, control plane: {}", sim.endpoint(), sim.port(), sim.control_plane_url());
/// # Ok::<(), aws_iot_sim::Error>(())
/// ```
#[derive(Debug)]
pub struct AwsIotSim {
    pub(crate) port: u16,
    pub(crate) credentials_port: u16,
    pub(crate) control_plane_url: String,
    pub(crate) ca_pem: String,
    pub(crate) registry: Arc<Registry>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) faults: Arc<ActiveFaults>,
    // Kept for its drop, which stops the simulator.
    pub(crate) _server: Server,
    // Dropped last: a temporary directory goes away with it.
    pub(crate) directory: Directory,
}

impl AwsIotSim {
    /// Starts on free ports of the loopback interface, with its files in a temporary directory.
    ///
    /// # Errors
    /// When no port can be opened or no file written.
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// Settings for a simulator that is to run with other than the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The host name of the endpoint. Always a name, since a TLS client sends no SNI for an address.
    pub fn endpoint(&self) -> &str {
        ENDPOINT
    }

    /// The broker's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The credential provider's port. Its host name is [`Self::endpoint`], too.
    pub fn credentials_port(&self) -> u16 {
        self.credentials_port
    }

    /// The certificate of the authority that a device has to trust, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The file with [`Self::ca_pem`].
    pub fn ca_file(&self) -> &Path {
        self.directory.ca_file()
    }

    /// The directory with the simulator's files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The address of the control plane, as `AWS_ENDPOINT_URL` takes it.
    pub fn control_plane_url(&self) -> &str {
        &self.control_plane_url
    }

    /// The environment for an AWS client: fake credentials, this control plane, and nothing of the user's own
    /// configuration, so that it can never reach a real account.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.directory.environment(&self.control_plane_url)
    }

    /// Sets a device up as the control plane would: thing, policy, certificate (ACTIVE), attachments.
    ///
    /// Returns the certificate id. What exists with the same content is used as it is. The policy's resources are
    /// in region `us-east-1` of account `123456789012`, for example
    /// `arn:aws:iot:us-east-1:123456789012:client/my-device`.
    ///
    /// # Errors
    /// When the registry refuses one of the steps; the source has AWS's name for it.
    pub fn admit(&self, certificate_pem: &str, thing: &str, policy_json: &str) -> Result<String, Error> {
        admission::admit(&self.registry, certificate_pem, thing, policy_json).map_err(Error::refused)
    }

    /// The client ids that are connected now, sorted.
    pub fn connections(&self) -> Vec<String> {
        self.hub.client_ids()
    }

    /// Ends the connection of a client with "administrative action", as if an operator did. Returns whether it was
    /// connected.
    pub fn disconnect(&self, client_id: &str) -> bool {
        self.hub.end(client_id, ReasonCode::AdministrativeAction)
    }

    /// Forgets the session of a client that is away, with its subscriptions and stored messages, as AWS does when the
    /// session has expired. Returns whether there was one.
    pub fn forget_session(&self, client_id: &str) -> bool {
        self.hub.forget(client_id)
    }

    /// Switches a fault on, until it is cleared or has struck as often as [`Fault::times`] says. A fault of the same
    /// kind is replaced.
    ///
    /// ```
    /// use aws_iot_sim::{Answer, AwsIotSim, Fault};
    ///
    /// let sim = AwsIotSim::start()?;
    /// sim.inject(Fault::Withhold(Answer::Puback));
    /// sim.inject(Fault::CloseAfterConnect.times(5));
    /// # Ok::<(), aws_iot_sim::Error>(())
    /// ```
    pub fn inject(&self, fault: impl Into<Injection>) {
        self.faults.inject(fault.into());
    }

    /// Switches a fault on for the next `times` occasions: `inject(fault.times(times))`.
    pub fn inject_times(&self, fault: Fault, times: u32) {
        self.inject(fault.times(times));
    }

    /// Switches the fault of that kind off. Returns whether it was on.
    pub fn clear_fault(&self, fault: &Fault) -> bool {
        self.faults.clear(fault)
    }

    /// Switches all faults off.
    pub fn clear_faults(&self) {
        self.faults.clear_all();
    }

    /// Publishes a message at QoS 1 as the cloud side, to everybody who subscribes to the topic. No device policy
    /// limits the sender; AWS's own topics (`$aws/…`) reach their subscribers, too.
    ///
    /// # Errors
    /// When the topic is not one, or the payload is too large.
    pub fn publish(&self, topic: &str, payload: impl AsRef<[u8]>) -> Result<(), Error> {
        self.hub.publish(cloud_message(topic, payload.as_ref(), false)).map_err(Error::message)
    }

    /// Publishes a message as [`Self::publish`] does, and retains it. An empty payload removes what is retained.
    ///
    /// # Errors
    /// When the topic is not one, or the payload is too large.
    pub fn publish_retained(&self, topic: &str, payload: impl AsRef<[u8]>) -> Result<(), Error> {
        self.hub.publish(cloud_message(topic, payload.as_ref(), true)).map_err(Error::message)
    }

    /// Sends a message at QoS 1 to one connected client, whether it has subscribed or not (SendDirectMessage).
    ///
    /// # Errors
    /// When the client is not connected, when its policies do not allow `iot:Receive` on the topic, when the topic is
    /// not one, or the payload is too large.
    pub fn send_direct_message(
        &self,
        client_id: &str,
        topic: &str,
        payload: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        let message = cloud_message(topic, payload.as_ref(), false);
        self.hub.send_direct(client_id, message, Arc::default()).map_err(Error::message)
    }

    /// What clients have published and the broker has taken, in order: the last 10,000 messages.
    pub fn received(&self) -> Vec<Received> {
        self.hub.received()
    }

    /// What the broker has done so far.
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.counters)
    }
}

fn cloud_message<'a>(topic: &'a str, payload: &[u8], retain: bool) -> CloudMessage<'a> {
    let payload = Bytes::copy_from_slice(payload);
    CloudMessage { topic, payload, qos: QoS::AtLeastOnce, retain, properties: Properties::new() }
}
