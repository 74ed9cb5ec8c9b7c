//! Thing groups and their members.

use std::collections::{BTreeMap, BTreeSet};

use super::thing::{check_attributes, not_found as thing_not_found, random_uuid};
use super::{ApiError, ApiErrorKind, PolicyName, Registry, State, ThingGroupName, ThingName, now};
use crate::arn::Scope;
use crate::limits::THING_GROUP_ATTRIBUTES;

/// A static thing group.
#[derive(Debug, Clone)]
pub(crate) struct ThingGroup {
    pub(crate) name: ThingGroupName,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) configuration: ThingGroupConfiguration,
    pub(crate) created: f64,
    pub(crate) version: u64,
    members: BTreeSet<ThingName>,
    pub(super) policies: BTreeSet<PolicyName>,
}

/// What CreateThingGroup asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ThingGroupConfiguration {
    pub(crate) parent: Option<ThingGroupName>,
    pub(crate) description: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Registry {
    /// Creates a group, or returns the one that exists with the same configuration.
    pub(crate) fn create_thing_group(
        &self,
        name: ThingGroupName,
        configuration: ThingGroupConfiguration,
        scope: &Scope,
    ) -> Result<ThingGroup, ApiError> {
        check_attributes(&configuration.attributes, THING_GROUP_ATTRIBUTES)?;
        let mut state = self.state();
        if let Some(existing) = state.thing_groups.get(&name) {
            if existing.configuration == configuration {
                return Ok(existing.clone());
            }
            let message = format!("Thing group {name} already exists in account with different properties");
            return Err(ApiError::already_exists(message, &existing.id, &existing.arn));
        }
        if let Some(parent) = &configuration.parent
            && !state.thing_groups.contains_key(parent)
        {
            // AWS's model has no ResourceNotFoundException here.
            return Err(ApiError::invalid(format!("parent thing group {parent} does not exist")));
        }
        let group = ThingGroup {
            id: random_uuid()?,
            arn: scope.arn(format_args!("thinggroup/{name}")),
            name: name.clone(),
            configuration,
            created: now(),
            version: 1,
            members: BTreeSet::new(),
            policies: BTreeSet::new(),
        };
        state.thing_groups.insert(name, group.clone());
        Ok(group)
    }

    /// The group of that name.
    pub(crate) fn thing_group(&self, name: &ThingGroupName) -> Result<ThingGroup, ApiError> {
        self.state().thing_groups.get(name).cloned().ok_or_else(|| not_found(name))
    }

    /// All groups.
    pub(crate) fn thing_groups(&self) -> Vec<ThingGroup> {
        self.state().thing_groups.values().cloned().collect()
    }

    /// Deletes a group without child groups. One that does not exist is success (AWS IoT API reference,
    /// DeleteThingGroup).
    pub(crate) fn delete_thing_group(
        &self,
        name: &ThingGroupName,
        expected_version: Option<u64>,
    ) -> Result<(), ApiError> {
        let mut state = self.state();
        let Some(group) = state.thing_groups.get(name) else { return Ok(()) };
        if expected_version.is_some_and(|expected| expected != group.version) {
            let message = format!("thing group {name} has version {}", group.version);
            return Err(ApiError::new(ApiErrorKind::VersionConflict, message));
        }
        if state.thing_groups.values().any(|other| other.configuration.parent.as_ref() == Some(name)) {
            return Err(ApiError::invalid(format!("Cannot delete thing group {name}: it has child groups")));
        }
        state.thing_groups.remove(name);
        Ok(())
    }

    /// Puts a thing into a group; one that is in it already is success.
    pub(crate) fn add_to_thing_group(
        &self,
        group: &ThingGroupName,
        thing: &ThingName,
    ) -> Result<(), ApiError> {
        let mut state = self.state();
        if !state.things.contains_key(thing) {
            return Err(thing_not_found(thing));
        }
        let group = state.thing_groups.get_mut(group).ok_or_else(|| not_found(group))?;
        group.members.insert(thing.clone());
        Ok(())
    }

    /// Takes a thing out of a group; one that is not in it is success.
    pub(crate) fn remove_from_thing_group(
        &self,
        group: &ThingGroupName,
        thing: &ThingName,
    ) -> Result<(), ApiError> {
        let mut state = self.state();
        if !state.things.contains_key(thing) {
            return Err(thing_not_found(thing));
        }
        let group = state.thing_groups.get_mut(group).ok_or_else(|| not_found(group))?;
        group.members.remove(thing);
        Ok(())
    }

    /// The groups that a thing is in.
    pub(crate) fn groups_of_thing(&self, thing: &ThingName) -> Result<Vec<ThingGroup>, ApiError> {
        let state = self.state();
        if !state.things.contains_key(thing) {
            return Err(thing_not_found(thing));
        }
        Ok(state.thing_groups.values().filter(|group| group.members.contains(thing)).cloned().collect())
    }

    /// The things that are in a group.
    pub(crate) fn things_in_group(&self, name: &ThingGroupName) -> Result<Vec<ThingName>, ApiError> {
        Ok(self.thing_group(name)?.members.into_iter().collect())
    }
}

impl State {
    /// The policies on a group and on the groups above it, which its things have as well (AWS IoT developer guide, "Static
    /// thing groups").
    pub(super) fn policies_of_group(&self, name: &ThingGroupName) -> BTreeSet<PolicyName> {
        let mut policies = BTreeSet::new();
        let mut next = self.thing_groups.get(name);
        while let Some(group) = next {
            policies.extend(group.policies.iter().cloned());
            // A parent has to exist before its child, so that there is no circle.
            next = group.configuration.parent.as_ref().and_then(|parent| self.thing_groups.get(parent));
        }
        policies
    }

    /// The policies that a thing has through its groups.
    pub(super) fn group_policies_of(&self, thing: &ThingName) -> BTreeSet<PolicyName> {
        let groups = self.thing_groups.values().filter(|group| group.members.contains(thing));
        groups.flat_map(|group| self.policies_of_group(&group.name)).collect()
    }
}

impl ThingGroup {
    /// A thing that is deleted is in no group.
    pub(super) fn forget(&mut self, thing: &ThingName) {
        self.members.remove(thing);
    }
}

pub(super) fn not_found(name: &ThingGroupName) -> ApiError {
    ApiError::not_found(format_args!("thing group {name}"))
}
