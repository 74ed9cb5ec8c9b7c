//! `se050-iot outbox` on the store of a program that has no connection.

use std::path::Path;
use std::sync::Arc;

use aws_iot_mqtt::durable::DurableOptions;
use aws_iot_mqtt::{Client, DisconnectReason, Publication, QoS, roots, rustls};
use serde_json::Value;

use crate::support::{Operator, text};

/// Opens the store as a device does that has no network, and publishes.
fn publish(directory: &Path, messages: &[(&str, &[u8])], meanwhile: impl FnOnce()) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots::amazon())
        .with_no_client_auth();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let builder = Client::builder("localhost", "gw-1", tls).port(1);
        let builder = builder.drain_timeout(std::time::Duration::from_millis(1));
        let client = builder.durable(DurableOptions::new(directory)).start().unwrap();
        for (topic, payload) in messages {
            let message = Publication::new(*topic, QoS::AtLeastOnce, *payload).unwrap();
            client.publish_with(message.content_type("x").retain(true)).await.unwrap();
        }
        meanwhile();
        // What waits is kept.
        let _ = client.disconnect(DisconnectReason::Normal).await;
    });
}

#[test]
fn what_waits_is_counted_shown_exported_and_removed() {
    let device = Operator::new(Vec::new());
    let store = device.path("outbox");
    let directory = store.display().to_string();
    publish(&store, &[("t/1", br#"{"number": 1}"#), ("t/2", b"\xff\xfe"), ("t/3", b"")], || {
        // While a program has it, it can be looked into, and not be changed.
        let status = device.good(&["outbox", "status", &directory]);
        assert!(status.contains("in use by     process "), "{status}");
        assert!(status.contains("3 messages, 15 bytes of payload, the oldest since 20"), "{status}");
        let output = device.run(&["outbox", "clear", &directory, "--yes"]);
        assert_eq!(output.status.code(), Some(1));
        let words = text(&output.stderr);
        assert!(words.contains("is in use by process") && words.contains("one program at a time"), "{words}");
    });
    let (status, _) = device.json(&["outbox", "status", "--durable", &directory]);
    assert_eq!((&status["messages"], &status["owner"]), (&3.into(), &Value::Null));
    assert_eq!(status["totals"]["accepted"], 3);
    assert!(status["totals"]["writtenBytes"].as_u64().unwrap() > 15, "{status}");
    let shown = device.good(&["outbox", "show", &directory]);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(lines[0].contains("t/1  13 bytes  {\"number\": 1}"), "{shown}");
    assert!(lines[1].ends_with("(not text)"), "{shown}");

    let file = device.path("saved.jsonl");
    device.good(&["outbox", "export", &directory, "--output", file.to_str().unwrap()]);
    let saved = std::fs::read_to_string(&file).unwrap();
    assert_eq!(device.good(&["outbox", "export", &directory]), saved);
    let saved: Vec<Value> = saved.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&saved[0]["topic"], &saved[0]["payload"]), (&"t/1".into(), &"{\"number\": 1}".into()));
    assert_eq!((&saved[1]["payloadBase64"], &saved[1]["retain"]), (&"//4=".into(), &true.into()));
    assert_eq!(saved[2]["contentType"], "x");

    let output = device.run(&["outbox", "clear", &directory]);
    assert_eq!(output.status.code(), Some(1));
    let words = text(&output.stderr);
    assert!(words.contains("3 messages") && words.contains("--yes"), "{words}");
    device.good(&["outbox", "clear", &directory, "--yes"]);
    assert_eq!(device.good(&["outbox", "show", &directory]), "");
    let (status, _) = device.json(&["outbox", "status", &directory]);
    assert_eq!(status["messages"], 0);
}

#[test]
fn damaged_records_are_told_and_shown_once_they_are_set_aside() {
    let device = Operator::new(Vec::new());
    let store = device.path("outbox");
    let directory = store.display().to_string();
    publish(&store, &[("t/1", b"one"), ("t/2", b"two"), ("t/3", b"three")], || {});
    let mut segment = std::fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.find(|path| path.extension().is_some_and(|ending| ending == "mqo1")).unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(3).position(|three| three == b"two").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let status = device.good(&["outbox", "status", &directory]);
    assert!(status.contains("1 places, which the program sets aside"), "{status}");
    publish(&store, &[], || {});
    assert_eq!(device.good(&["outbox", "show", &directory]).lines().count(), 2);
    let aside = device.good(&["outbox", "show", "--set-aside", &directory]);
    assert!(aside.contains("bytes of file 0000000000000001 from"), "{aside}");
    assert!(aside.contains("damaged: these bytes are not what was written"), "{aside}");
    let exported = device.good(&["outbox", "export", "--set-aside", &directory]);
    assert!(exported.contains("bytesBase64"), "{exported}");
    device.good(&["outbox", "clear", "--set-aside", "--yes", &directory]);
    assert_eq!(device.good(&["outbox", "show", "--set-aside", &directory]), "");
    assert_eq!(device.good(&["outbox", "show", &directory]).lines().count(), 2);
}

#[test]
fn where_there_is_no_outbox_it_says_so_and_makes_none() {
    let device = Operator::new(Vec::new());
    let empty = device.path("");
    for arguments in [
        ["outbox", "status", empty.to_str().unwrap()],
        ["outbox", "show", "/nowhere"],
        ["outbox", "export", "/nowhere"],
        ["outbox", "clear", "/nowhere"],
    ] {
        let output = device.run(&arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let words = text(&output.stderr);
        assert!(words.contains(&format!("the durable outbox in {}", arguments[2])), "{words}");
    }
    assert!(!device.path("lock").exists());
}
