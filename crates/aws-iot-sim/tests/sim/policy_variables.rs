//! Policies that look at the certificate and at what CONNECT asks for, from registration to the answer on the wire.

use std::fs;
use std::process::Command;

use aws_iot_sim::AwsIotSim;
use serde_json::json;
use test_peers::{Issued, output_of};

use crate::support::client::{Client, Tls, connect, connect_kept, connect_with, publish};
use crate::support::sim;

/// The reason code of the CONNACK.
fn connack(sim: &AwsIotSim, issued: &Issued, packet: &[u8]) -> u8 {
    let mut client = Client::open(sim, &Tls::of(issued)).unwrap();
    client.send(packet);
    client.receive()[3]
}

#[test]
fn a_policy_takes_names_from_the_certificate() {
    let Some(openssl) = test_peers::program("openssl") else { return };
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key.pem");
    let mut command = Command::new(openssl);
    command.args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.args(["-subj", "/C=JP/O=Acme/OU=a/OU=b/CN=device-7/serialNumber=0042", "-keyout"]).arg(&key);
    let certificate_pem = String::from_utf8(output_of(&mut command)).unwrap();
    let issued = Issued { certificate_pem, key_pem: fs::read_to_string(key).unwrap() };
    let resource = |text: &str| format!("arn:aws:iot:us-east-1:123456789012:{text}");
    let document = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "iot:Connect",
          "Resource": resource("client/${iot:Certificate.Subject.CommonName}") },
        { "Effect": "Allow", "Action": "iot:Publish", "Resource": [
            resource("topic/${iot:Certificate.Issuer.Country}/${iot:Certificate.Subject.SerialNumber}"),
            // It has two, so the variable has no value.
            resource("topic/unit/${iot:Certificate.Subject.OrganizationalUnit}"),
            resource("topic/id/${iot:CertificateId}"),
        ] },
    ] });
    let sim = sim();
    let id = sim.admit(&issued.certificate_pem, "thing", &document.to_string()).unwrap();
    assert_eq!(connack(&sim, &issued, &connect("device-8", 60)), 0x87);
    let mut client = Client::connected(&sim, &issued, "device-7");
    let by_id = format!("id/{id}");
    for (topic, allowed) in
        [("JP/0042", true), ("JP/0043", false), ("unit/a", false), ("unit/b", false), (&by_id, true)]
    {
        client.send(&publish(topic, 1, b"x"));
        assert_eq!(client.receive().get(4).is_none(), allowed, "{topic}");
    }
}

#[test]
fn a_policy_decides_whether_a_session_is_kept() {
    let sim = sim();
    let issued = crate::support::certificate("d");
    let document = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "iot:Connect", "Resource": "*",
        "Condition": { "ForAllValues:StringEquals": { "iot:ConnectAttributes": ["LastWill"] } },
    }] });
    sim.admit(&issued.certificate_pem, "d", &document.to_string()).unwrap();
    let cases = [
        ("plain", connect("d", 60), 0),
        ("with a will", connect_with("d", 60, &[], Some(("t", "x"))), 0),
        ("a session that is kept", connect_kept("d", true, 60), 0x87),
        ("an earlier session", connect_kept("d", false, 0), 0x87),
    ];
    for (name, packet, code) in cases {
        assert_eq!(connack(&sim, &issued, &packet), code, "{name}");
    }
}
