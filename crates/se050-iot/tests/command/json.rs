//! `--json`: one object on standard output and nothing else, of the shape that the README tells.

use se050_sim::Chip;
use serde_json::Value;

use crate::support::{Operator, members, text};

#[test]
fn cert_export_and_enroll_tell_what_they_read_and_made() {
    let device = Operator::new(Vec::new());
    let chip = Chip::create(&device.path("chip")).unwrap();
    let module = chip.module().display().to_string();
    let key = ["--pkcs11-lib", &module, "--key-label", "sss:100100F0"];

    let export = [&["cert", "export"], &key[..]].concat();
    let (exported, status) = device.json(&export);
    assert_eq!(status, Some(0));
    let shape = ["certificateId", "certificatePem", "file", "keyKind", "keyLabel", "subject"];
    assert_eq!(members(&exported), shape);
    assert_eq!((&exported["keyLabel"], &exported["file"]), (&"sss:100100F0".into(), &Value::Null));
    let pem = text(&device.run(&export).stdout);
    assert_eq!(exported["certificatePem"], pem);

    let enroll = [&["enroll", "--serial", "0001", "--nonce", "order 7"], &key[..]].concat();
    let (enrolled, status) = device.json(&[&enroll[..], &["--output", "0001.json"]].concat());
    assert_eq!(status, Some(0));
    let shape = ["bundle", "certificateId", "file", "keyLabel", "proofScheme", "subject"];
    assert_eq!(members(&enrolled), shape);
    assert_eq!(enrolled["subject"], serde_json::json!({"serial": "0001"}));
    assert_eq!(enrolled["certificateId"], exported["certificateId"]);
    assert_eq!(
        (&enrolled["file"], &enrolled["proofScheme"]),
        (&"0001.json".into(), &"rsa_pkcs1_sha256".into())
    );
    let written = std::fs::read(device.path("0001.json")).unwrap();
    assert_eq!(enrolled["bundle"], serde_json::from_slice::<Value>(&written).unwrap());

    // Without a file the bundle is in the object alone.
    let (enrolled, _) = device.json(&enroll);
    assert_eq!((&enrolled["file"], &enrolled["bundle"]["version"]), (&Value::Null, &1.into()));
    let refused =
        device.run(&["enroll", "--serial", "1", "--json", "--pkcs11-lib", &module, "--key-label", "nobody"]);
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{}", text(&refused.stdout));
}

#[cfg(feature = "provision")]
#[test]
fn plans_lists_and_policies_are_one_object_each() {
    let sim = aws_iot_sim::AwsIotSim::start().unwrap();
    let operator = Operator::new(sim.environment());
    operator.write("bundles/a.json", crate::support::Device::new().bundle("a"));
    operator.write("bundles/b.json", "{");

    let fleet = ["--fleet", "bundles", "--thing-name", "gw-{serial}"];
    let (plan, status) = operator.json(&[&["provision", "plan"], &fleet[..]].concat());
    assert_eq!((status, members(&plan)), (Some(4), vec!["account", "changes", "devices", "region"]));
    let devices = plan["devices"].as_array().unwrap();
    assert_eq!(
        members(&devices[0]),
        ["certificateId", "changes", "identity", "source", "steps", "thingName", "warnings"]
    );
    assert_eq!((&devices[0]["thingName"], &devices[0]["changes"]), (&"gw-a".into(), &true.into()));
    assert_eq!(members(&devices[1]), ["error", "source"]);
    assert!(devices[1]["error"].as_str().unwrap().contains("cut short"), "{plan}");

    let (report, status) = operator.json(&[&["provision", "apply"], &fleet[..]].concat());
    assert_eq!(
        (status, members(&report)),
        (Some(4), vec!["account", "complete", "devices", "region", "summary"])
    );
    assert_eq!(
        members(&report["devices"][0]),
        [
            "certificateId",
            "done",
            "endpoint",
            "error",
            "identity",
            "result",
            "source",
            "thingName",
            "warnings"
        ]
    );
    let (removal, status) = operator.json(&["deprovision", "--thing-name", "gw-a", "--yes"]);
    assert_eq!(
        (status, members(&removal)),
        (Some(0), vec!["account", "done", "region", "steps", "thingName", "warnings"])
    );

    let generate = ["policy", "generate", "--account", "123456789012", "--region", "eu-west-1", "--shadow"];
    let (policy, status) = operator.json(&generate);
    assert_eq!(
        (status, members(&policy)),
        (Some(0), vec!["accountCommands", "characters", "charactersAllowed", "policyDocument"])
    );
    let printed = operator.good(&generate);
    assert_eq!(policy["policyDocument"], serde_json::from_str::<Value>(&printed).unwrap());
    assert_eq!(policy["characters"], printed.chars().filter(|c| !c.is_whitespace()).count());
}
