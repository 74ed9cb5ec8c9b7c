//! What the tests share. Fake credentials and a loopback URL are said explicitly, so no real account can be reached.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_iot_provision::{
    Applied, ClientOptions, Device, DeviceCertificate, Error, Plan, Provisioner, Purpose, Settings,
    aws_client_config,
};
use aws_iot_sim::AwsIotSim;
use aws_sdk_iot::Client;
use aws_sdk_iot::config::{Credentials, SharedCredentialsProvider};

pub(crate) mod scripted;

/// The configuration of a client of that control plane. No retries: a test shall not wait.
pub(crate) async fn config(control_plane_url: &str) -> SdkConfig {
    let options = ClientOptions {
        region: Some("us-east-1".to_owned()),
        profile: None,
        endpoint_url: Some(control_plane_url.to_owned()),
        attempt_timeout: None,
    };
    let credentials = Credentials::new("AKIAFAKE", "fake-secret", None, None, "test");
    aws_client_config(&options)
        .await
        .unwrap()
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .build()
}

/// A device with a certificate of its own.
pub(crate) fn device(thing: &str) -> Device {
    Device::new(thing.parse().unwrap(), certificate(), settings())
}

/// What devices of these tests get.
pub(crate) fn settings() -> Settings {
    Settings::new("devices".parse().unwrap())
}

/// A certificate with a new key.
pub(crate) fn certificate() -> DeviceCertificate {
    DeviceCertificate::from_pem(certificate_pem().as_bytes()).unwrap()
}

pub(crate) fn certificate_pem() -> String {
    let issued = rcgen::generate_simple_self_signed(["device".to_owned()]).unwrap();
    issued.cert.pem()
}

/// A policy that allows everything, in a dress of its own.
pub(crate) const FULL_ACCESS: &str = "{ \"Version\": \"2012-10-17\",\n \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"iot:*\", \"Resource\": \"*\" }]}";

/// A registration by a client of its own, as one run of the command makes it.
pub(crate) async fn provision(sim: &AwsIotSim, device: &Device) -> Result<Applied, Error> {
    provisioner(sim).await.run(register(device), |_| {}).await
}

/// The plan of such a registration.
pub(crate) async fn plan(sim: &AwsIotSim, device: &Device) -> Result<Plan, Error> {
    provisioner(sim).await.plan(register(device)).await
}

pub(crate) async fn provisioner(sim: &AwsIotSim) -> Provisioner {
    Provisioner::new(&config(sim.control_plane_url()).await).unwrap()
}

pub(crate) fn register(device: &Device) -> Purpose {
    Purpose::Register(Box::new(device.clone()))
}

/// A client of the tests' own, to read back with.
pub(crate) async fn client(sim: &AwsIotSim) -> Client {
    Client::new(&config(sim.control_plane_url()).await)
}

/// What happened, step by step.
pub(crate) fn outcomes(applied: &Applied) -> Vec<&'static str> {
    applied.steps.iter().map(|step| step.describe().outcome).collect()
}

/// Runs a test's asynchronous part, as the command does.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The whole chain of an error in one line, as the command prints it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// A credential chain that ends without finding any.
#[derive(Debug)]
pub(crate) struct NoCredentials;

impl NoCredentials {
    pub(crate) fn shared() -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Self)
    }
}

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("no providers in chain")))
    }
}
