//! A device that follows its shadow.

use aws_iot_device::{Shadow, ShadowUpdate};
use serde_json::{Value, json};

use crate::support::line::Line;
use crate::support::ministack::Account;
use crate::support::{block_on, client, soon, tls};

#[test]
fn changes_made_while_the_device_was_offline_are_found_and_reports_arrive_late() {
    let Some(account) = Account::new() else { return };
    let device = account.device("lamp-1");
    let line = Line::to(account.ministack.mqtt_port());
    let ca = std::fs::read_to_string(account.ministack.ca_file()).unwrap();
    let set = |state: Value| {
        let payload = json!({ "state": state }).to_string();
        let file = tempfile::NamedTempFile::new().unwrap();
        let arguments = ["iot-data", "update-thing-shadow", "--thing-name", "lamp-1"];
        let outfile = file.path().to_str().unwrap();
        let output = test_peers::output_of(
            &mut account.command(&[&arguments[..], &["--payload", &payload, outfile]].concat()),
        );
        drop(output);
    };
    block_on(async {
        let client = client(line.port(), "lamp-1", tls(&device, &ca)).connect().await.unwrap();
        let mut sync = Shadow::classic(&client, "lamp-1").unwrap().sync();
        sync.report(&json!({"on": false, "level": 1})).unwrap();
        set(json!({"desired": {"on": true}}));
        assert_eq!(soon(sync.next::<Value>()).await.unwrap(), Some(json!({"on": true})));

        // Offline: two changes by others, and one of the device's own.
        line.cut();
        set(json!({"desired": {"level": 5}}));
        set(json!({"desired": {"level": 7}, "reported": {"of others": 1}}));
        sync.report(&json!({"on": true})).unwrap();
        line.mend();
        // What is desired now, once.
        let mut seen = json!({});
        while seen.get("level") != Some(&json!(7)) {
            seen = soon(sync.next::<Value>()).await.unwrap().unwrap();
        }
        sync.report(&json!({"level": 7})).unwrap();
        // It is told no more; the report is sent meanwhile.
        let quiet = tokio::time::timeout(std::time::Duration::from_secs(3), sync.next::<Value>()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        let document = sync.shadow().get::<Value>().await.unwrap();
        assert_eq!(document.state.reported, Some(json!({"on": true, "level": 7, "of others": 1})));
        assert_eq!(document.state.delta, None);

        // Somebody removes the shadow while the device is away: it reports again.
        line.cut();
        account
            .command(&["iot-data", "delete-thing-shadow", "--thing-name", "lamp-1", "/dev/null"])
            .output()
            .unwrap();
        line.mend();
        let reported = async {
            let mut other = Shadow::classic(&client, "lamp-1").unwrap();
            loop {
                match other.get::<Value>().await {
                    Ok(document) if document.state.reported.is_some() => {
                        break document.state.reported.unwrap();
                    }
                    _ => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
                }
            }
        };
        tokio::select! {
            reported = soon(reported) => assert_eq!(reported, json!({"on": true, "level": 7})),
            change = sync.next::<Value>() => panic!("{change:?}"),
        }
        client.disconnect(Default::default()).await.unwrap();
        assert_eq!(soon(sync.next::<Value>()).await.unwrap(), None, "the client is at its end");
    });
}

#[test]
fn a_device_that_cannot_do_what_is_desired_is_not_told_in_an_endless_loop() {
    let Some(account) = Account::new() else { return };
    let device = account.device("lamp-1");
    block_on(async {
        let client = account.client("lamp-1", &device).connect().await.unwrap();
        let mut sync = Shadow::named(&client, "lamp-1", "lamp").unwrap().sync();
        let desired = ShadowUpdate::new().desired(&json!({"level": 300})).unwrap();
        sync.shadow().update(&desired).await.unwrap();
        assert_eq!(soon(sync.next::<Value>()).await.unwrap(), Some(json!({"level": 300})));
        // As far as it can; AWS IoT publishes the difference again.
        sync.report(&json!({"level": 255})).unwrap();
        let quiet = tokio::time::timeout(std::time::Duration::from_secs(3), sync.next::<Value>()).await;
        assert!(quiet.is_err(), "{quiet:?}");
        // A new wish is told.
        sync.shadow().update(&ShadowUpdate::new().desired(&json!({"level": 100})).unwrap()).await.unwrap();
        assert_eq!(soon(sync.next::<Value>()).await.unwrap(), Some(json!({"level": 100})));
        // A type that does not fit is an error, and the next change is told.
        sync.shadow().update(&ShadowUpdate::new().desired(&json!({"level": "high"})).unwrap()).await.unwrap();
        assert!(soon(sync.next::<std::collections::BTreeMap<String, u16>>()).await.is_err());
        sync.shadow().update(&ShadowUpdate::new().desired(&json!({"level": 9})).unwrap()).await.unwrap();
        let next = soon(sync.next::<std::collections::BTreeMap<String, u16>>()).await.unwrap().unwrap();
        assert_eq!(next["level"], 9);
    });
}
