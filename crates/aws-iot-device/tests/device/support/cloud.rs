//! A service of AWS IoT that follows a script: the simulated broker, with the test as the cloud behind it.

use std::time::Duration;

use aws_iot_mqtt::Builder;
use aws_iot_sim::AwsIotSim;
use serde_json::Value;
use test_peers::{Issued, Pki};

use super::{PATIENCE, client, tls};

/// The policy of the how-to: everything is allowed.
pub(crate) const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

pub(crate) struct Cloud {
    pub(crate) sim: AwsIotSim,
    pub(crate) device: Issued,
}

impl Cloud {
    /// With the thing `device-1`, which may do all.
    pub(crate) fn new() -> Self {
        Self::with_policy(ALLOW_ALL)
    }

    /// With the thing `device-1`, whose certificate has that policy.
    pub(crate) fn with_policy(policy: &str) -> Self {
        let sim = AwsIotSim::start().unwrap();
        let device = Pki::new().client("device-1");
        sim.admit(&device.certificate_pem, "device-1", policy).unwrap();
        Self { sim, device }
    }

    pub(crate) fn tls(&self) -> rustls::ClientConfig {
        tls(&self.device, self.sim.ca_pem())
    }

    pub(crate) fn client(&self) -> Builder {
        client(self.sim.port(), "device-1", self.tls())
    }

    /// The `number`th request (from 0) that the device has published to that topic, once it is there.
    pub(crate) async fn request(&self, topic: &str, number: usize) -> Value {
        let waited = async {
            loop {
                let all = self.sim.received();
                if let Some(request) = all.iter().filter(|received| received.topic == topic).nth(number) {
                    return serde_json::from_slice(&request.payload).unwrap();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waited)
            .await
            .unwrap_or_else(|_| panic!("no request {number} to {topic}"))
    }

    /// Publishes as the service does.
    pub(crate) fn say(&self, topic: &str, payload: Value) {
        self.sim.publish(topic, payload.to_string()).unwrap();
    }

    /// How many requests the device has published to that topic.
    pub(crate) fn requests(&self, topic: &str) -> usize {
        self.sim.received().iter().filter(|received| received.topic == topic).count()
    }
}
