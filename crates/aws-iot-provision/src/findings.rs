//! What AWS takes in a policy although it does not do what it seems to do, or does too much.

use serde_json::Value;

use crate::policy::{one_or_many, texts};

/// The actions of a device's policy, with what their resources begin with ("AWS IoT Core policy actions" and "AWS IoT Core
/// action resources" in AWS's developer guide). An empty one is not compared.
const ACTIONS: [(&str, &str); 22] = [
    ("Connect", "client/"),
    ("Publish", "topic/"),
    ("Receive", "topic/"),
    ("RetainPublish", "topic/"),
    ("Subscribe", "topicfilter/"),
    ("GetThingShadow", "thing/"),
    ("UpdateThingShadow", "thing/"),
    ("DeleteThingShadow", "thing/"),
    ("ListNamedShadowsForThing", ""),
    ("GetRetainedMessage", "topic/"),
    ("ListRetainedMessages", ""),
    ("DescribeJobExecution", "thing/"),
    ("GetPendingJobExecutions", "thing/"),
    ("StartNextPendingJobExecution", "thing/"),
    ("UpdateJobExecution", "thing/"),
    ("StartCommandExecution", ""),
    ("UpdateCommandExecution", ""),
    ("CreateProvisioningClaim", ""),
    ("AssumeRoleWithCertificate", "rolealias/"),
    ("GetConnection", ""),
    ("DeleteConnection", ""),
    ("SendDirectMessage", ""),
];

/// What the names of policy variables begin with ("AWS IoT Core policy variables" in AWS's developer guide).
const VARIABLES: [&str; 5] =
    ["iot:ClientId", "iot:Connection.Thing.", "iot:Certificate.", "iot:DomainName", "aws:"];

pub(crate) fn of(document: &Value) -> Vec<String> {
    let statements = one_or_many(document.get("Statement"));
    let old = document.get("Version").and_then(Value::as_str) == Some("2008-10-17");
    let mut findings = Vec::new();
    let mut connects = false;
    for (statement, number) in statements.iter().zip(1..) {
        if statement.get("Effect").and_then(Value::as_str) != Some("Allow") {
            continue;
        }
        let actions = texts(statement, "Action");
        let resources = texts(statement, "Resource");
        connects |=
            statement.get("NotAction").is_some() || actions.iter().any(|action| matches(action, "Connect"));
        let mut found = Vec::new();
        for negated in ["NotAction", "NotResource"] {
            if statement.get(negated).is_some() {
                found.push(format!("{negated} in an Allow allows all that it does not name"));
            }
        }
        found.extend(of_actions(&actions));
        for resource in &resources {
            found.extend(of_resource(resource, &actions, old));
        }
        found.extend(of_kinds(&actions, &resources));
        findings.extend(found.into_iter().map(|finding| format!("statement {number}: {finding}")));
    }
    if !connects {
        findings.push(
            "no statement allows iot:Connect, so a device that has only this policy cannot connect"
                .to_owned(),
        );
    }
    findings
}

fn of_actions(actions: &[&str]) -> Vec<String> {
    let finding = |action: &&str| {
        if is_every_action(action) {
            return Some(format!(
                "{action} allows every action of AWS IoT; name the actions that the device needs"
            ));
        }
        let known = action.contains(['*', '?']) || ACTIONS.iter().any(|(known, _)| matches(action, known));
        (!known).then(|| format!("{action} is not an action of a device's policy, and allows nothing"))
    };
    actions.iter().filter_map(finding).collect()
}

fn of_resource(resource: &str, actions: &[&str], old: bool) -> Vec<String> {
    let mut found = Vec::new();
    let actions = actions.join(", ");
    match name_in(resource) {
        "*" => found.push(format!(
            "{actions} on every resource ({resource}): the device can act as any other device; name its own resources, such as \
             topic/${{iot:Connection.Thing.ThingName}}/*"
        )),
        name @ ("client/*" | "topic/*" | "topicfilter/*" | "thing/*") => found.push(format!(
            "{actions} on {name}: the device can use the names of all other devices; name its own, such as \
             ${{iot:Connection.Thing.ThingName}}"
        )),
        name if (name.starts_with("topic/") || name.starts_with("client/")) && name.contains(['+', '#']) => {
            found.push(format!("in {name}, + and # stand for themselves; the wildcards of a resource are * and ?"));
        }
        _ => {}
    }
    let variables = resource.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
    for variable in variables {
        if old {
            found.push(format!(
                "${{{variable}}} is not replaced under the Version 2008-10-17; write \"Version\": \"2012-10-17\""
            ));
        } else if !VARIABLES.iter().any(|known| variable.starts_with(known)) {
            found.push(format!(
                "${{{variable}}} is not a variable that AWS IoT lists, so nothing may ever match"
            ));
        }
    }
    found
}

/// Actions without a resource of their kind, which allow nothing.
fn of_kinds(actions: &[&str], resources: &[&str]) -> Vec<String> {
    let finding = |action: &&str| {
        let (_, kind) = ACTIONS.iter().find(|(known, _)| !action.contains('*') && matches(action, known))?;
        let fits = |resource: &&str| {
            let name = name_in(resource);
            name.starts_with(kind) || name.starts_with(['*', '?'])
        };
        (!resources.is_empty() && !resources.iter().any(fits))
            .then(|| format!("{action} needs a resource that begins with {kind}, so it allows nothing here"))
    };
    actions.iter().filter_map(finding).collect()
}

fn is_every_action(action: &str) -> bool {
    action == "*" || action.eq_ignore_ascii_case("iot:*")
}

fn matches(action: &str, name: &str) -> bool {
    is_every_action(action)
        || action.split_once(':').is_some_and(|(service, action)| {
            service.eq_ignore_ascii_case("iot") && action.eq_ignore_ascii_case(name)
        })
}

/// The part of an ARN behind account and region.
fn name_in(resource: &str) -> &str {
    resource.splitn(6, ':').last().unwrap_or(resource)
}
