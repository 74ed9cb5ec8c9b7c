//! What has to be in the account, once, for the device services that a policy grants. It takes rights in IAM, so it is the
//! operator's to do: printed as commands of the AWS CLI, and not done here.

use aws_iot_provision::{ArnScope, Grants, PolicyName, RoleAlias, TemplateName};
use serde_json::json;

use crate::shell::quoted;
use crate::terminal::say;

/// Longest name of an IAM role, in characters (IAM API reference, CreateRole).
const LONGEST_ROLE_NAME: usize = 64;

/// The commands, in their order; none where the policy grants nothing that needs them. `options` follow each: they say whose
/// account it is.
pub(crate) fn commands(scope: &ArnScope, grants: &Grants, policy: &PolicyName, options: &str) -> Vec<String> {
    let template = grants.provisioning.iter().flat_map(|template| of_template(scope, template, policy));
    let alias = grants.credentials.iter().flat_map(|alias| of_role_alias(scope, alias));
    template.chain(alias).map(|command| command + options).collect()
}

/// Prints the commands on standard error, so that a policy on standard output stays alone.
pub(crate) fn tell(commands: &[String]) {
    if commands.is_empty() {
        return;
    }
    say!(
        "The account needs what these commands of the AWS CLI make, once (where it is there already, leave them out):"
    );
    for command in commands {
        say!("  {command}");
    }
}

/// AWS IoT developer guide, "Provisioning devices that don't have device certificates using fleet provisioning". The template
/// takes the thing's name as the parameter ThingName.
fn of_template(scope: &ArnScope, template: &TemplateName, policy: &PolicyName) -> [String; 3] {
    let role = format!("{template}-provisioning");
    let managed = format!("arn:{}:iam::aws:policy/service-role/AWSIoTThingsRegistration", scope.partition());
    let body = json!({
        "Parameters": {"ThingName": {"Type": "String"}, "AWS::IoT::Certificate::Id": {"Type": "String"}},
        "Resources": {
            "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "ThingName"}}},
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"},
            },
            "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": policy.as_str()}},
        },
    });
    [
        create_role(&role, "iot.amazonaws.com"),
        format!("aws iam attach-role-policy --role-name {role} --policy-arn {managed}"),
        format!(
            "aws iot create-provisioning-template --region {} --template-name {template} --enabled --provisioning-role-arn {} \
             --template-body {}",
            scope.region(),
            role_arn(scope, &role),
            quoted(&body.to_string()),
        ),
    ]
}

/// AWS IoT developer guide, "Authorizing direct calls to AWS services using AWS IoT Core credential provider". What the role
/// may do is the operator's decision.
fn of_role_alias(scope: &ArnScope, alias: &RoleAlias) -> [String; 2] {
    let role = alias.as_str().get(..LONGEST_ROLE_NAME).unwrap_or(alias.as_str());
    [
        create_role(role, "credentials.iot.amazonaws.com"),
        format!(
            "aws iot create-role-alias --region {} --role-alias {alias} --role-arn {}",
            scope.region(),
            role_arn(scope, role)
        ),
    ]
}

fn create_role(name: &str, service: &str) -> String {
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"},
    });
    format!(
        "aws iam create-role --role-name {name} --assume-role-policy-document {}",
        quoted(&trust.to_string())
    )
}

fn role_arn(scope: &ArnScope, name: &str) -> String {
    format!("arn:{}:iam::{}:role/{name}", scope.partition(), scope.account())
}
