//! The simulated AWS IoT Core, and a device that it knows.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use aws_iot_mqtt::Builder;
use aws_iot_sim::AwsIotSim;
use rustls::{ClientConfig, SupportedProtocolVersion};
use test_peers::{Issued, Pki};

use super::{BOTH_VERSIONS, client, lasting, tls};

/// The policy of the how-to: everything is allowed.
pub(crate) const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

pub(crate) struct Cloud {
    pub(crate) sim: AwsIotSim,
    pub(crate) device: Issued,
    certificate_id: String,
}

impl Cloud {
    /// With the thing `device-1`, whose certificate has that policy.
    pub(crate) fn new(policy: &str) -> Self {
        let sim = AwsIotSim::start().unwrap();
        let device = Pki::new().client("device-1");
        let certificate_id = sim.admit(&device.certificate_pem, "device-1", policy).unwrap();
        Self { sim, device, certificate_id }
    }

    pub(crate) fn tls(&self) -> ClientConfig {
        self.tls_of(&self.device, BOTH_VERSIONS)
    }

    pub(crate) fn tls_of(
        &self,
        device: &Issued,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        tls(device, self.sim.ca_pem(), versions)
    }

    /// A client that ends with its connection.
    pub(crate) fn client(&self, id: &str) -> Builder {
        client(self.sim.port(), id, self.tls())
    }

    /// A client that connects again.
    pub(crate) fn lasting(&self, id: &str) -> Builder {
        lasting(self.sim.port(), id, self.tls())
    }

    /// `aws iot update-certificate --new-status`, for the device's certificate.
    pub(crate) fn update_certificate(&self, status: &str) {
        let address = self.sim.control_plane_url().strip_prefix("http://").unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        let path = format!("/certificates/{}?newStatus={status}", self.certificate_id);
        // The simulator wants a signature and does not verify it.
        let authorization =
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261122/us-east-1/iot/aws4_request";
        let request = format!(
            "PUT {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}, Signature=0\r\nContent-Length: \
             0\r\nConnection: close\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
