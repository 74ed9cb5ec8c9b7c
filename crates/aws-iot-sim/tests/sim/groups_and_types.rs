//! Thing groups, thing types and the account, with AWS's errors.

use aws_iot_sim::AwsIotSim;
use serde_json::json;
use test_peers::output_of;

use crate::support::client::{Client, Tls};
use crate::support::http::{call, done, refused};
use crate::support::packets::connect;
use crate::support::{ALLOW_ALL, arn, certificate, sim};

#[test]
fn groups_are_created_once_and_hold_things() {
    let sim = sim();
    let properties = json!({ "thingGroupProperties": { "thingGroupDescription": "one" } });
    let group = call(&sim, "POST", "/thing-groups/g", Some(&properties));
    done(&group);
    assert_eq!(group.body["thingGroupArn"], arn("thinggroup/g"));
    let again = call(&sim, "POST", "/thing-groups/g", Some(&properties));
    assert_eq!(again.body, group.body, "the same configuration is the same group");
    let other = call(&sim, "POST", "/thing-groups/g", None);
    refused(&other, 409, "ResourceAlreadyExistsException");
    assert_eq!(other.body["resourceArn"], arn("thinggroup/g"));
    let orphan = json!({ "parentGroupName": "none" });
    refused(&call(&sim, "POST", "/thing-groups/h", Some(&orphan)), 400, "InvalidRequestException");
    done(&call(&sim, "POST", "/thing-groups/h", Some(&json!({ "parentGroupName": "g" }))));
    refused(&call(&sim, "DELETE", "/thing-groups/g", None), 400, "InvalidRequestException");
    refused(&call(&sim, "GET", "/thing-groups/none", None), 404, "ResourceNotFoundException");
    let described = call(&sim, "GET", "/thing-groups/g", None);
    assert_eq!(described.body["thingGroupProperties"]["thingGroupDescription"], "one");

    let add = |group: &str, thing: &str| {
        let body = json!({ "thingGroupName": group, "thingName": thing });
        call(&sim, "PUT", "/thing-groups/addThingToThingGroup", Some(&body))
    };
    refused(&add("g", "t"), 404, "ResourceNotFoundException");
    done(&call(&sim, "POST", "/things/t", None));
    refused(&add("none", "t"), 404, "ResourceNotFoundException");
    done(&add("g", "t"));
    done(&add("g", "t"));
    done(&add("h", "t"));
    let groups = call(&sim, "GET", "/things/t/thing-groups", None);
    let entry = |name: &str| json!({ "groupName": name, "groupArn": arn(&format!("thinggroup/{name}")) });
    assert_eq!(groups.body["thingGroups"], json!([entry("g"), entry("h")]));
    assert_eq!(call(&sim, "GET", "/thing-groups/g/things", None).body["things"], json!(["t"]));
    let by_arn = json!({ "thingGroupArn": arn("thinggroup/g"), "thingArn": arn("thing/t") });
    done(&call(&sim, "PUT", "/thing-groups/removeThingFromThingGroup", Some(&by_arn)));
    assert_eq!(call(&sim, "GET", "/things/t/thing-groups", None).body["thingGroups"], json!([entry("h")]));
    done(&call(&sim, "DELETE", "/things/t", None));
    assert_eq!(call(&sim, "GET", "/thing-groups/h/things", None).body["things"], json!([]));
    refused(&call(&sim, "GET", "/things/t/thing-groups", None), 404, "ResourceNotFoundException");
    let children = call(&sim, "GET", "/thing-groups?parentGroup=g", None);
    assert_eq!(children.body["thingGroups"], json!([entry("h")]));
}

#[test]
fn types_are_created_once_and_allow_fifty_attributes() {
    let sim = sim();
    refused(&call(&sim, "GET", "/thing-types/ty", None), 404, "ResourceNotFoundException");
    let typed = |attributes: usize| {
        let attributes: serde_json::Map<_, _> =
            (0..attributes).map(|number| (format!("a{number}"), json!("1"))).collect();
        json!({ "thingTypeName": "ty", "attributePayload": { "attributes": attributes } })
    };
    refused(&call(&sim, "POST", "/things/t", Some(&typed(0))), 404, "ResourceNotFoundException");
    let created = call(&sim, "POST", "/thing-types/ty", None);
    done(&created);
    assert_eq!(created.body["thingTypeArn"], arn("thingtype/ty"));
    assert_eq!(call(&sim, "POST", "/thing-types/ty", None).body, created.body);
    let described = json!({ "thingTypeProperties": { "thingTypeDescription": "other" } });
    refused(&call(&sim, "POST", "/thing-types/ty", Some(&described)), 409, "ResourceAlreadyExistsException");
    refused(&call(&sim, "POST", "/things/t", Some(&typed(51))), 400, "InvalidRequestException");
    done(&call(&sim, "POST", "/things/t", Some(&typed(50))));
    assert_eq!(call(&sim, "GET", "/things/t", None).body["thingTypeName"], "ty");
    done(&call(&sim, "POST", "/things/u", None));
    for (filter, found) in [
        ("", "tu"),
        ("?thingTypeName=ty", "t"),
        ("?thingTypeName=other", ""),
        ("?attributeName=a7", "t"),
        ("?attributeName=a7&attributeValue=1", "t"),
        ("?attributeName=a7&attributeValue=2", ""),
    ] {
        let listed = call(&sim, "GET", &format!("/things{filter}"), None).body;
        let names =
            listed["things"].as_array().unwrap().iter().map(|thing| thing["thingName"].as_str().unwrap());
        assert_eq!(names.collect::<String>(), found, "{filter}");
    }
    // Without its type the thing would have too many attributes.
    let untyped = json!({ "removeThingType": true });
    refused(&call(&sim, "PATCH", "/things/t", Some(&untyped)), 400, "InvalidRequestException");
    let fewer = json!({ "removeThingType": true, "attributePayload": { "attributes": { "a": "1" } } });
    done(&call(&sim, "PATCH", "/things/t", Some(&fewer)));
    let thing = call(&sim, "GET", "/things/t", None).body;
    assert_eq!((&thing["thingTypeName"], &thing["attributes"]), (&json!(null), &json!({ "a": "1" })));
}

/// AWS IoT developer guide, "AWS IoT Core policies": a group's policy counts where client id and thing name are the same.
#[test]
fn a_policy_on_a_group_counts_for_its_things_and_those_of_groups_below() {
    let sim = AwsIotSim::start().unwrap();
    let device = certificate("d");
    let id = sim.admit(&device.certificate_pem, "d", ALLOW_ALL).unwrap();
    let own = format!("arn:aws:iot:us-east-1:123456789012:cert/{id}");
    done(&call(&sim, "POST", "/target-policies/d", Some(&json!({ "target": own }))));
    let gets_in = |client_id: &str| {
        let mut client = Client::open(&sim, &Tls::of(&device)).unwrap();
        client.send(&connect(client_id, 60));
        client.receive()[3] == 0
    };
    assert!(!gets_in("d"), "its certificate has no policy any more");

    done(&call(&sim, "POST", "/thing-groups/above", Some(&json!({}))));
    done(&call(&sim, "POST", "/thing-groups/below", Some(&json!({ "parentGroupName": "above" }))));
    let member = json!({ "thingName": "d", "thingGroupName": "below" });
    done(&call(&sim, "PUT", "/thing-groups/addThingToThingGroup", Some(&member)));
    let above = json!({ "target": "arn:aws:iot:us-east-1:123456789012:thinggroup/above" });
    done(&call(&sim, "PUT", "/target-policies/d", Some(&above)));
    assert!(gets_in("d"));
    assert!(!gets_in("other"), "the client id is not the thing's name");

    let of_below = "/attached-policies/arn:aws:iot:us-east-1:123456789012:thinggroup%2Fbelow";
    for (query, policies) in [("", json!([])), ("?recursive=true", json!(["d"]))] {
        let listed = call(&sim, "POST", &format!("{of_below}{query}"), None).body;
        let names: Vec<_> =
            listed["policies"].as_array().unwrap().iter().map(|each| &each["policyName"]).collect();
        assert_eq!(json!(names), policies, "{query}");
    }
    refused(&call(&sim, "DELETE", "/policies/d", None), 409, "DeleteConflictException");
}

#[test]
fn the_account_is_the_one_that_was_chosen() {
    let sim = AwsIotSim::builder().account("111122223333").start().unwrap();
    let id = sim.admit(&certificate("d").certificate_pem, "d", ALLOW_ALL).unwrap();
    let described = call(&sim, "GET", &format!("/certificates/{id}"), None);
    let certificate = &described.body["certificateDescription"];
    assert_eq!(certificate["ownedBy"], "111122223333");
    let own = certificate["certificateArn"].as_str().unwrap();
    assert_eq!(own, format!("arn:aws:iot:us-east-1:111122223333:cert/{id}"));
    done(&call(&sim, "PUT", "/target-policies/d", Some(&json!({ "target": own }))));
    let foreign = json!({ "target": own.replace("111122223333", "123456789012") });
    refused(&call(&sim, "PUT", "/target-policies/d", Some(&foreign)), 400, "InvalidRequestException");
    let error = AwsIotSim::builder().account("1111-2222-3333").start().unwrap_err();
    assert!(error.to_string().contains("twelve digits"), "{error}");

    let Some(cli) = test_peers::aws_cli(sim.environment()) else { return };
    let identity = output_of(&mut cli.command(["sts", "get-caller-identity", "--output", "json"]));
    let identity: serde_json::Value = serde_json::from_slice(&identity).unwrap();
    assert_eq!(identity["Account"], "111122223333");
    assert_eq!(identity["Arn"], "arn:aws:iam::111122223333:user/operator");
}
