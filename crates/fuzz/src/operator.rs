//! What the operator's side parses.

use std::fs;

use aws_iot_provision::fleet::{Expectations, Manifest, NameTemplate};
use aws_iot_provision::{Plan, PolicyDocument};
use tempfile::tempdir;

/// The list of a fleet, and the list of who is expected: CSV or JSON; and a template of names.
pub fn list(bytes: &[u8]) {
    let Ok(directory) = tempdir() else { return };
    let path = directory.path().join("file");
    if fs::write(&path, bytes).is_ok() {
        let _ = (Manifest::read(&path), Expectations::read(&path));
    }
    if let Some(template) = str::from_utf8(bytes).ok().and_then(|text| text.parse::<NameTemplate>().ok()) {
        let _ = template.name(Some("1"), "00");
    }
}

/// A plan that was kept.
pub fn plan(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(plan) = serde_json::from_str::<Plan>(text) {
        let _ = (plan.changes_anything(), serde_json::to_string(&plan));
        plan.steps.iter().for_each(|step| drop(step.to_string()));
    }
}

/// An AWS IoT policy of somebody else, and what is said about it.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(policy) = PolicyDocument::from_json(text) {
        let _ = (policy.findings(), policy.characters(), policy.allows_everything());
        let _ = policy.allows_any_resource();
        assert!(policy.is_same_as(policy.as_str()));
    }
}
