//! The policy that a device's certificate carries.

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::judge::Judge;
use crate::verdict::Finding;

/// The policy variable for the thing that the certificate is attached to.
const THING: &str = "${iot:Connection.Thing.ThingName}";

/// No statement allows more than this device's own client id and topics. AWS names "overly permissive" policies and no criterion; ours: no
/// wildcard in an action, and none in a resource before the thing's name.
pub(super) fn device_policies(judge: &mut Judge<'_>) -> anyhow::Result<Finding> {
    let Some((program, arguments)) = judge.policy_command().and_then(<[String]>::split_first) else {
        return Ok(Finding::not_applicable("nothing here makes this device's policy"));
    };
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("{program} does not start"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    let policy: Value = serde_json::from_slice(&output.stdout).context("the policy is no JSON")?;
    let mut allowed = 0;
    let mut too_wide = Vec::new();
    for statement in policy.get("Statement").into_iter().flat_map(each) {
        if statement.get("Effect").and_then(Value::as_str) != Some("Allow") {
            continue;
        }
        ensure!(
            statement.get("NotResource").is_none() && statement.get("NotAction").is_none(),
            "allows all but something"
        );
        for action in statement.get("Action").into_iter().flat_map(each).filter_map(Value::as_str) {
            for resource in statement.get("Resource").into_iter().flat_map(each).filter_map(Value::as_str) {
                allowed += 1;
                if action.contains('*') || !is_the_things_own(resource) {
                    too_wide.push(format!("{action} on {resource}"));
                }
            }
        }
    }
    ensure!(allowed > 0, "the policy allows nothing");
    Ok(match too_wide.as_slice() {
        [] => Finding::pass(format!(
            "{allowed} permissions, each within the thing's own client id, topics and filters"
        )),
        wide => Finding::fail(wide.join("; ")),
    })
}

/// A value alone, or each of a list.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice).iter()
}

/// `arn:PARTITION:iot:REGION:ACCOUNT:KIND/NAME` with the thing's name as a whole level, and no wildcard before it.
fn is_the_things_own(resource: &str) -> bool {
    let name =
        resource.splitn(6, ':').nth(5).and_then(|kind_and_name| Some(kind_and_name.split_once('/')?.1));
    let before = name.and_then(|name| name.split('/').position(|level| level == THING).map(|at| (name, at)));
    before
        .is_some_and(|(name, at)| !name.split('/').take(at).any(|level| level.contains(['*', '?', '+', '#'])))
}

#[cfg(test)]
mod tests {
    use super::is_the_things_own;

    #[test]
    fn only_what_is_below_the_things_name_is_its_own() {
        let arn = |rest: &str| is_the_things_own(&format!("arn:aws:iot:us-east-1:123456789012:{rest}"));
        assert!(arn("client/${iot:Connection.Thing.ThingName}"));
        assert!(arn("topic/${iot:Connection.Thing.ThingName}/*"));
        assert!(arn("topicfilter/$aws/things/${iot:Connection.Thing.ThingName}/shadow/*"));
        assert!(!arn("topic/*"));
        assert!(!arn("topic/*/${iot:Connection.Thing.ThingName}"));
        assert!(!arn("topic/${iot:Connection.Thing.ThingName}*"));
        assert!(!arn("client/${iot:ClientId}*"));
        assert!(!is_the_things_own("*"));
    }
}
