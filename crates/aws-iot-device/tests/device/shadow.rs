//! Device Shadow, against ministack, with AWS's device SDK beside it.

use aws_iot_device::{Error, Shadow, ShadowErrorCode, ShadowUpdate};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::ministack::Account;
use crate::support::{block_on, soon};

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lamp {
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u8>,
}

const GET_AND_UPDATE: &str = r#"
shadow = iotshadow.IotShadowClientV2(client, options)
seen = shadow.get_named_shadow(
    iotshadow.GetNamedShadowRequest(thing_name=thing, shadow_name="lamp", client_token="python")
).result(PATIENCE)
updated = shadow.update_named_shadow(iotshadow.UpdateNamedShadowRequest(
    thing_name=thing, shadow_name="lamp", client_token="python-2", state=iotshadow.ShadowState(desired={"level": 9})
)).result(PATIENCE)
end({"desired": seen.state.desired, "reported": seen.state.reported, "delta": seen.state.delta,
     "version": seen.version, "updated": updated.version})
"#;

#[test]
fn get_update_delete_and_delta_of_classic_and_named_shadows() {
    let Some(account) = Account::new() else { return };
    let device = account.device("lamp-1");
    block_on(async {
        let client = account.client("lamp-1", &device).connect().await.unwrap();
        let classic = Shadow::classic(&client, "lamp-1").unwrap();
        let named = Shadow::named(&client, "lamp-1", "lamp").unwrap();
        for mut shadow in [classic, named] {
            let none = shadow.get::<Value>().await.unwrap_err();
            assert!(none.is_not_found() && none.to_string().contains("thing 'lamp-1'"), "{none}");
            assert!(shadow.delete().await.unwrap_err().is_not_found());
            let mut deltas = shadow.deltas().await.unwrap();
            let reported = Lamp { on: Some(false), level: None };
            assert_eq!(shadow.update(&ShadowUpdate::new().reported(&reported).unwrap()).await.unwrap(), 1);
            let desired = ShadowUpdate::new().desired(&json!({"on": true})).unwrap();
            assert_eq!(shadow.update(&desired.clone().version(1)).await.unwrap(), 2);
            let delta = soon(deltas.next::<Lamp>()).await.unwrap().unwrap();
            assert_eq!((delta.state, delta.version), (Lamp { on: Some(true), level: None }, 2));
            let conflict = shadow.update(&desired.version(1)).await.unwrap_err();
            assert!(conflict.is_version_conflict() && conflict.to_string().contains("409"), "{conflict}");
            let document = shadow.get::<Lamp>().await.unwrap();
            assert_eq!(document.version, 2);
            assert_eq!(document.state.reported, Some(reported));
            assert_eq!(document.state.delta, Some(Lamp { on: Some(true), level: None }));
            assert!(document.metadata["desired"]["on"]["timestamp"].is_u64());
            let unfit = shadow.get::<Vec<u8>>().await.unwrap_err();
            assert!(matches!(unfit, Error::State { .. }), "{unfit}");
        }

        // Each of the two shadows saw only its own.
        let mut named = Shadow::named(&client, "lamp-1", "lamp").unwrap();
        client.disconnect(Default::default()).await.unwrap();
        let Some(theirs) = account.awsiotsdk("lamp-1", &device, GET_AND_UPDATE, &[]) else { return };
        let expected = json!({"desired": {"on": true}, "reported": {"on": false}, "delta": {"on": true}, "version": 2, "updated": 3});
        assert_eq!(theirs, expected, "what AWS's SDK sees of it");
        drop(named);
        let client = account.client("lamp-1", &device).connect().await.unwrap();
        named = Shadow::named(&client, "lamp-1", "lamp").unwrap();
        let document = named.get::<Value>().await.unwrap();
        assert_eq!((document.version, document.state.desired), (3, Some(json!({"on": true, "level": 9}))));
        named.delete().await.unwrap();
        assert!(named.get::<Value>().await.unwrap_err().is_not_found());
    });
}

#[test]
fn a_policy_that_does_not_allow_it_is_an_error_that_names_the_topic_and_not_silence() {
    let Some(account) = Account::new() else { return };
    let device = account.device("lamp-1");
    block_on(async {
        let client = account.client("lamp-1", &device).connect().await.unwrap();
        let mut of_another = Shadow::classic(&client, "lamp-2").unwrap();
        let error = of_another.get::<Value>().await.unwrap_err();
        let Error::Mqtt { action, source } = &error else { panic!("{error:?}") };
        assert!(action.contains("lamp-2"), "{action}");
        assert!(source.to_string().contains("$aws/things/lamp-2/shadow/"), "{source}");
    });
}

#[test]
fn what_is_too_large_or_no_name_is_not_sent() {
    let cloud = crate::support::cloud::Cloud::new();
    block_on(async {
        let client = cloud.client().connect().await.unwrap();
        for (thing, shadow) in [("", "s"), ("a/b", "s"), ("t", ""), ("t", "+"), ("#", "s")] {
            assert!(
                matches!(Shadow::named(&client, thing, shadow), Err(Error::Name { .. })),
                "{thing} {shadow}"
            );
        }
        let mut shadow = Shadow::classic(&client, "device-1").unwrap();
        let update = ShadowUpdate::new().reported(&json!({"log": "x".repeat(8192)})).unwrap();
        let error = shadow.update(&update).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 8192, .. }), "{error}");
        assert!(cloud.sim.received().is_empty());
    });
}

#[test]
fn each_code_of_aws_has_its_name() {
    for (code, name) in [
        (400, ShadowErrorCode::BadRequest),
        (401, ShadowErrorCode::Unauthorized),
        (403, ShadowErrorCode::Forbidden),
        (404, ShadowErrorCode::NotFound),
        (409, ShadowErrorCode::Conflict),
        (413, ShadowErrorCode::PayloadTooLarge),
        (415, ShadowErrorCode::UnsupportedMediaType),
        (429, ShadowErrorCode::TooManyRequests),
        (500, ShadowErrorCode::Internal),
        (418, ShadowErrorCode::Other(418)),
    ] {
        assert_eq!((ShadowErrorCode::from(code), name.to_string()), (name, code.to_string()));
    }
}
