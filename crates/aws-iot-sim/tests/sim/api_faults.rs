//! The faults of the control plane, from a test and over HTTP.

use aws_iot_sim::{ApiRefusal, Fault};
use serde_json::json;

use crate::support::http::{self, AUTHORIZATION, call, done, refused};
use crate::support::{ALLOW_ALL, arn, certificate, sim};

fn refuse(operation: &str, refusal: ApiRefusal) -> Fault {
    Fault::Refuse { operation: operation.to_owned(), refusal }
}

#[test]
fn an_operation_is_refused_in_the_words_of_aws() {
    let sim = sim();
    let user = "User: arn:aws:iam::123456789012:user/operator is not authorized to perform: iot:CreateThing";
    let thing = arn("thing/t");
    let cases = [
        (
            ApiRefusal::MissingAllow,
            403,
            "AccessDeniedException",
            format!(
                "{user} on resource: {thing} because no identity-based policy allows the iot:CreateThing action"
            ),
        ),
        (
            ApiRefusal::ExplicitDeny,
            403,
            "AccessDeniedException",
            format!("{user} on resource: {thing} with an explicit deny in an identity-based policy"),
        ),
        (
            ApiRefusal::ServiceControlPolicy,
            403,
            "AccessDeniedException",
            format!("{user} on resource: {thing} with an explicit deny in a service control policy"),
        ),
        (ApiRefusal::UnknownOperation, 404, "UnknownOperationException", "Unknown operation".to_owned()),
        (ApiRefusal::Throttling, 400, "ThrottlingException", "Rate exceeded".to_owned()),
        (ApiRefusal::NotFound, 404, "ResourceNotFoundException", "The resource does not exist".to_owned()),
        (ApiRefusal::InternalFailure, 500, "InternalFailureException", "Internal failure".to_owned()),
    ];
    for (refusal, status, error, message) in cases {
        sim.inject(refuse("CreateThing", refusal));
        let answer = call(&sim, "POST", "/things/t", None);
        refused(&answer, status, error);
        assert_eq!(answer.body["message"], message, "{refusal:?}");
        refused(&call(&sim, "GET", "/things/t", None), 404, "ResourceNotFoundException");
    }
    assert!(sim.clear_fault(&refuse("CreateThing", ApiRefusal::Throttling)), "whichever refusal it was");
    done(&call(&sim, "POST", "/things/t", None));
    sim.inject_times(refuse("*", ApiRefusal::Throttling), 2);
    refused(&call(&sim, "GET", "/things/t", None), 400, "ThrottlingException");
    refused(&call(&sim, "GET", "/policies", None), 400, "ThrottlingException");
    done(&call(&sim, "GET", "/policies", None));
}

#[test]
fn what_is_new_is_not_found_at_first() {
    let sim = sim();
    let id = sim.admit(&certificate("d").certificate_pem, "d", ALLOW_ALL).unwrap();
    let principal = arn(&format!("cert/{id}"));
    sim.inject(Fault::EventualConsistency { times: 2 });
    let attach_thing = || {
        let headers = [("Authorization", AUTHORIZATION), ("x-amzn-principal", principal.as_str())];
        http::request(&sim, "PUT", "/things/d/principals", &headers, None)
    };
    let attach_policy = || call(&sim, "PUT", "/target-policies/d", Some(&json!({ "target": principal })));
    let join = || {
        let body = json!({ "thingGroupName": "g", "thingName": "d" });
        call(&sim, "PUT", "/thing-groups/addThingToThingGroup", Some(&body))
    };
    done(&call(&sim, "POST", "/thing-groups/g", None));
    for _ in 0..2 {
        for answer in [attach_thing(), attach_policy(), join()] {
            refused(&answer, 404, "ResourceNotFoundException");
        }
    }
    for answer in [attach_thing(), attach_policy(), join()] {
        done(&answer);
    }
}

#[test]
fn faults_are_switched_over_http_without_a_signature() {
    let sim = sim();
    let http = |method: &str, path: &str| http::text(&sim, method, path);
    let fault = "refuse=ListPrincipalThingsV2:unknown-operation";
    assert_eq!(http("PUT", &format!("/faults/{fault}")), (200, format!("{fault}\n")));
    assert_eq!(http("PUT", "/faults/withhold=puback,times=3").0, 200);
    assert_eq!(http("GET", "/faults"), (200, format!("{fault}\nwithhold=puback,times=3\n")));
    refused(&call(&sim, "GET", "/principals/things-v2", None), 404, "UnknownOperationException");
    assert_eq!(http("DELETE", &format!("/faults/{fault}")), (200, "withhold=puback,times=3\n".to_owned()));
    assert_eq!(http("DELETE", &format!("/faults/{fault}")).0, 404, "it is off already");
    assert_eq!(http("DELETE", "/faults"), (200, String::new()));
    assert_eq!(http("GET", "/faults"), (200, String::new()));
    let (status, error) = http("PUT", "/faults/withhold=everything");
    assert_eq!(status, 400);
    assert!(error.contains("withhold=ANSWER") && error.contains("pingresp"), "{error}");
}
