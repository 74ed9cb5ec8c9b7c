//! A service that follows a script: mosquitto, with the test as AWS IoT behind it.

use aws_iot_mqtt::{Builder, Client, QoS, Subscription};
use serde_json::Value;
use test_peers::{Mosquitto, Pki, TlsVersion};

use super::{client, soon, tls};

pub(crate) struct Script {
    broker: Mosquitto,
    pki: Pki,
}

/// AWS IoT's end of the requests to one topic.
pub(crate) struct Service {
    client: Client,
    requests: Subscription,
}

impl Script {
    /// `None` where mosquitto is missing.
    pub(crate) fn new() -> Option<Self> {
        let pki = Pki::new();
        let broker = Mosquitto::start(&pki.ca_pem(), TlsVersion::Any)?;
        Some(Self { broker, pki })
    }

    pub(crate) fn port(&self) -> u16 {
        self.broker.port()
    }

    pub(crate) fn client(&self, id: &str) -> Builder {
        self.client_on(self.port(), id)
    }

    /// A client that reaches the broker by another port.
    pub(crate) fn client_on(&self, port: u16, id: &str) -> Builder {
        client(port, id, tls(&self.pki.client(id), self.broker.server_ca_pem()))
    }

    /// Takes the requests under that filter.
    pub(crate) async fn service(&self, filter: &str) -> Service {
        let id = format!("aws-{}", filter.replace(['/', '+', '$'], "-"));
        let client = self.client(&id).connect().await.unwrap();
        let requests = client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        Service { client, requests }
    }
}

impl Service {
    /// The next request: its topic, and what it says.
    pub(crate) async fn request(&mut self) -> (String, Value) {
        let message = soon(self.requests.next()).await.unwrap();
        let request = serde_json::from_slice(&message.payload).unwrap();
        (message.topic.as_str().to_owned(), request)
    }

    pub(crate) async fn say(&self, topic: &str, payload: &Value) {
        self.client.publish(topic, QoS::AtLeastOnce, payload.to_string()).await.unwrap();
    }
}
