//! The IAM policy that the operator needs: this and no more.

use serde_json::json;

use crate::arn::ArnScope;

/// The least IAM policy for what this crate does. Resources follow "Actions, resources, and condition keys for AWS IoT" in
/// AWS's Service Authorization Reference; where IAM knows an action only as a whole, the resource is `*`.
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
            allow("Policies", &["GetPolicy", "CreatePolicy", "CreatePolicyVersion", "ListPolicyVersions", "DeletePolicyVersion", "DeletePolicy", "ListTargetsForPolicy"], &["policy"]),
            allow("Certificates", &["DescribeCertificate", "UpdateCertificate", "DeleteCertificate"], &["cert"]),
            allow("PoliciesOnCertificates", &["AttachPolicy", "DetachPolicy", "ListAttachedPolicies"], &["cert"]),
            allow("KnownToIamOnlyAsAWhole", &["RegisterCertificateWithoutCA", "AttachThingPrincipal", "DetachThingPrincipal", "ListPrincipalThings", "DescribeEndpoint"], &["*"]),
        ],
    });
    format!("{policy:#}")
}
