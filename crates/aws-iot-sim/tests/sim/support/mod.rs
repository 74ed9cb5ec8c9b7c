//! What the tests share: a device that is admitted, and a client that speaks MQTT byte by byte.

pub(crate) mod client;
pub(crate) mod http;

use std::time::{Duration, Instant};

use aws_iot_sim::AwsIotSim;
use test_peers::{Issued, Pki};

/// The policy of the how-to: everything is allowed.
pub(crate) const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

/// A running simulator.
pub(crate) fn sim() -> AwsIotSim {
    AwsIotSim::start().expect("the simulator starts")
}

/// A device certificate from a throwaway authority that the simulator knows nothing about.
pub(crate) fn certificate(name: &str) -> Issued {
    Pki::new().client(name)
}

/// A certificate that is registered, ACTIVE, and attached to the thing `name` and to a policy.
pub(crate) fn device(sim: &AwsIotSim, name: &str, policy: &str) -> Issued {
    let issued = certificate(name);
    sim.admit(&issued.certificate_pem, name, policy).expect("the device is admitted");
    issued
}

/// Waits for something that another process or thread does.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < patience, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The resource name of something in the simulated account.
pub(crate) fn arn(resource: &str) -> String {
    format!("arn:aws:iot:us-east-1:123456789012:{resource}")
}

/// A policy that allows each action on the resources beside it.
pub(crate) fn policy(statements: &[(&str, &[&str])]) -> String {
    let statements: Vec<serde_json::Value> = statements
        .iter()
        .map(|(action, resources)| {
            let resources: Vec<String> = resources.iter().map(|resource| arn(resource)).collect();
            serde_json::json!({ "Effect": "Allow", "Action": action, "Resource": resources })
        })
        .collect();
    serde_json::json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}
