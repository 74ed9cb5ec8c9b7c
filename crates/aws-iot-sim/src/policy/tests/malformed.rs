//! Documents that AWS would not take.

use crate::policy::Policy;

#[test]
fn malformed_documents() {
    let good =
        r#"{"Version":"2012-10-17","Statement":{"Sid":"s","Effect":"Allow","Action":"*","Resource":"*"}}"#;
    assert!(Policy::parse(good).is_ok());
    let cases = [
        ("not JSON", "not json".to_owned()),
        ("not an object", "[]".to_owned()),
        ("empty", "{}".to_owned()),
        ("old version", good.replace("2012-10-17", "2008-10-17")),
        ("no statement", r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned()),
        ("unknown element", good.replace("Sid", "Principal")),
        ("unknown top-level element", good.replace("\"Version\"", "\"X\":1,\"Version\"")),
        ("NotAction", good.replace("Action", "NotAction")),
        ("NotResource", good.replace("Resource", "NotResource")),
        ("effect in lower case", good.replace("Allow", "allow")),
        ("action without service", good.replace("\"Action\":\"*\"", "\"Action\":\"Publish\"")),
        ("no action", good.replace("\"Action\":\"*\",", "")),
        ("resource that is no ARN", good.replace("\"Resource\":\"*\"", "\"Resource\":\"topic/t\"")),
        ("empty list", good.replace("\"Resource\":\"*\"", "\"Resource\":[]")),
    ];
    for (name, document) in cases {
        assert!(Policy::parse(&document).is_err(), "{name}: {document}");
    }
}
