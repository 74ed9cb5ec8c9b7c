//! Tables of cases. Those with a page's name are taken from AWS's documentation (AWS IoT developer guide).

mod conditions;
mod malformed;

use std::collections::BTreeMap;

use serde_json::json;

use super::{Action, Caller, CallerThing, Decision, Policy, decide};

use Action::{Connect, Publish, Receive, RetainPublish, Subscribe};
use Decision::{Allowed, Denied, NotAllowed};

fn arn(resource: &str) -> String {
    format!("arn:aws:iot:us-east-1:123456789012:{resource}")
}

fn statement(effect: &str, action: &str, resource: &str) -> serde_json::Value {
    let resource = if resource == "*" { resource.to_owned() } else { arn(resource) };
    json!({ "Effect": effect, "Action": [action], "Resource": [resource] })
}

fn policy(statements: &[serde_json::Value]) -> Policy {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    Policy::parse(&document.to_string()).expect("a policy")
}

fn unregistered(client_id: &str) -> Caller {
    Caller { client_id: client_id.to_owned(), source_ip: Some("127.0.0.1".to_owned()), ..Caller::default() }
}

fn thing(client_id: &str, name: &str) -> Caller {
    let attributes = BTreeMap::from([("Site".to_owned(), "osaka".to_owned())]);
    Caller {
        thing: Some(CallerThing { name: name.to_owned(), type_name: None, attributes }),
        ..unregistered(client_id)
    }
}

struct Case {
    name: &'static str,
    statements: Vec<serde_json::Value>,
    caller: Caller,
    asks: Vec<(Action, &'static str, Decision)>,
}

fn run(cases: Vec<Case>) {
    for case in cases {
        let policy = policy(&case.statements);
        for (action, name, wanted) in case.asks {
            let decision = decide([&policy], action, &arn(&action.resource(name)), &case.caller);
            assert_eq!(decision, wanted, "{}: {action:?} {name}", case.name);
        }
    }
}

#[test]
fn publish_subscribe_policy_examples_page() {
    run(vec![
        Case {
            name: "registered devices: publish below the thing's name",
            statements: vec![
                statement("Allow", "iot:Connect", "client/${iot:Connection.Thing.ThingName}"),
                statement("Allow", "iot:Publish", "topic/${iot:Connection.Thing.ThingName}/*"),
            ],
            caller: thing("thing1", "thing1"),
            asks: vec![
                (Connect, "thing1", Allowed),
                (Connect, "thing2", NotAllowed),
                (Publish, "thing1/a/b", Allowed),
                (Publish, "thing1", NotAllowed),
                (Publish, "thing2/a", NotAllowed),
                (Subscribe, "thing1/a", NotAllowed),
            ],
        },
        Case {
            name: "unregistered devices: three client ids, publish below the client id",
            statements: vec![
                json!({ "Effect": "Allow", "Action": ["iot:Connect"],
                    "Resource": [arn("client/client1"), arn("client/client2"), arn("client/client3")] }),
                statement("Allow", "iot:Publish", "topic/${iot:ClientId}/*"),
            ],
            caller: unregistered("client2"),
            asks: vec![
                (Connect, "client2", Allowed),
                (Connect, "client4", NotAllowed),
                (Publish, "client2/t", Allowed),
                (Publish, "client1/t", NotAllowed),
            ],
        },
        Case {
            name: "subscribe to filters that begin with room",
            statements: vec![
                statement("Allow", "iot:Subscribe", "topicfilter/${iot:Connection.Thing.ThingName}/room*"),
                statement("Allow", "iot:Receive", "topic/${iot:Connection.Thing.ThingName}/room*"),
            ],
            caller: thing("thing1", "thing1"),
            asks: vec![
                (Subscribe, "thing1/room1", Allowed),
                (Subscribe, "thing1/room/#", Allowed),
                (Subscribe, "thing1/hall", NotAllowed),
                (Receive, "thing1/room2", Allowed),
                (Receive, "thing1/hall", NotAllowed),
            ],
        },
        Case {
            name: "+ in a policy is a plus sign",
            statements: vec![statement("Allow", "iot:Subscribe", "topicfilter/some/+/topic")],
            caller: unregistered("client1"),
            asks: vec![
                (Subscribe, "some/+/topic", Allowed),
                (Subscribe, "some/other/topic", NotAllowed),
                (Subscribe, "some/a/b/topic", NotAllowed),
            ],
        },
        Case {
            name: "all below the client id but bar",
            statements: vec![
                statement("Allow", "iot:Publish", "topic/${iot:ClientId}/*"),
                statement("Deny", "iot:Publish", "topic/${iot:ClientId}/bar"),
            ],
            caller: unregistered("client1"),
            asks: vec![
                (Publish, "client1/foo", Allowed),
                (Publish, "client1/bar", Denied),
                (Publish, "client1/bar/x", Allowed),
            ],
        },
        Case {
            name: "an example with iot:Thing.ThingName, which is no variable: it allows nothing",
            statements: vec![statement("Allow", "iot:Publish", "topic/my/topic/${iot:Thing.ThingName}")],
            caller: thing("thing1", "thing1"),
            asks: vec![(Publish, "my/topic/thing1", NotAllowed)],
        },
    ]);
}

#[test]
fn using_wildcard_characters_in_mqtt_and_aws_iot_core_policies_section() {
    run(vec![
        Case {
            name: "* is not confined to a level",
            statements: vec![statement("Allow", "iot:Subscribe", "topicfilter/some/*/topic")],
            caller: unregistered("c"),
            asks: vec![
                (Subscribe, "some/a/topic", Allowed),
                (Subscribe, "some/a/b/topic", Allowed),
                (Subscribe, "some/+/topic", Allowed),
                (Subscribe, "some/topic", NotAllowed),
            ],
        },
        Case {
            name: "? is any one character, a slash too",
            statements: vec![statement("Allow", "iot:Publish", "topic/some/??/topic")],
            caller: unregistered("c"),
            asks: vec![
                (Publish, "some/ab/topic", Allowed),
                (Publish, "some/a//topic", Allowed),
                (Publish, "some/a/topic", NotAllowed),
                (Publish, "some/abc/topic", NotAllowed),
            ],
        },
        Case {
            name: "# in a policy is a hash sign",
            statements: vec![statement("Allow", "iot:Subscribe", "topicfilter/some/#")],
            caller: unregistered("c"),
            asks: vec![(Subscribe, "some/#", Allowed), (Subscribe, "some/a", NotAllowed)],
        },
    ]);
}

#[test]
fn policy_variables_pages() {
    run(vec![
        Case {
            name: "Basic policy variables: a client that calls itself + subscribes to my/+/topic",
            statements: vec![statement("Allow", "iot:Subscribe", "topicfilter/my/${iot:ClientId}/topic")],
            caller: unregistered("+"),
            asks: vec![(Subscribe, "my/+/topic", Allowed), (Subscribe, "my/x/topic", NotAllowed)],
        },
        Case {
            name: "a client that calls itself * gains nothing",
            statements: vec![statement("Allow", "iot:Publish", "topic/${iot:ClientId}/t")],
            caller: unregistered("*"),
            asks: vec![(Publish, "x/t", NotAllowed), (Publish, "*/t", Allowed)],
        },
        Case {
            name: "Thing policy variables: without a thing the variable does not resolve",
            statements: vec![statement("Allow", "iot:Connect", "client/${iot:Connection.Thing.ThingName}")],
            caller: unregistered("thing1"),
            asks: vec![(Connect, "thing1", NotAllowed)],
        },
        Case {
            name: "Thing policy variables: attributes keep their case",
            statements: vec![statement(
                "Allow",
                "iot:Publish",
                "topic/${iot:Connection.Thing.Attributes[Site]}/t",
            )],
            caller: thing("a", "a"),
            asks: vec![(Publish, "osaka/t", Allowed), (Publish, "tokyo/t", NotAllowed)],
        },
        Case {
            name: "Policy variables: a special character by its escape",
            statements: vec![statement("Allow", "iot:Publish", "topic/a${*}b${?}c")],
            caller: unregistered("c"),
            asks: vec![(Publish, "a*b?c", Allowed), (Publish, "axbxc", NotAllowed)],
        },
        Case {
            name: "a Deny whose variable does not resolve does not match",
            statements: vec![
                statement("Allow", "iot:Publish", "*"),
                statement("Deny", "iot:Publish", "topic/${iot:Connection.Thing.ThingName}"),
            ],
            caller: unregistered("c"),
            asks: vec![(Publish, "t", Allowed)],
        },
    ]);
}

#[test]
fn actions_and_precedence() {
    run(vec![
        Case {
            name: "nothing is allowed by default",
            statements: vec![statement("Deny", "iot:Publish", "topic/x")],
            caller: unregistered("c"),
            asks: vec![(Publish, "y", NotAllowed), (Publish, "x", Denied)],
        },
        Case {
            name: "the how-to's policy allows everything",
            statements: vec![statement("Allow", "iot:*", "*")],
            caller: unregistered("c"),
            asks: vec![
                (Connect, "c", Allowed),
                (Publish, "t", Allowed),
                (RetainPublish, "t", Allowed),
                (Receive, "t", Allowed),
                (Subscribe, "#", Allowed),
            ],
        },
        Case {
            name: "Policy actions page: publish does not include retained publish",
            statements: vec![statement("Allow", "iot:Publish", "topic/t")],
            caller: unregistered("c"),
            asks: vec![(Publish, "t", Allowed), (RetainPublish, "t", NotAllowed)],
        },
        Case {
            name: "a topic resource does not allow to subscribe",
            statements: vec![statement("Allow", "iot:Subscribe", "topic/t")],
            caller: unregistered("c"),
            asks: vec![(Subscribe, "t", NotAllowed)],
        },
        Case {
            name: "action names are compared without case, topics with it",
            statements: vec![statement("Allow", "IOT:publish", "topic/T")],
            caller: unregistered("c"),
            asks: vec![(Publish, "T", Allowed), (Publish, "t", NotAllowed)],
        },
        Case {
            name: "another account's resources",
            statements: vec![json!({ "Effect": "Allow", "Action": "iot:Publish",
                "Resource": "arn:aws:iot:us-east-1:999999999999:topic/*" })],
            caller: unregistered("c"),
            asks: vec![(Publish, "t", NotAllowed)],
        },
    ]);
}
