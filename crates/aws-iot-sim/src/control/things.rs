//! CreateThing, DescribeThing, ListThings, UpdateThing, DeleteThing, a thing's principals and a principal's things.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::Page;
use super::refusal::not_visible_yet;
use super::request::{body, principal};
use super::respond::{Answer, done};
use crate::arn::Scope;
use crate::faults::ActiveFaults;
use crate::registry::{Exclusivity, NewThing, Registry, ThingName, ThingTypeName, ThingUpdate};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateThing {
    thing_type_name: Option<String>,
    #[serde(default)]
    attribute_payload: AttributePayload,
    billing_group_name: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct AttributePayload {
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
    #[serde(default)]
    merge: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateThing {
    attribute_payload: Option<AttributePayload>,
    thing_type_name: Option<String>,
    #[serde(default)]
    remove_thing_type: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExpectedVersion {
    pub(super) expected_version: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttachPrincipal {
    thing_principal_type: Option<String>,
}

pub(super) async fn create(
    State(registry): State<Arc<Registry>>,
    Extension(scope): Extension<Scope>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Answer {
    let request: CreateThing = body(&bytes)?;
    let new = NewThing {
        name: ThingName::parse(&name)?,
        attributes: request.attribute_payload.attributes,
        thing_type: request.thing_type_name.as_deref().map(ThingTypeName::parse).transpose()?,
        billing_group: request.billing_group_name,
    };
    let thing = registry.create_thing(new, &scope)?;
    Ok(Json(json!({
        "thingName": thing.name.as_str(),
        "thingArn": thing.arn,
        "thingId": thing.id,
    })))
}

pub(super) async fn describe(State(registry): State<Arc<Registry>>, Path(name): Path<String>) -> Answer {
    let thing = registry.thing(&ThingName::parse(&name)?)?;
    Ok(Json(json!({
        "defaultClientId": thing.name.as_str(),
        "thingName": thing.name.as_str(),
        "thingId": thing.id,
        "thingArn": thing.arn,
        "thingTypeName": thing.thing_type.as_ref().map(ThingTypeName::as_str),
        "attributes": thing.attributes,
        "version": thing.version,
    })))
}

pub(super) async fn list(State(registry): State<Arc<Registry>>, page: Page) -> Answer {
    let (things, next) = page.of(registry.things(), |thing| thing.name.to_string())?;
    let things: Vec<Value> = things
        .iter()
        .map(|thing| {
            json!({
                "thingName": thing.name.as_str(),
                "thingArn": thing.arn,
                "thingTypeName": thing.thing_type.as_ref().map(ThingTypeName::as_str),
                "attributes": thing.attributes,
                "version": thing.version,
            })
        })
        .collect();
    Ok(Json(json!({ "things": things, "nextToken": next })))
}

pub(super) async fn update(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Answer {
    let request: UpdateThing = body(&bytes)?;
    let update = ThingUpdate {
        merge: request.attribute_payload.as_ref().is_some_and(|payload| payload.merge),
        attributes: request.attribute_payload.map(|payload| payload.attributes),
        thing_type: request.thing_type_name.as_deref().map(ThingTypeName::parse).transpose()?,
        remove_thing_type: request.remove_thing_type,
    };
    registry.update_thing(&ThingName::parse(&name)?, update)?;
    done()
}

pub(super) async fn list_of_principal(
    State(registry): State<Arc<Registry>>,
    page: Page,
    headers: HeaderMap,
) -> Answer {
    let things = registry.principal_things(&principal(&registry, &headers)?)?;
    let (things, next) = page.of(things, |(name, _)| name.clone())?;
    let names: Vec<&String> = things.iter().map(|(name, _)| name).collect();
    Ok(Json(json!({ "things": names, "nextToken": next })))
}

pub(super) async fn list_of_principal_v2(
    State(registry): State<Arc<Registry>>,
    page: Page,
    headers: HeaderMap,
) -> Answer {
    let things = registry.principal_things(&principal(&registry, &headers)?)?;
    let (things, next) = page.of(things, |(name, _)| name.clone())?;
    let things: Vec<Value> = things
        .iter()
        .map(|(name, kind)| json!({ "thingName": name, "thingPrincipalType": kind.as_str() }))
        .collect();
    Ok(Json(json!({ "principalThingObjects": things, "nextToken": next })))
}

pub(super) async fn delete(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    Query(query): Query<ExpectedVersion>,
) -> Answer {
    registry.delete_thing(&ThingName::parse(&name)?, query.expected_version)?;
    done()
}

pub(super) async fn attach_principal(
    State(registry): State<Arc<Registry>>,
    State(faults): State<Arc<ActiveFaults>>,
    Path(name): Path<String>,
    Query(query): Query<AttachPrincipal>,
    headers: HeaderMap,
) -> Answer {
    let asked = query.thing_principal_type.as_deref();
    let exclusivity = asked.map_or(Ok(Exclusivity::NonExclusive), Exclusivity::parse)?;
    let (thing, certificate) = (ThingName::parse(&name)?, principal(&registry, &headers)?);
    not_visible_yet(&faults, "AttachThingPrincipal", thing.as_str(), certificate.as_str())?;
    registry.attach_thing_principal(&thing, &certificate, exclusivity)?;
    done()
}

pub(super) async fn detach_principal(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    registry.detach_thing_principal(&ThingName::parse(&name)?, &principal(&registry, &headers)?)?;
    done()
}

pub(super) async fn list_principals(
    State(registry): State<Arc<Registry>>,
    page: Page,
    Path(name): Path<String>,
) -> Answer {
    let principals = registry.thing_principals(&ThingName::parse(&name)?)?;
    let (principals, next) = page.of(principals, |(arn, _)| arn.clone())?;
    let arns: Vec<&String> = principals.iter().map(|(arn, _)| arn).collect();
    Ok(Json(json!({ "principals": arns, "nextToken": next })))
}

pub(super) async fn list_principals_v2(
    State(registry): State<Arc<Registry>>,
    page: Page,
    Path(name): Path<String>,
) -> Answer {
    let principals = registry.thing_principals(&ThingName::parse(&name)?)?;
    let (principals, next) = page.of(principals, |(arn, _)| arn.clone())?;
    let principals: Vec<Value> = principals
        .iter()
        .map(|(arn, kind)| json!({ "principal": arn, "thingPrincipalType": kind.as_str() }))
        .collect();
    Ok(Json(json!({ "thingPrincipalObjects": principals, "nextToken": next })))
}
