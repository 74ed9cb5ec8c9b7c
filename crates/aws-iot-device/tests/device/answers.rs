//! Answers that come late, doubled, in another order, to others, or never; a line that is cut; a full connection.

use std::time::Duration;

use aws_iot_device::{Error, Shadow, ShadowUpdate};
use aws_iot_mqtt::QoS;
use serde_json::{Value, json};

use crate::support::cloud::Cloud;
use crate::support::line::Line;
use crate::support::{block_on, client};

const GET: &str = "$aws/things/device-1/shadow/get";
const UPDATE: &str = "$aws/things/device-1/shadow/update";

/// As the service answers a `get`.
fn accepted(token: &Value, version: u64) -> Value {
    json!({"state": {"reported": {"on": true}}, "version": version, "timestamp": 1, "clientToken": token})
}

#[test]
fn an_answer_is_that_of_this_request_and_no_other() {
    let cloud = Cloud::new();
    block_on(async {
        let client = cloud.client().connect().await.unwrap();
        let mut shadow = Shadow::classic(&client, "device-1").unwrap();
        let service = async {
            let first = cloud.request(GET, 0).await["clientToken"].clone();
            // Those of others come before.
            cloud.say(&format!("{GET}/accepted"), accepted(&json!("of another"), 1));
            cloud.say(
                &format!("{GET}/rejected"),
                json!({"code": 404, "message": "", "clientToken": "of another"}),
            );
            cloud.say(&format!("{GET}/accepted"), json!({"state": {}, "version": 2}));
            cloud.sim.publish(&format!("{GET}/accepted"), "no JSON").unwrap();
            cloud.say(&format!("{GET}/rejected"), json!({"code": 400, "message": "somebody sent no JSON"}));
            cloud.say(&format!("{UPDATE}/accepted"), accepted(&first, 3));
            cloud.say(&format!("{GET}/accepted"), accepted(&first, 4));
            cloud.say(&format!("{GET}/accepted"), accepted(&first, 4));
            let second = cloud.request(GET, 1).await["clientToken"].clone();
            assert_ne!(first, second);
            cloud.say(&format!("{GET}/accepted"), accepted(&first, 5));
            cloud.say(&format!("{GET}/accepted"), accepted(&second, 6));
        };
        let device = async {
            assert_eq!(shadow.get::<Value>().await.unwrap().version, 4);
            assert_eq!(shadow.get::<Value>().await.unwrap().version, 6);
        };
        tokio::join!(service, device);
    });
}

#[test]
fn no_answer_is_an_error_in_time_and_a_refusal_without_a_token_says_why() {
    let cloud = Cloud::new();
    block_on(async {
        let client = cloud.client().connect().await.unwrap();
        let mut shadow = Shadow::classic(&client, "device-1").unwrap().timeout(Duration::from_secs(4));
        let error = shadow.get::<Value>().await.unwrap_err();
        assert!(matches!(error, Error::NoAnswer { offline: None, .. }) && error.is_transient(), "{error:?}");
        assert!(error.to_string().contains("thing 'device-1'"), "{error}");
        let throttle = async {
            cloud.request(GET, 1).await;
            cloud.say(&format!("{GET}/rejected"), json!({"code": 429, "message": "Too many requests"}));
        };
        let (error, ()) = tokio::join!(shadow.get::<Value>(), throttle);
        let error = error.unwrap_err();
        assert!(error.to_string().contains("429: Too many requests") && error.is_transient(), "{error}");
        let nonsense = async {
            cloud.request(GET, 2).await;
            cloud.sim.publish(&format!("{GET}/accepted"), [0xff]).unwrap();
        };
        let (error, ()) = tokio::join!(shadow.get::<Value>(), nonsense);
        assert!(matches!(error, Err(Error::Answer { .. })), "{error:?}");
    });
}

#[test]
fn a_request_whose_answer_went_down_with_the_line_is_answered_after_the_reconnect() {
    let cloud = Cloud::new();
    let line = Line::to(cloud.sim.port());
    block_on(async {
        let client = client(line.port(), "device-1", cloud.tls()).connect().await.unwrap();
        let mut shadow = Shadow::classic(&client, "device-1").unwrap();
        let service = async {
            let token = cloud.request(GET, 0).await["clientToken"].clone();
            line.cut();
            cloud.say(&format!("{GET}/accepted"), accepted(&token, 1));
            line.mend();
            // The same request, with the same token.
            assert_eq!(cloud.request(GET, 1).await["clientToken"], token);
            cloud.say(&format!("{GET}/accepted"), accepted(&token, 2));
        };
        let (document, ()) = tokio::join!(shadow.get::<Value>(), service);
        assert_eq!(document.unwrap().version, 2);
    });
}

#[test]
fn an_update_of_one_version_is_not_sent_again_after_a_cut() {
    let cloud = Cloud::new();
    let line = Line::to(cloud.sim.port());
    block_on(async {
        let client = client(line.port(), "device-1", cloud.tls()).connect().await.unwrap();
        let mut shadow = Shadow::classic(&client, "device-1").unwrap().timeout(Duration::from_secs(5));
        let update = ShadowUpdate::new().reported(&json!({"on": true})).unwrap().version(7);
        let service = async {
            assert_eq!(cloud.request(UPDATE, 0).await["version"], 7);
            // Only after the PUBACK is it sure that MQTT has nothing to repeat.
            while client.statistics().acknowledged == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            line.cut();
            line.mend();
        };
        let (error, ()) = tokio::join!(shadow.update(&update), service);
        assert!(matches!(error, Err(Error::NoAnswer { .. })), "{error:?}");
        assert_eq!(cloud.requests(UPDATE), 1);
    });
}

#[test]
fn without_a_connection_the_error_says_so() {
    let cloud = Cloud::new();
    let line = Line::to(cloud.sim.port());
    line.cut();
    block_on(async {
        let client = client(line.port(), "device-1", cloud.tls()).start().unwrap();
        let mut shadow = Shadow::classic(&client, "device-1").unwrap().timeout(Duration::from_secs(3));
        let error = shadow.get::<Value>().await.unwrap_err();
        assert!(matches!(error, Error::NoAnswer { offline: Some(_), .. }), "{error:?}");
        assert!(error.to_string().contains("there is no connection"), "{error}");
        line.mend();
        // The same value works when there is one.
        let mut shadow = shadow.timeout(crate::support::PATIENCE);
        let service = async {
            let token = cloud.request(GET, 0).await["clientToken"].clone();
            cloud.say(&format!("{GET}/accepted"), accepted(&token, 1));
        };
        let (document, ()) = tokio::join!(shadow.get::<Value>(), service);
        assert_eq!(document.unwrap().version, 1);
    });
}

#[test]
fn with_fifty_subscriptions_in_use_the_first_request_says_so_and_the_others_go_on() {
    let cloud = Cloud::new();
    block_on(async {
        let client = cloud.client().connect().await.unwrap();
        let mut held = Vec::new();
        for number in 0..49 {
            held.push(client.subscribe(format!("t/{number}"), QoS::AtLeastOnce).await.unwrap());
        }
        let mut shadow = Shadow::classic(&client, "device-1").unwrap();
        let error = shadow.get::<Value>().await.unwrap_err();
        let Error::Mqtt { source, .. } = &error else { panic!("{error:?}") };
        assert!(matches!(**source, aws_iot_mqtt::Error::Limit { .. }), "{source}");
        assert!(client.subscribe("t/0", QoS::AtLeastOnce).await.is_ok(), "an old one is still there");
        // With room for its two, it works.
        held.truncate(48);
        client.unsubscribe("t/48").await.unwrap();
        let service = async {
            let token = cloud.request(GET, 0).await["clientToken"].clone();
            cloud.say(&format!("{GET}/accepted"), accepted(&token, 1));
        };
        let (document, ()) = tokio::join!(shadow.get::<Value>(), service);
        assert_eq!(document.unwrap().version, 1);
        // A second one of the same shadow shares them.
        let mut second = Shadow::classic(&client, "device-1").unwrap();
        let service = async {
            let token = cloud.request(GET, 1).await["clientToken"].clone();
            cloud.say(&format!("{GET}/accepted"), accepted(&token, 2));
        };
        let (document, ()) = tokio::join!(second.get::<Value>(), service);
        assert_eq!(document.unwrap().version, 2);
    });
}
