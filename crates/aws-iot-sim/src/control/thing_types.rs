//! CreateThingType, DescribeThingType, ListThingTypes.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::Page;
use super::request::body;
use super::respond::Answer;
use crate::arn::Scope;
use crate::registry::{Registry, ThingType, ThingTypeName, ThingTypeProperties};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateThingType {
    #[serde(default)]
    thing_type_properties: Properties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    thing_type_description: Option<String>,
    #[serde(default)]
    searchable_attributes: Vec<String>,
}

pub(super) async fn create(
    State(registry): State<Arc<Registry>>,
    Extension(scope): Extension<Scope>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Answer {
    let CreateThingType { thing_type_properties: asked } = body(&bytes)?;
    let properties = ThingTypeProperties {
        description: asked.thing_type_description,
        searchable_attributes: asked.searchable_attributes,
    };
    let thing_type = registry.create_thing_type(ThingTypeName::parse(&name)?, properties, &scope)?;
    Ok(Json(json!({
        "thingTypeName": thing_type.name.as_str(),
        "thingTypeArn": thing_type.arn,
        "thingTypeId": thing_type.id,
    })))
}

pub(super) async fn describe(State(registry): State<Arc<Registry>>, Path(name): Path<String>) -> Answer {
    let thing_type = registry.thing_type(&ThingTypeName::parse(&name)?)?;
    let mut description = description(&thing_type);
    if let Some(fields) = description.as_object_mut() {
        fields.insert("thingTypeId".to_owned(), thing_type.id.into());
    }
    Ok(Json(description))
}

pub(super) async fn list(State(registry): State<Arc<Registry>>, page: Page) -> Answer {
    let (types, next) = page.of(registry.thing_types(), |thing_type| thing_type.name.to_string())?;
    let types: Vec<Value> = types.iter().map(description).collect();
    Ok(Json(json!({ "thingTypes": types, "nextToken": next })))
}

fn description(thing_type: &ThingType) -> Value {
    json!({
        "thingTypeName": thing_type.name.as_str(),
        "thingTypeArn": thing_type.arn,
        "thingTypeProperties": {
            "thingTypeDescription": thing_type.properties.description,
            "searchableAttributes": thing_type.properties.searchable_attributes,
        },
        "thingTypeMetadata": { "deprecated": false, "creationDate": thing_type.created },
    })
}
