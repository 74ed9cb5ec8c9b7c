//! Which operation of the AWS API a request is.

use axum::http::Method;

/// An operation, and the kind of resource that its path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    /// The resource part of the ARN before the name, as in `thing/NAME`. Empty where the action takes no resource.
    pub(super) resource: &'static str,
}

impl Operation {
    /// The operation of a route (paths: AWS IoT API reference).
    pub(super) fn of(method: &Method, route: &str) -> Option<Self> {
        let (name, resource) = match (method.as_str(), route) {
            ("GET", "/things") => ("ListThings", ""),
            ("POST", "/things/{name}") => ("CreateThing", "thing"),
            ("GET", "/things/{name}") => ("DescribeThing", "thing"),
            ("PATCH", "/things/{name}") => ("UpdateThing", "thing"),
            ("DELETE", "/things/{name}") => ("DeleteThing", "thing"),
            ("PUT", "/things/{name}/principals") => ("AttachThingPrincipal", "thing"),
            ("DELETE", "/things/{name}/principals") => ("DetachThingPrincipal", "thing"),
            ("GET", "/things/{name}/principals") => ("ListThingPrincipals", "thing"),
            ("GET", "/things/{name}/principals-v2") => ("ListThingPrincipalsV2", "thing"),
            ("GET", "/things/{name}/thing-groups") => ("ListThingGroupsForThing", "thing"),
            ("GET", "/principals/things") => ("ListPrincipalThings", ""),
            ("GET", "/principals/things-v2") => ("ListPrincipalThingsV2", ""),
            ("GET", "/thing-groups") => ("ListThingGroups", ""),
            ("POST", "/thing-groups/{name}") => ("CreateThingGroup", "thinggroup"),
            ("GET", "/thing-groups/{name}") => ("DescribeThingGroup", "thinggroup"),
            ("DELETE", "/thing-groups/{name}") => ("DeleteThingGroup", "thinggroup"),
            ("GET", "/thing-groups/{name}/things") => ("ListThingsInThingGroup", "thinggroup"),
            ("PUT", "/thing-groups/addThingToThingGroup") => ("AddThingToThingGroup", ""),
            ("PUT", "/thing-groups/removeThingFromThingGroup") => ("RemoveThingFromThingGroup", ""),
            ("GET", "/thing-types") => ("ListThingTypes", ""),
            ("POST", "/thing-types/{name}") => ("CreateThingType", "thingtype"),
            ("GET", "/thing-types/{name}") => ("DescribeThingType", "thingtype"),
            ("GET", "/policies") => ("ListPolicies", ""),
            ("POST", "/policies/{name}") => ("CreatePolicy", "policy"),
            ("GET", "/policies/{name}") => ("GetPolicy", "policy"),
            ("DELETE", "/policies/{name}") => ("DeletePolicy", "policy"),
            ("POST", "/policies/{name}/version") => ("CreatePolicyVersion", "policy"),
            ("GET", "/policies/{name}/version") => ("ListPolicyVersions", "policy"),
            ("DELETE", "/policies/{name}/version/{number}") => ("DeletePolicyVersion", "policy"),
            ("POST", "/policy-targets/{name}") => ("ListTargetsForPolicy", "policy"),
            ("PUT", "/target-policies/{name}") => ("AttachPolicy", "policy"),
            ("POST", "/target-policies/{name}") => ("DetachPolicy", "policy"),
            ("POST", "/attached-policies/{target}") => ("ListAttachedPolicies", ""),
            ("GET", "/certificates") => ("ListCertificates", ""),
            ("POST", "/certificate/register-no-ca") => ("RegisterCertificateWithoutCA", ""),
            ("GET", "/certificates/{id}") => ("DescribeCertificate", "cert"),
            ("PUT", "/certificates/{id}") => ("UpdateCertificate", "cert"),
            ("DELETE", "/certificates/{id}") => ("DeleteCertificate", "cert"),
            ("PUT", "/commands/{id}") => ("CreateCommand", "command"),
            ("POST", "/command-executions") => ("StartCommandExecution", ""),
            ("GET", "/command-executions/{id}") => ("GetCommandExecution", ""),
            ("POST", "/role-aliases/{name}") => ("CreateRoleAlias", "rolealias"),
            ("GET", "/role-aliases/{name}") => ("DescribeRoleAlias", "rolealias"),
            ("POST", "/provisioning-templates") => ("CreateProvisioningTemplate", ""),
            ("GET", "/endpoint") => ("DescribeEndpoint", ""),
            ("POST", "/topics/{*topic}") => ("Publish", "topic"),
            ("POST", "/test-authorization") => ("TestAuthorization", ""),
            ("GET", "/connections/{id}") => ("GetConnection", "client"),
            ("POST", "/connections/{id}/messages") => ("SendDirectMessage", "client"),
            _ => return None,
        };
        Some(Self { name, resource })
    }

    /// The resource of a request, as policies write it.
    pub(super) fn resource_of(self, path: &str) -> Option<String> {
        let name = path.split('/').nth(2).filter(|_| !self.resource.is_empty())?;
        Some(format!("{}/{name}", self.resource))
    }
}
