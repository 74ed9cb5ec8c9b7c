//! The control plane's answers as they are on the wire: statuses, error names, fields.

use aws_iot_sim::AwsIotSim;
use serde_json::{Value, json};
use test_peers::output_of;

use crate::support::http::{self, AUTHORIZATION, call, done, refused};
use crate::support::{ALLOW_ALL, arn, certificate, sim};

#[test]
fn requests_must_be_signed_and_known() {
    let sim = sim();
    refused(&http::request(&sim, "GET", "/things/t", &[], None), 403, "MissingAuthenticationTokenException");
    refused(&call(&sim, "GET", "/jobs", None), 404, "UnknownOperationException");
    refused(&call(&sim, "PUT", "/things/t", None), 404, "UnknownOperationException");
    refused(&call(&sim, "POST", "/policies/p", Some(&json!({ "other": 1 }))), 400, "InvalidRequestException");
}

#[test]
fn things_are_created_once() {
    let sim = sim();
    let attributes = json!({ "attributePayload": { "attributes": { "site": "osaka" } } });
    let first = call(&sim, "POST", "/things/t", Some(&attributes));
    done(&first);
    assert_eq!(first.body["thingArn"], arn("thing/t"));
    let again = call(&sim, "POST", "/things/t", Some(&attributes));
    assert_eq!(again.body["thingId"], first.body["thingId"], "the same configuration is the same thing");

    let other = call(&sim, "POST", "/things/t", Some(&json!({})));
    refused(&other, 409, "ResourceAlreadyExistsException");
    assert_eq!(
        (&other.body["resourceId"], &other.body["resourceArn"]),
        (&first.body["thingId"], &json!(arn("thing/t")))
    );

    let four = json!({ "attributePayload": { "attributes": { "a": "1", "b": "1", "c": "1", "d": "1" } } });
    refused(&call(&sim, "POST", "/things/u", Some(&four)), 400, "InvalidRequestException");
    refused(&call(&sim, "POST", "/things/bad%20name", None), 400, "InvalidRequestException");
    refused(
        &call(&sim, "POST", &format!("/things/{}", "x".repeat(129)), None),
        400,
        "InvalidRequestException",
    );
    let typed = json!({ "thingTypeName": "ty" });
    refused(&call(&sim, "POST", "/things/u", Some(&typed)), 404, "ResourceNotFoundException");

    refused(&call(&sim, "DELETE", "/things/t?expectedVersion=7", None), 409, "VersionConflictException");
    done(&call(&sim, "DELETE", "/things/t", None));
    // AWS IoT API reference, DeleteThing: success for a thing that does not exist.
    done(&call(&sim, "DELETE", "/things/t", None));
    refused(&call(&sim, "GET", "/things/t", None), 404, "ResourceNotFoundException");
}

#[test]
fn policies_are_read_before_they_are_stored() {
    let sim = sim();
    let create = |name: &str, document: &str| {
        call(&sim, "POST", &format!("/policies/{name}"), Some(&json!({ "policyDocument": document })))
    };
    let created = create("p%2Bq", ALLOW_ALL);
    done(&created);
    assert_eq!((&created.body["policyName"], &created.body["policyVersionId"]), (&json!("p+q"), &json!("1")));
    let again = create("p%2Bq", ALLOW_ALL);
    refused(&again, 409, "ResourceAlreadyExistsException");
    assert_eq!(again.body["resourceArn"], arn("policy/p+q"));
    refused(&create("r", "not json"), 400, "MalformedPolicyException");
    refused(&create("r", "{}"), 400, "MalformedPolicyException");
    refused(&create("a%2Fb", ALLOW_ALL), 400, "InvalidRequestException");

    // 2048 characters are counted without white space.
    let padded = |count: usize| ALLOW_ALL.replace("iot:*", &format!("iot:{}", "x".repeat(count)));
    let room = 2048 - padded(0).len();
    done(&create("longest", &format!("{}{}", padded(room), " ".repeat(500))));
    refused(&create("longer", &padded(room + 1)), 400, "MalformedPolicyException");
}

#[test]
fn certificates_are_registered_once_and_inactive_by_default() {
    let sim = sim();
    let register = |body: Value| call(&sim, "POST", "/certificate/register-no-ca", Some(&body));
    let pem = certificate("d").certificate_pem;
    let first = register(json!({ "certificatePem": pem }));
    done(&first);
    let id = first.body["certificateId"].as_str().unwrap();
    assert_eq!(id, sha256_of_der(&pem));
    let described = call(&sim, "GET", &format!("/certificates/{id}"), None);
    assert_eq!(described.body["certificateDescription"]["status"], "INACTIVE");

    // The same certificate, written otherwise.
    let again = register(json!({ "certificatePem": format!("{pem}\n\n"), "status": "ACTIVE" }));
    refused(&again, 409, "ResourceAlreadyExistsException");
    assert_eq!(
        (again.body["resourceId"].as_str().unwrap(), &again.body["resourceArn"]),
        (id, &first.body["certificateArn"])
    );

    let two = format!("{}{}", pem, certificate("e").certificate_pem);
    for (name, pem) in
        [("no PEM", "x"), ("two", &two), ("a key", &certificate("f").key_pem), ("damaged", &damaged(&pem))]
    {
        let answer = register(json!({ "certificatePem": pem }));
        assert_eq!((answer.status, answer.error.as_str()), (400, "CertificateValidationException"), "{name}");
    }
    let other = certificate("g").certificate_pem;
    refused(
        &register(json!({ "certificatePem": other, "status": "SLEEPING" })),
        400,
        "InvalidRequestException",
    );

    let path = format!("/certificates/{id}?newStatus=");
    done(&call(&sim, "PUT", &format!("{path}ACTIVE"), None));
    refused(&call(&sim, "PUT", &format!("{path}PENDING_ACTIVATION"), None), 400, "InvalidRequestException");
    let unknown = "0".repeat(64);
    refused(&call(&sim, "GET", &format!("/certificates/{unknown}"), None), 404, "ResourceNotFoundException");
    refused(&call(&sim, "GET", "/certificates/short", None), 400, "InvalidRequestException");
}

#[test]
fn keys_that_aws_does_not_take() {
    let Some(openssl) = test_peers::program("openssl") else { return };
    let sim = sim();
    let directory = tempfile::tempdir().unwrap();
    let cases: &[(&str, &[&str], bool)] = &[
        ("RSA 2048", &["rsa:2048"], true),
        ("RSA 1024", &["rsa:1024"], false),
        ("P-384", &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], true),
        ("P-521", &["ec", "-pkeyopt", "ec_paramgen_curve:P-521"], true),
        ("secp256k1", &["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], false),
        ("Ed25519", &["ed25519"], false),
    ];
    for (name, kind, accepted) in cases {
        let mut command = std::process::Command::new(&openssl);
        command.args(["req", "-x509", "-nodes", "-subj", "/CN=d", "-keyout"]);
        command.arg(directory.path().join("key.pem")).arg("-newkey").args(*kind);
        let pem = String::from_utf8(output_of(&mut command)).unwrap();
        let answer =
            call(&sim, "POST", "/certificate/register-no-ca", Some(&json!({ "certificatePem": pem })));
        let wanted = if *accepted { (200, "") } else { (400, "CertificateValidationException") };
        assert_eq!((answer.status, answer.error.as_str()), wanted, "{name}");
    }
}

#[test]
fn attachments_and_their_limits() {
    let sim = sim();
    let id = sim.admit(&certificate("d").certificate_pem, "d", ALLOW_ALL).unwrap();
    let target = arn(&format!("cert/{id}"));
    let body = json!({ "target": target });
    for number in 0..9 {
        let document = json!({ "policyDocument": ALLOW_ALL });
        done(&call(&sim, "POST", &format!("/policies/p{number}"), Some(&document)));
        done(&call(&sim, "PUT", &format!("/target-policies/p{number}"), Some(&body)));
    }
    done(&call(&sim, "PUT", "/target-policies/p0", Some(&body)));
    done(&call(&sim, "POST", "/policies/p9", Some(&json!({ "policyDocument": ALLOW_ALL }))));
    refused(&call(&sim, "PUT", "/target-policies/p9", Some(&body)), 410, "LimitExceededException");
    refused(&call(&sim, "PUT", "/target-policies/none", Some(&body)), 404, "ResourceNotFoundException");
    let stranger = json!({ "target": arn(&format!("cert/{}", "0".repeat(64))) });
    refused(&call(&sim, "PUT", "/target-policies/p0", Some(&stranger)), 404, "ResourceNotFoundException");
    let no_group = json!({ "target": arn("thinggroup/g") });
    refused(&call(&sim, "PUT", "/target-policies/p0", Some(&no_group)), 404, "ResourceNotFoundException");
    let other_account = json!({ "target": target.replace("123456789012", "999999999999") });
    refused(&call(&sim, "PUT", "/target-policies/p0", Some(&other_account)), 400, "InvalidRequestException");
    done(&call(&sim, "POST", "/target-policies/p9", Some(&body)));
    refused(&call(&sim, "POST", "/target-policies/none", Some(&body)), 400, "InvalidRequestException");
}

#[test]
fn an_exclusive_thing_is_the_only_one() {
    let sim = sim();
    let id = sim.admit(&certificate("d").certificate_pem, "first", ALLOW_ALL).unwrap();
    let principal = arn(&format!("cert/{id}"));
    let attach = |thing: &str, query: &str| {
        let headers = [("Authorization", AUTHORIZATION), ("x-amzn-principal", principal.as_str())];
        http::request(&sim, "PUT", &format!("/things/{thing}/principals{query}"), &headers, None)
    };
    const EXCLUSIVE: &str = "?thingPrincipalType=EXCLUSIVE_THING";
    done(&call(&sim, "POST", "/things/second", None));
    done(&attach("second", ""));
    refused(&attach("second", EXCLUSIVE), 400, "InvalidRequestException");
    let headers = [("Authorization", AUTHORIZATION), ("x-amzn-principal", principal.as_str())];
    let detach =
        |thing: &str| http::request(&sim, "DELETE", &format!("/things/{thing}/principals"), &headers, None);
    done(&detach("first"));
    refused(&attach("second", EXCLUSIVE), 400, "InvalidRequestException");
    done(&detach("second"));
    done(&attach("second", EXCLUSIVE));
    done(&attach("second", EXCLUSIVE));
    let things = http::request(&sim, "GET", "/principals/things-v2", &headers, None);
    let second = json!({ "thingName": "second", "thingPrincipalType": "EXCLUSIVE_THING" });
    assert_eq!(things.body["principalThingObjects"], json!([second]));
    let principals = call(&sim, "GET", "/things/second/principals-v2", None);
    assert_eq!(principals.body["thingPrincipalObjects"][0]["thingPrincipalType"], "EXCLUSIVE_THING");
    refused(&attach("first", ""), 400, "InvalidRequestException");
    refused(&attach("second", "?thingPrincipalType=BEST_THING"), 400, "InvalidRequestException");
    refused(&attach("third", ""), 404, "ResourceNotFoundException");
}

#[test]
fn the_legacy_endpoint_is_a_mistake_that_shows() {
    let sim = sim();
    let endpoint = call(&sim, "GET", "/endpoint?endpointType=iot%3AData-ATS", None);
    assert_eq!(endpoint.body["endpointAddress"], "localhost");
    refused(&call(&sim, "GET", "/endpoint", None), 400, "InvalidRequestException");
    refused(
        &call(&sim, "GET", "/endpoint?endpointType=iot%3ANonsense", None),
        400,
        "InvalidRequestException",
    );
}

fn sha256_of_der(certificate_pem: &str) -> String {
    let der = pem::parse(certificate_pem).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, der.contents());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn damaged(certificate_pem: &str) -> String {
    let mut der = pem::parse(certificate_pem).unwrap().contents().to_vec();
    der.truncate(der.len() - 1);
    pem::encode(&pem::Pem::new("CERTIFICATE", der))
}

#[test]
fn attributes_are_merged_and_an_empty_one_goes() {
    let sim = sim();
    let of = |attributes: serde_json::Value, merge: bool| json!({ "attributePayload": { "attributes": attributes, "merge": merge } });
    refused(&call(&sim, "PATCH", "/things/t", None), 404, "ResourceNotFoundException");
    done(&call(&sim, "POST", "/things/t", Some(&of(json!({ "a": "1", "b": "2" }), false))));
    done(&call(&sim, "PATCH", "/things/t", Some(&of(json!({ "a": "", "c": "3" }), true))));
    assert_eq!(
        call(&sim, "GET", "/things", None).body["things"][0]["attributes"],
        json!({ "b": "2", "c": "3" })
    );
}

#[test]
fn a_policy_has_five_versions_at_most_and_the_one_in_force_stays() {
    let sim = sim();
    let document = |topic: &str| {
        let resource = format!("arn:aws:iot:us-east-1:123456789012:topic/{topic}");
        let statement = json!([{ "Effect": "Allow", "Action": "iot:Publish", "Resource": resource }]);
        json!({ "policyDocument": json!({ "Version": "2012-10-17", "Statement": statement }).to_string() })
    };
    let version = "/policies/p/version?setAsDefault=true";
    refused(&call(&sim, "POST", version, Some(&document("1"))), 404, "ResourceNotFoundException");
    done(&call(&sim, "POST", "/policies/p", Some(&document("1"))));
    for topic in ["2", "3", "4", "5"] {
        done(&call(&sim, "POST", version, Some(&document(topic))));
    }
    refused(&call(&sim, "POST", version, Some(&document("6"))), 409, "VersionsLimitExceededException");
    refused(&call(&sim, "DELETE", "/policies/p/version/5", None), 400, "InvalidRequestException");
    refused(&call(&sim, "DELETE", "/policies/p", None), 409, "DeleteConflictException");
    let found = call(&sim, "GET", "/policies/p", None).body;
    assert_eq!(
        (&found["defaultVersionId"], &found["policyDocument"]),
        (&json!("5"), &document("5")["policyDocument"])
    );
    for number in 1..5 {
        done(&call(&sim, "DELETE", &format!("/policies/p/version/{number}"), None));
    }
    assert_eq!(call(&sim, "POST", "/policy-targets/p", None).body["targets"], json!([]));
    done(&call(&sim, "DELETE", "/policies/p", None));
}

#[test]
fn lists_come_in_pages_as_small_as_was_asked_and_no_larger_than_allowed() {
    let sim = AwsIotSim::builder().most_per_page(2).start().unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        done(&call(&sim, "POST", &format!("/things/{name}"), None));
    }
    let page = |query: &str| {
        let body = call(&sim, "GET", &format!("/things{query}"), None).body;
        let things = body["things"].as_array().unwrap();
        let names: Vec<String> =
            things.iter().map(|thing| thing["thingName"].as_str().unwrap().to_owned()).collect();
        (names.concat(), body["nextToken"].as_str().map(str::to_owned))
    };
    let token = |text: &str| Some(text.to_owned());
    assert_eq!(page("?maxResults=1"), ("a".to_owned(), token("a")));
    assert_eq!(page("?maxResults=250"), ("ab".to_owned(), token("b")));
    // What went and came in between makes no difference for the rest.
    done(&call(&sim, "DELETE", "/things/b", None));
    assert_eq!(page("?nextToken=b"), ("cd".to_owned(), token("d")));
    assert_eq!(page("?nextToken=d"), ("e".to_owned(), None));
    refused(&call(&sim, "GET", "/things?maxResults=251", None), 400, "InvalidRequestException");
}
