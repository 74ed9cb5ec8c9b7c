//! The cloud side: what a test publishes and sees, and the same with the AWS CLI.

use std::io::Read as _;
use std::process::Stdio;

use crate::support::client::{Client, packet, publish, publish_flagged, subscribe};
use crate::support::{ALLOW_ALL, device, policy, sim};

#[test]
fn a_test_publishes_as_the_cloud_does() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let mut client = Client::connected(&sim, &issued, "d");
    client.send(&subscribe(1, &[("to/d", 1), ("$aws/things/d/jobs/notify", 1)]));
    client.receive();
    for topic in ["to/d", "$aws/things/d/jobs/notify"] {
        sim.publish(topic, "hello").unwrap();
        let message = client.receive();
        assert_eq!(message[0], 0x32, "at QoS 1: {topic}");
        assert!(message.ends_with(b"hello"));
    }
    sim.publish_retained("kept", [0xff, 0]).unwrap();
    client.send(&subscribe(2, &[("kept", 0)]));
    assert_eq!(client.receive()[0], 0x90);
    assert!(client.receive().ends_with(&[0xff, 0]));
    let error = sim.publish("a/+", "x").unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("a/+") && cause.contains("wildcard"), "{cause}");
    assert!(sim.publish("t", vec![0; 128 * 1024 + 1]).is_err());
}

#[test]
fn a_test_sees_what_clients_published() {
    let sim = sim();
    let rules = policy(&[("iot:Connect", &["client/*"]), ("iot:Publish", &["topic/mine/*", "topic/$aws/*"])]);
    let issued = device(&sim, "d", &rules);
    let mut client = Client::connected(&sim, &issued, "d");
    client.send(&publish_flagged(0x30, "mine/a", 0, &[0x23, 0, 1], b"one"));
    client.send(&publish_flagged(0x32, "", 7, &[0x23, 0, 1], b"two"));
    client.receive();
    client.send(&publish("yours/a", 8, b"denied"));
    assert_eq!(client.receive()[4], 0x87);
    client.send(&publish("$aws/rules/r/a", 9, b"for a rule"));
    client.receive();
    let received: Vec<_> = sim
        .received()
        .into_iter()
        .map(|message| {
            (message.client_id, message.topic, String::from_utf8(message.payload).unwrap(), message.qos)
        })
        .collect();
    let of_d = |topic: &str, payload: &str, qos| ("d".to_owned(), topic.to_owned(), payload.to_owned(), qos);
    assert_eq!(
        received,
        [of_d("mine/a", "one", 0), of_d("mine/a", "two", 1), of_d("$aws/rules/r/a", "for a rule", 1)]
    );
}

#[test]
fn a_direct_message_needs_no_subscription_but_a_connection_and_the_right_to_receive() {
    let sim = sim();
    let rules = policy(&[("iot:Connect", &["client/*"]), ("iot:Receive", &["topic/open/*"])]);
    let issued = device(&sim, "d", &rules);
    let mut client = Client::connected(&sim, &issued, "d");
    sim.send_direct_message("d", "open/a", "direct").unwrap();
    let message = client.receive();
    assert_eq!(message[0], 0x32);
    assert!(message.ends_with(b"direct"));
    for (client_id, topic, word) in [("e", "open/a", "not connected"), ("d", "closed/a", "iot:Receive")] {
        let error = sim.send_direct_message(client_id, topic, "x").unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(word), "{cause}");
    }
}

#[test]
fn the_aws_cli_publishes_and_sends_direct_messages() {
    let sim = sim();
    let issued = device(&sim, "d", ALLOW_ALL);
    let Some(cli) = test_peers::aws_cli(sim.environment()) else { return };
    let mut client = Client::connected(&sim, &issued, "d");
    client.send(&subscribe(1, &[("to/d", 1)]));
    client.receive();
    let iot_data = |arguments: &[&str]| {
        let mut command = cli.command(["iot-data"].iter().chain(arguments));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let publish = iot_data(&["publish", "--topic", "to/d", "--qos", "1", "--payload", "from the CLI"]);
    let message = client.receive();
    assert!(message[0] == 0x32 && message.ends_with(b"from the CLI"), "{message:02x?}");
    client.send(&packet(0x40, &message[6..8]));
    assert!(publish.wait_with_output().unwrap().status.success());

    let direct = |client_id: &str, timeout: &str| {
        let fixed = ["send-direct-message", "--topic", "direct", "--payload", "x", "--confirmation"];
        iot_data(&[&fixed[..], &["--client-id", client_id, "--timeout", timeout]].concat())
    };
    let refused = |mut child: std::process::Child| {
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(!child.wait().unwrap().success());
        said
    };
    let confirmed = direct("d", "15");
    let message = client.receive();
    assert!(message.windows(6).any(|bytes| bytes == b"direct"), "{message:02x?}");
    // The topic is six bytes long: the packet id follows.
    client.send(&packet(0x40, &message[10..12]));
    assert!(confirmed.wait_with_output().unwrap().status.success(), "it waits for the PUBACK");
    assert!(refused(direct("nobody", "1")).contains("ResourceNotFoundException"));
    assert!(refused(direct("d", "1")).contains("GatewayTimeoutException"), "no PUBACK, no confirmation");
}
