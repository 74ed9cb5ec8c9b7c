//! Eclipse paho (Python) as a judge: whether it understands what the broker sends, property by property.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use test_peers::output_of;

use crate::support::{device, policy, sim};

#[test]
fn paho_understands_every_answer() {
    let Some(mut python) = test_peers::python("paho.mqtt") else { return };
    let sim = sim();
    let rules = policy(&[
        ("iot:Connect", &["client/paho"]),
        ("iot:Subscribe", &["topicfilter/open/*"]),
        ("iot:Publish", &["topic/open/*"]),
        ("iot:RetainPublish", &["topic/open/*"]),
        ("iot:Receive", &["topic/open/*"]),
    ]);
    let issued = device(&sim, "paho", &rules);
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let seen = script(
        python
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sim/paho_client.py"))
            .arg(sim.port().to_string())
            .arg(sim.ca_file())
            .arg(file("cert.pem", &issued.certificate_pem))
            .arg(file("key.pem", &issued.key_pem)),
    );
    let [code, session_present, properties] = &array::<3>(&seen["connack"]);
    assert_eq!((code, session_present), (&json!("Success"), &json!(false)));
    let promised = json!({
        "ServerKeepAlive": 45, "ReceiveMaximum": 100, "MaximumQoS": 1, "RetainAvailable": 1,
        "MaximumPacketSize": 149_504, "TopicAliasMaximum": 8, "WildcardSubscriptionAvailable": 1,
        "SubscriptionIdentifierAvailable": 0, "SharedSubscriptionAvailable": 1,
    });
    assert_eq!(*properties, promised);
    assert_eq!(seen["suback"], json!(["Granted QoS 1", "Not authorized", "Topic filter invalid"]));
    assert_eq!(seen["puback"], "Success");
    let [topic, payload, qos, retain, properties] = &array::<5>(&seen["message"]);
    assert_eq!([topic, payload, qos, retain], [&json!("open/a"), &json!("hello"), &json!(1), &json!(true)]);
    let mut properties = properties.clone();
    let left = properties.as_object_mut().unwrap().remove("MessageExpiryInterval").unwrap();
    assert!((1..=300).contains(&left.as_u64().unwrap()), "{left}");
    let passed_on = json!({
        "ContentType": "text/plain", "ResponseTopic": "open/answer", "CorrelationData": "00ff",
        "PayloadFormatIndicator": 1, "UserProperty": [["k", "one"], ["k", "two"]],
    });
    assert_eq!(properties, passed_on);
    assert_eq!(seen["denied"], "Not authorized");
    assert_eq!(seen["unsuback"], json!(["Success", "No subscription found"]));
    assert_eq!(seen["disconnect"], "Not authorized");
}

fn script(command: &mut Command) -> Value {
    serde_json::from_slice(&output_of(command)).unwrap()
}

fn array<const N: usize>(value: &Value) -> [Value; N] {
    value.as_array().unwrap().clone().try_into().unwrap()
}
