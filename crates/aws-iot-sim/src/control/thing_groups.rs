//! Thing groups, and which things are in them.

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
use super::things::{AttributePayload, ExpectedVersion};
use crate::arn::Scope;
use crate::faults::ActiveFaults;
use crate::registry::{ApiError, Registry, ThingGroup, ThingGroupConfiguration, ThingGroupName, ThingName};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateThingGroup {
    parent_group_name: Option<String>,
    #[serde(default)]
    thing_group_properties: Properties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    thing_group_description: Option<String>,
    #[serde(default)]
    attribute_payload: AttributePayload,
}

/// A thing and a group, each by its name or its ARN.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Membership {
    thing_name: Option<String>,
    thing_arn: Option<String>,
    thing_group_name: Option<String>,
    thing_group_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filters {
    parent_group: Option<String>,
    name_prefix_filter: Option<String>,
}

pub(super) async fn create(
    State(registry): State<Arc<Registry>>,
    Extension(scope): Extension<Scope>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Answer {
    let request: CreateThingGroup = body(&bytes)?;
    let configuration = ThingGroupConfiguration {
        parent: request.parent_group_name.as_deref().map(ThingGroupName::parse).transpose()?,
        description: request.thing_group_properties.thing_group_description,
        attributes: request.thing_group_properties.attribute_payload.attributes,
    };
    let group = registry.create_thing_group(ThingGroupName::parse(&name)?, configuration, &scope)?;
    Ok(Json(json!({
        "thingGroupName": group.name.as_str(),
        "thingGroupArn": group.arn,
        "thingGroupId": group.id,
    })))
}

pub(super) async fn describe(State(registry): State<Arc<Registry>>, Path(name): Path<String>) -> Answer {
    let group = registry.thing_group(&ThingGroupName::parse(&name)?)?;
    let configuration = &group.configuration;
    Ok(Json(json!({
        "thingGroupName": group.name.as_str(),
        "thingGroupId": group.id,
        "thingGroupArn": group.arn,
        "version": group.version,
        "thingGroupProperties": {
            "thingGroupDescription": configuration.description,
            "attributePayload": { "attributes": configuration.attributes },
        },
        "thingGroupMetadata": {
            "parentGroupName": configuration.parent.as_ref().map(ThingGroupName::as_str),
            "creationDate": group.created,
        },
    })))
}

pub(super) async fn list(
    State(registry): State<Arc<Registry>>,
    page: Page,
    Query(filters): Query<Filters>,
) -> Answer {
    let wanted = |group: &ThingGroup| {
        let parent = group.configuration.parent.as_ref().map(ThingGroupName::as_str);
        filters.parent_group.as_deref().is_none_or(|wanted| parent == Some(wanted))
            && filters
                .name_prefix_filter
                .as_ref()
                .is_none_or(|prefix| group.name.as_str().starts_with(prefix))
    };
    let groups = registry.thing_groups().into_iter().filter(wanted).collect();
    answer(page, groups)
}

pub(super) async fn delete(
    State(registry): State<Arc<Registry>>,
    Path(name): Path<String>,
    Query(query): Query<ExpectedVersion>,
) -> Answer {
    registry.delete_thing_group(&ThingGroupName::parse(&name)?, query.expected_version)?;
    done()
}

pub(super) async fn add_thing(
    State(registry): State<Arc<Registry>>,
    State(faults): State<Arc<ActiveFaults>>,
    bytes: Bytes,
) -> Answer {
    let (group, thing) = body::<Membership>(&bytes)?.names()?;
    not_visible_yet(&faults, "AddThingToThingGroup", &thing.to_string(), &group.to_string())?;
    registry.add_to_thing_group(&group, &thing)?;
    done()
}

pub(super) async fn remove_thing(State(registry): State<Arc<Registry>>, bytes: Bytes) -> Answer {
    let (group, thing) = body::<Membership>(&bytes)?.names()?;
    registry.remove_from_thing_group(&group, &thing)?;
    done()
}

pub(super) async fn list_of_thing(
    State(registry): State<Arc<Registry>>,
    page: Page,
    Path(name): Path<String>,
) -> Answer {
    answer(page, registry.groups_of_thing(&ThingName::parse(&name)?)?)
}

pub(super) async fn list_things(
    State(registry): State<Arc<Registry>>,
    page: Page,
    Path(name): Path<String>,
) -> Answer {
    let things = registry.things_in_group(&ThingGroupName::parse(&name)?)?;
    let (things, next) = page.of(things, ThingName::to_string)?;
    let names: Vec<&str> = things.iter().map(ThingName::as_str).collect();
    Ok(Json(json!({ "things": names, "nextToken": next })))
}

impl Membership {
    fn names(self) -> Result<(ThingGroupName, ThingName), ApiError> {
        let name = |name: Option<String>, arn: Option<String>, kind: &str| {
            let of_arn = || arn?.split_once(&format!(":{kind}/")).map(|(_, name)| name.to_owned());
            name.or_else(of_arn).ok_or_else(|| ApiError::invalid(format!("the request names no {kind}")))
        };
        let group = name(self.thing_group_name, self.thing_group_arn, "thinggroup")?;
        let thing = name(self.thing_name, self.thing_arn, "thing")?;
        Ok((ThingGroupName::parse(&group)?, ThingName::parse(&thing)?))
    }
}

fn answer(page: Page, groups: Vec<ThingGroup>) -> Answer {
    let (groups, next) = page.of(groups, |group| group.name.to_string())?;
    let groups: Vec<Value> = groups
        .iter()
        .map(|group| json!({ "groupName": group.name.as_str(), "groupArn": group.arn }))
        .collect();
    Ok(Json(json!({ "thingGroups": groups, "nextToken": next })))
}
