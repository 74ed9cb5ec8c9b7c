//! Conditions, and the variables that a certificate gives.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Case, run, statement, thing, unregistered};
use crate::policy::Action::{Connect, Publish};
use crate::policy::Decision::{Allowed, Denied, NotAllowed};
use crate::policy::{Caller, ConnectAttribute};

#[test]
fn conditions() {
    let conditional = |effect: &str, condition: serde_json::Value| json!({ "Effect": effect, "Action": "iot:Publish", "Resource": "*", "Condition": condition });
    let attached = json!({ "Bool": { "iot:Connection.Thing.IsAttached": ["true"] } });
    let unknown = json!({ "IpAddress": { "aws:SourceIp": "127.0.0.1" } });
    run(vec![
        Case {
            name: "Thing policy variables: IsAttached holds",
            statements: vec![conditional("Allow", attached.clone())],
            caller: thing("a", "a"),
            asks: vec![(Publish, "t", Allowed)],
        },
        Case {
            name: "Thing policy variables: IsAttached does not hold",
            statements: vec![conditional("Allow", attached)],
            caller: unregistered("a"),
            asks: vec![(Publish, "t", NotAllowed)],
        },
        Case {
            name: "StringLike",
            statements: vec![conditional("Allow", json!({ "StringLike": { "iot:ClientId": "dev-*" } }))],
            caller: unregistered("dev-1"),
            asks: vec![(Publish, "t", Allowed)],
        },
        Case {
            name: "StringEquals knows no wildcard",
            statements: vec![conditional("Allow", json!({ "StringEquals": { "iot:ClientId": "dev-*" } }))],
            caller: unregistered("dev-1"),
            asks: vec![(Publish, "t", NotAllowed)],
        },
        Case {
            name: "StringNotEquals",
            statements: vec![conditional(
                "Deny",
                json!({ "StringNotEquals": { "iot:ClientId": ["a", "b"] } }),
            )],
            caller: unregistered("c"),
            asks: vec![(Publish, "t", Denied)],
        },
        Case {
            name: "a condition that is not evaluated never allows",
            statements: vec![conditional("Allow", unknown.clone())],
            caller: unregistered("c"),
            asks: vec![(Publish, "t", NotAllowed)],
        },
        Case {
            name: "a condition that is not evaluated denies",
            statements: vec![statement("Allow", "iot:*", "*"), conditional("Deny", unknown)],
            caller: unregistered("c"),
            asks: vec![(Publish, "t", Denied)],
        },
    ]);
}

/// A CONNECT with these attributes.
fn connecting(attributes: &[ConnectAttribute]) -> Caller {
    Caller { connect_attributes: attributes.to_vec(), ..unregistered("client1") }
}

#[test]
fn connect_attributes_page() {
    use ConnectAttribute::{LastWill, PersistentConnect};
    let allow = |operator: &str, attributes: &[&str]| {
        json!({ "Effect": "Allow", "Action": "iot:Connect", "Resource": "*",
            "Condition": { operator: { "iot:ConnectAttributes": attributes } } })
    };
    let plain: &[ConnectAttribute] = &[];
    let cases: &[(&str, serde_json::Value, [bool; 4])] = &[
        ("no condition", statement("Allow", "iot:Connect", "*"), [true; 4]),
        (
            "with PersistentConnect, and nothing else",
            allow("ForAllValues:StringEquals", &["PersistentConnect"]),
            [true, true, false, false],
        ),
        (
            "everything but PersistentConnect",
            allow("ForAllValues:StringNotEquals", &["PersistentConnect"]),
            [true, false, true, false],
        ),
        (
            "both",
            allow("ForAllValues:StringEquals", &["PersistentConnect", "LastWill"]),
            [true, true, true, true],
        ),
        ("only a plain CONNECT", allow("ForAllValues:StringEquals", &[]), [true, false, false, false]),
        (
            "only with PersistentConnect",
            allow("ForAnyValue:StringEquals", &["PersistentConnect"]),
            [false, true, false, true],
        ),
    ];
    for (name, statement, wanted) in cases {
        let callers = [plain, &[PersistentConnect], &[LastWill], &[PersistentConnect, LastWill]];
        for (attributes, allowed) in callers.into_iter().zip(wanted) {
            run(vec![Case {
                name,
                statements: vec![statement.clone()],
                caller: connecting(attributes),
                asks: vec![(Connect, "client1", if *allowed { Allowed } else { NotAllowed })],
            }]);
        }
    }
}

#[test]
fn certificate_variables_page() {
    let certificate = BTreeMap::from([
        ("iot:certificate.subject.commonname".to_owned(), "d".to_owned()),
        ("iot:certificate.issuer.organization".to_owned(), "Acme".to_owned()),
    ]);
    let caller = || Caller { certificate: certificate.clone(), ..unregistered("d") };
    run(vec![
        Case {
            name: "a variable of the subject",
            statements: vec![statement(
                "Allow",
                "iot:Connect",
                "client/${iot:Certificate.Subject.CommonName}",
            )],
            caller: caller(),
            asks: vec![(Connect, "d", Allowed), (Connect, "e", NotAllowed)],
        },
        Case {
            name: "a variable that the certificate does not have",
            statements: vec![statement("Allow", "iot:Publish", "topic/${iot:Certificate.Subject.Title}")],
            caller: caller(),
            asks: vec![(Publish, "${iot:Certificate.Subject.Title}", NotAllowed), (Publish, "", NotAllowed)],
        },
        Case {
            name: "a condition on the issuer",
            statements: vec![
                statement("Allow", "iot:*", "*"),
                json!({ "Effect": "Deny", "Action": "iot:*", "Resource": "*",
                    "Condition": { "StringNotEquals": { "iot:Certificate.Issuer.Organization": "Other" } } }),
            ],
            caller: caller(),
            asks: vec![(Publish, "t", Denied)],
        },
    ]);
}
