//! CreatePolicy, GetPolicy, ListPolicies, DeletePolicy, the policies of a certificate and the certificates of a policy.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::Page;
use super::refusal::not_visible_yet;
use super::request::body;
use super::respond::{Answer, done};
use crate::arn::Scope;
use crate::faults::ActiveFaults;
use crate::registry::{PolicyName, Registry, StoredPolicy};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatePolicy {
    policy_document: String,
}

#[derive(Deserialize)]
struct Target {
    target: String,
}

#[derive(Deserialize)]
pub(super) struct Recursive {
    #[serde(default)]
    recursive: bool,
}

pub(super) async fn create(
    State(registry): State<Arc<Registry>>,
    Extension(scope): Extension<Scope>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Answer {
    let request: CreatePolicy = body(&bytes)?;
    let policy = registry.create_policy(PolicyName::parse(&name)?, &request.policy_document, &scope)?;
    Ok(Json(json!({
        "policyName": policy.name.as_str(),
        "policyArn": policy.arn,
        "policyDocument": policy.document,
        "policyVersionId": policy.versions.in_force().to_string(),
    })))
}

pub(super) async fn get(State(registry): State<Arc<Registry>>, Path(name): Path<String>) -> Answer {
    let policy = registry.policy(&PolicyName::parse(&name)?)?;
    Ok(Json(json!({
        "policyName": policy.name.as_str(),
        "policyArn": policy.arn,
        "policyDocument": policy.document,
        "defaultVersionId": policy.versions.in_force().to_string(),
        "creationDate": policy.created,
        "lastModifiedDate": policy.created,
        "generationId": policy.versions.in_force().to_string(),
    })))
}

pub(super) async fn delete(State(registry): State<Arc<Registry>>, Path(name): Path<String>) -> Answer {
    registry.delete_policy(&PolicyName::parse(&name)?)?;
    done()
}

pub(super) async fn list(State(registry): State<Arc<Registry>>, page: Page) -> Answer {
    let (policies, next) = page.of(registry.policies(), |policy| policy.name.as_str().to_owned())?;
    Ok(Json(json!({ "policies": names_and_arns(&policies), "nextMarker": next })))
}

pub(super) async fn list_targets(
    State(registry): State<Arc<Registry>>,
    page: Page,
    Path(name): Path<String>,
) -> Answer {
    let targets = registry.policy_targets(&PolicyName::parse(&name)?)?;
    let (targets, next) = page.of(targets, Clone::clone)?;
    Ok(Json(json!({ "targets": targets, "nextMarker": next })))
}

pub(super) async fn attach(
    State(registry): State<Arc<Registry>>,
    State(faults): State<Arc<ActiveFaults>>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Answer {
    let Target { target } = body(&bytes)?;
    let policy = PolicyName::parse(&name)?;
    let on = registry.policy_target(&target)?;
    not_visible_yet(&faults, "AttachPolicy", policy.as_str(), &target)?;
    registry.attach_policy(&policy, &on)?;
    done()
}

pub(super) async fn detach(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Answer {
    let Target { target } = body(&bytes)?;
    registry.detach_policy(&PolicyName::parse(&name)?, &registry.policy_target(&target)?)?;
    done()
}

pub(super) async fn list_attached(
    State(registry): State<Arc<Registry>>,
    page: Page,
    Query(Recursive { recursive }): Query<Recursive>,
    Path(target): Path<String>,
) -> Answer {
    let policies = registry.attached_policies(&registry.policy_target(&target)?, recursive)?;
    let (policies, next) = page.of(policies, |policy| policy.name.as_str().to_owned())?;
    Ok(Json(json!({ "policies": names_and_arns(&policies), "nextMarker": next })))
}

fn names_and_arns(policies: &[StoredPolicy]) -> Vec<Value> {
    policies
        .iter()
        .map(|policy| json!({ "policyName": policy.name.as_str(), "policyArn": policy.arn }))
        .collect()
}
