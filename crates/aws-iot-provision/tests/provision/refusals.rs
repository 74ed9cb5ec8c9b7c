//! What AWS may answer instead of doing what it was asked, and what the operator then reads.

use aws_config::SdkConfig;
use aws_iot_provision::{Applied, Error, Provisioner};

use crate::support::scripted::{Answer, ID, Scripted};
use crate::support::{block_on, chain, config, device, register};

fn provision(aws: &Scripted) -> Result<Applied, Error> {
    provision_at(aws.url())
}

fn provision_at(url: &str) -> Result<Applied, Error> {
    block_on(async {
        let provisioner = Provisioner::new(&config(url).await).unwrap();
        provisioner.run(register(&device("dev1")), |_| {}).await
    })
}

#[test]
fn a_first_registration_makes_eleven_calls_and_activates_last() {
    let aws = Scripted::start(Vec::new());
    let applied = provision(&aws).unwrap();
    let id = applied.certificate_id.unwrap();
    assert_eq!(id.as_str(), ID, "what AWS returned counts, not what was computed");
    assert_eq!(applied.plan.endpoint.as_deref(), Some("example-ats.iot.us-east-1.amazonaws.com"));
    let requests = aws.requests();
    assert_eq!(requests.len(), 11, "{requests:#?}");
    assert_eq!(requests[0], "POST /", "the account first");
    assert_eq!(requests[4], "GET /endpoint?endpointType=iot%3AData-ATS", "before anything is written");
    assert_eq!(requests[9], "PUT /things/dev1/principals?thingPrincipalType=EXCLUSIVE_THING");
    assert_eq!(requests[10], format!("PUT /certificates/{ID}?newStatus=ACTIVE"), "last");
}

#[test]
fn refusals_name_call_object_and_remedy() {
    type IsKind = fn(&Error) -> bool;
    let cases: [(&str, &str, Answer, IsKind, &[&str]); 12] = [
        (
            "missing permission",
            "POST /things/",
            Answer(
                403,
                "AccessDeniedException",
                r#"{"message":"User: arn:aws:iam::1:user/op is not authorized"}"#,
            ),
            |e| matches!(e, Error::AccessDenied(_)),
            &[
                "denied iot:CreateThing",
                "thing dev1",
                "on thing/dev1",
                "user/op is not authorized",
                "request id req-1",
            ],
        ),
        (
            "missing permission on the lookup",
            "GET /certificates/",
            Answer(403, "UnauthorizedException", r#"{"message":"no"}"#),
            |e| matches!(e, Error::AccessDenied(_)),
            &["iot:DescribeCertificate", "cert/"],
        ),
        (
            "permission for an action without a resource",
            "POST /certificate/register-no-ca",
            Answer(403, "AccessDeniedException", r#"{"message":"no"}"#),
            |e| matches!(e, Error::AccessDenied(_)),
            &["allow iot:RegisterCertificateWithoutCA on *"],
        ),
        (
            "permission by the name that IAM has for it",
            "GET /policies/",
            Answer(
                403,
                "AccessDeniedException",
                r#"{"message":"User: arn:aws:iam::1:user/op is not authorized to perform: iot:GetPolicyV9 on resource: arn:aws:iot:r:1:policy/devices because no identity-based policy allows it"}"#,
            ),
            |e| matches!(e, Error::AccessDenied(_)),
            &["denied iot:GetPolicy for", "allow iot:GetPolicyV9 on arn:aws:iot:r:1:policy/devices in"],
        ),
        (
            "unknown key",
            "GET /certificates/",
            Answer(403, "UnrecognizedClientException", r#"{"message":"The security token is invalid."}"#),
            |e| matches!(e, Error::NotAuthenticated(_)),
            &["does not accept the credentials", "clock", "security token is invalid"],
        ),
        (
            "expired token",
            "GET /certificates/",
            Answer(403, "ExpiredTokenException", r#"{"message":"expired"}"#),
            |e| matches!(e, Error::NotAuthenticated(_)),
            &["not expired"],
        ),
        (
            "throttled",
            "POST /policies/",
            Answer(429, "ThrottlingException", r#"{"message":"Rate exceeded"}"#),
            |e| matches!(e, Error::Throttled(_)),
            &["throttled iot:CreatePolicy for policy devices", "run it again"],
        ),
        (
            "AWS is ill",
            "PUT /target-policies/",
            Answer(500, "InternalFailureException", r#"{"message":"oops"}"#),
            |e| matches!(e, Error::Unavailable(_)),
            &["iot:AttachPolicy for policy devices on certificate", "again later", "oops"],
        ),
        (
            "something else than AWS",
            "GET /certificates/",
            Answer(502, "", "<html>Bad Gateway</html>"),
            |e| matches!(e, Error::Unavailable(_)),
            &["endpoint URL"],
        ),
        (
            "bad certificate",
            "POST /certificate/register-no-ca",
            Answer(400, "CertificateValidationException", r#"{"message":"bad signature algorithm"}"#),
            |e| matches!(e, Error::Refused(_)),
            &["refused iot:RegisterCertificateWithoutCA for certificate", "bad signature algorithm"],
        ),
        (
            "answer without the ARN",
            "POST /things/",
            Answer(200, "", "{}"),
            |e| matches!(e, Error::Incomplete { .. }),
            &["iot:CreateThing", "thingArn"],
        ),
        (
            "ARN that is none",
            "POST /things/",
            Answer(200, "", r#"{"thingArn":"dev1"}"#),
            |e| matches!(e, Error::Arn(_)),
            &["iot:CreateThing", "\"dev1\""],
        ),
    ];
    for (name, call, answer, is_kind, says) in cases {
        let error = provision(&Scripted::start(vec![(call, answer)])).unwrap_err();
        assert!(is_kind(&error), "{name}: {error:?}");
        let text = chain(&error);
        for part in says {
            assert!(text.contains(part), "{name}: {part:?} not in {text:?}");
        }
        assert!(!text.contains("fake-secret"), "{name}: {text}");
    }
}

/// moto takes the SHA-256 of the PEM text, so the lookup by the computed id finds nothing.
#[test]
fn certificate_registered_under_an_id_that_was_not_computed() {
    let described = r#"{"certificateDescription":{"status":"ACTIVE",
        "certificateId":"00000000000000000000000000000000000000000000000000000000000000aa",
        "certificateArn":"arn:aws:iot:us-east-1:123456789012:cert/aa"}}"#;
    let exists = r#"{"message":"exists","resourceId":"00000000000000000000000000000000000000000000000000000000000000aa"}"#;
    let aws = Scripted::start(vec![
        (
            "GET /certificates/00000000000000000000000000000000000000000000000000000000000000aa",
            Answer(200, "", described),
        ),
        ("POST /certificate/register-no-ca", Answer(409, "ResourceAlreadyExistsException", exists)),
    ]);
    let applied = provision(&aws).unwrap();
    assert_eq!(applied.certificate_id.unwrap().as_str(), ID);
    let registered = aws.requests().iter().filter(|request| request.contains("register-no-ca")).count();
    assert_eq!(registered, 1, "{:?}", aws.requests());
}

#[test]
fn a_certificate_that_is_not_active_stops_everything_before_anything_is_written() {
    let revoked =
        r#"{"certificateDescription":{"status":"REVOKED","certificateId":"ab","certificateArn":"arn:x"}}"#;
    let aws = Scripted::start(vec![("GET /certificates/", Answer(200, "", revoked))]);
    let error = provision(&aws).unwrap_err();
    assert!(matches!(&error, Error::CertificateStatus { status, .. } if status == "REVOKED"), "{error:?}");
    // ListAttachedPolicies is a POST.
    let begins = ["GET ", "POST /attached-policies/"];
    let reads = |request: &String| {
        request == "POST /" || begins.iter().any(|beginning| request.starts_with(beginning))
    };
    assert!(aws.requests().iter().all(reads), "{:?}", aws.requests());
}

#[test]
fn a_thing_with_attributes_of_its_own_is_used_as_it_is() {
    let aws = Scripted::start(vec![(
        "GET /things/",
        Answer(200, "", r#"{"thingArn":"arn:aws:iot:us-east-1:123456789012:thing/dev1"}"#),
    )]);
    let applied = provision(&aws).unwrap();
    assert_eq!(applied.steps[1].to_string(), "  thing dev1: unchanged");
}

/// Whether AWS changes the kind of an attachment that is there, its documentation does not say.
#[test]
fn an_attachment_that_was_not_changed_by_attaching_again_is_made_anew() {
    const REGISTERED: &str = r#"{"certificateDescription":{"status":"ACTIVE",
        "certificateId":"00000000000000000000000000000000000000000000000000000000000000aa",
        "certificateArn":"arn:aws:iot:us-east-1:123456789012:cert/aa"}}"#;
    const SHARED: &str =
        r#"{"principalThingObjects":[{"thingName":"dev1","thingPrincipalType":"NON_EXCLUSIVE_THING"}]}"#;
    const NOT_SAID: &str = r#"{"principalThingObjects":[{"thingName":"dev1"}]}"#;
    let attach = "PUT /things/dev1/principals?thingPrincipalType=EXCLUSIVE_THING";
    let detach = "DELETE /things/dev1/principals";
    for (name, things, expected) in
        [("silently left", SHARED, vec![attach, detach, attach]), ("kind is not told", NOT_SAID, vec![])]
    {
        let aws = Scripted::start(vec![
            ("GET /certificates/", Answer(200, "", REGISTERED)),
            ("GET /principals/things-v2", Answer(200, "", things)),
            ("DELETE /things/", Answer(200, "", "{}")),
        ]);
        provision(&aws).unwrap();
        let mut requests = aws.requests();
        requests.retain(|request| request.contains("dev1/principals"));
        assert_eq!(requests, expected, "{name}");
    }
}

/// The SDK's paginator ends where a page names itself as the next.
#[test]
fn a_list_without_end_is_followed_once() {
    let again = r#"{"policies":[],"nextMarker":"here"}"#;
    let registered =
        r#"{"certificateDescription":{"status":"ACTIVE","certificateId":"ab","certificateArn":"arn:x"}}"#;
    let aws = Scripted::start(vec![
        ("GET /certificates/", Answer(200, "", registered)),
        ("POST /attached-policies/", Answer(200, "", again)),
    ]);
    provision(&aws).unwrap();
    let asked = aws.requests().iter().filter(|request| request.contains("/attached-policies/")).count();
    assert_eq!(asked, 2);
}

/// Older partitions, moto and ministack: each says in its own way that there is no such call.
#[test]
fn without_list_principal_things_v2_the_older_call_is_made() {
    let registered =
        r#"{"certificateDescription":{"status":"ACTIVE","certificateId":"ab","certificateArn":"arn:x"}}"#;
    for (name, answer) in [
        ("unknown operation", Answer(404, "UnknownOperationException", r#"{"message":"no"}"#)),
        ("a page", Answer(404, "", "<html>Not Found</html>")),
        ("not implemented", Answer(501, "", "{}")),
        ("API gateway", Answer(403, "MissingAuthenticationTokenException", r#"{"message":"no"}"#)),
        ("not allowed", Answer(403, "AccessDeniedException", r#"{"message":"no"}"#)),
    ] {
        let aws = Scripted::start(vec![
            ("GET /certificates/", Answer(200, "", registered)),
            ("GET /principals/things-v2", answer),
            ("GET /principals/things", Answer(200, "", r#"{"things":["dev1"]}"#)),
        ]);
        let applied = provision(&aws).unwrap_or_else(|error| panic!("{name}: {}", chain(&error)));
        let attachment = applied.steps.iter().find(|step| step.to_string().contains("on the thing"));
        assert_eq!(attachment.unwrap().describe().outcome, "unchanged", "{name}");
    }
}

#[test]
fn nobody_listens() {
    // TCPMUX, which no system runs.
    let url = "http://127.0.0.1:1";
    let error = provision_at(url).unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    let text = chain(&error);
    assert!(text.contains(url) && text.contains("Connection refused"), "{text}");
}

#[test]
fn no_region() {
    let error = Provisioner::new(&SdkConfig::builder().build()).unwrap_err();
    assert!(matches!(error, Error::NoRegion), "{error:?}");
}

#[test]
fn no_credentials() {
    let error = block_on(async {
        let nothing = config("http://127.0.0.1:1").await;
        let mut builder = nothing.into_builder();
        builder.set_credentials_provider(Some(crate::support::NoCredentials::shared()));
        Provisioner::new(&builder.build()).unwrap().run(register(&device("dev1")), |_| {}).await
    })
    .unwrap_err();
    assert!(matches!(error, Error::Credentials(_)), "{error:?}");
    assert!(chain(&error).contains("AWS_PROFILE"), "{}", chain(&error));
}
