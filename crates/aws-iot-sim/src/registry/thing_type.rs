//! Thing types.

use super::thing::random_uuid;
use super::{ApiError, Registry, ThingTypeName, now};
use crate::arn::Scope;

/// A thing type.
#[derive(Debug, Clone)]
pub(crate) struct ThingType {
    pub(crate) name: ThingTypeName,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) properties: ThingTypeProperties,
    pub(crate) created: f64,
}

/// What CreateThingType asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ThingTypeProperties {
    pub(crate) description: Option<String>,
    pub(crate) searchable_attributes: Vec<String>,
}

impl Registry {
    /// Creates a type, or returns the one that exists with the same properties.
    pub(crate) fn create_thing_type(
        &self,
        name: ThingTypeName,
        properties: ThingTypeProperties,
        scope: &Scope,
    ) -> Result<ThingType, ApiError> {
        let mut state = self.state();
        if let Some(existing) = state.thing_types.get(&name) {
            if existing.properties == properties {
                return Ok(existing.clone());
            }
            let message = format!("Thing type {name} already exists in account with different properties");
            return Err(ApiError::already_exists(message, &existing.id, &existing.arn));
        }
        let thing_type = ThingType {
            id: random_uuid()?,
            arn: scope.arn(format_args!("thingtype/{name}")),
            name: name.clone(),
            properties,
            created: now(),
        };
        state.thing_types.insert(name, thing_type.clone());
        Ok(thing_type)
    }

    /// The type of that name.
    pub(crate) fn thing_type(&self, name: &ThingTypeName) -> Result<ThingType, ApiError> {
        self.state().thing_types.get(name).cloned().ok_or_else(|| not_found(name))
    }

    /// All types.
    pub(crate) fn thing_types(&self) -> Vec<ThingType> {
        self.state().thing_types.values().cloned().collect()
    }
}

pub(super) fn not_found(name: &ThingTypeName) -> ApiError {
    ApiError::not_found(format_args!("thing type {name}"))
}
