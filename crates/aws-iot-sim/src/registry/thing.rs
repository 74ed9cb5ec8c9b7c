//! Things.

use std::collections::BTreeMap;

use ring::rand::{SecureRandom, SystemRandom};

use super::{ApiError, ApiErrorKind, Registry, State, ThingName, ThingTypeName, thing_type};
use crate::arn::Scope;
use crate::limits::{THING_ATTRIBUTES, THING_ATTRIBUTES_WITH_TYPE};

/// A thing.
#[derive(Debug, Clone)]
pub(crate) struct Thing {
    pub(crate) name: ThingName,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) thing_type: Option<ThingTypeName>,
    pub(crate) version: u64,
}

/// What CreateThing asks for.
#[derive(Debug, Clone)]
pub(crate) struct NewThing {
    pub(crate) name: ThingName,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) thing_type: Option<ThingTypeName>,
    /// Billing groups are not simulated: naming one is naming one that does not exist.
    pub(crate) billing_group: Option<String>,
}

/// What UpdateThing asks for.
#[derive(Debug, Clone)]
pub(crate) struct ThingUpdate {
    pub(crate) attributes: Option<BTreeMap<String, String>>,
    pub(crate) merge: bool,
    pub(crate) thing_type: Option<ThingTypeName>,
    pub(crate) remove_thing_type: bool,
}

impl Registry {
    /// Creates a thing, or returns the one that exists with the same configuration.
    pub(crate) fn create_thing(&self, new: NewThing, scope: &Scope) -> Result<Thing, ApiError> {
        if let Some(missing) = &new.billing_group {
            return Err(ApiError::not_found(format_args!("billing group {missing}")));
        }
        let mut state = self.state();
        state.check(new.thing_type.as_ref(), &new.attributes)?;
        if let Some(existing) = state.things.get(&new.name) {
            if existing.attributes == new.attributes && existing.thing_type == new.thing_type {
                return Ok(existing.clone());
            }
            let message =
                format!("Thing {} already exists in account with different properties", existing.name);
            return Err(ApiError::already_exists(message, &existing.id, &existing.arn));
        }
        let thing = Thing {
            id: random_uuid()?,
            arn: scope.arn(format_args!("thing/{}", new.name)),
            name: new.name.clone(),
            attributes: new.attributes,
            thing_type: new.thing_type,
            version: 1,
        };
        state.things.insert(new.name, thing.clone());
        Ok(thing)
    }

    /// Changes a thing: its attributes (all of them, or with `merge` only these, of which an empty value removes one),
    /// and its type.
    pub(crate) fn update_thing(&self, name: &ThingName, update: ThingUpdate) -> Result<(), ApiError> {
        let mut state = self.state();
        let thing = state.things.get(name).ok_or_else(|| not_found(name))?;
        let mut attributes = thing.attributes.clone();
        if let Some(payload) = update.attributes {
            if !update.merge {
                attributes.clear();
            }
            attributes.extend(payload);
            attributes.retain(|_, value| !value.is_empty());
        }
        let kept = if update.remove_thing_type { None } else { thing.thing_type.clone() };
        let thing_type = update.thing_type.or(kept);
        state.check(thing_type.as_ref(), &attributes)?;
        let thing = state.things.get_mut(name).ok_or_else(|| not_found(name))?;
        thing.attributes = attributes;
        thing.thing_type = thing_type;
        thing.version += 1;
        Ok(())
    }

    /// All things.
    pub(crate) fn things(&self) -> Vec<Thing> {
        self.state().things.values().cloned().collect()
    }

    /// The thing of that name.
    pub(crate) fn thing(&self, name: &ThingName) -> Result<Thing, ApiError> {
        self.state().things.get(name).cloned().ok_or_else(|| not_found(name))
    }

    /// Deletes a thing. One that does not exist is success (AWS IoT API reference, DeleteThing).
    pub(crate) fn delete_thing(
        &self,
        name: &ThingName,
        expected_version: Option<u64>,
    ) -> Result<(), ApiError> {
        let mut state = self.state();
        let Some(thing) = state.things.get(name) else { return Ok(()) };
        if expected_version.is_some_and(|expected| expected != thing.version) {
            let message = format!("thing {name} has version {}", thing.version);
            return Err(ApiError::new(ApiErrorKind::VersionConflict, message));
        }
        if state.certificates.values().any(|certificate| certificate.things.contains_key(name)) {
            let message = format!("Cannot delete. Thing {name} is still attached to one or more principals");
            return Err(ApiError::invalid(message));
        }
        state.things.remove(name);
        state.thing_groups.values_mut().for_each(|group| group.forget(name));
        Ok(())
    }
}

impl State {
    fn check(
        &self,
        thing_type: Option<&ThingTypeName>,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        let Some(name) = thing_type else { return check_attributes(attributes, THING_ATTRIBUTES) };
        if !self.thing_types.contains_key(name) {
            return Err(thing_type::not_found(name));
        }
        check_attributes(attributes, THING_ATTRIBUTES_WITH_TYPE)
    }
}

pub(super) fn not_found(name: &ThingName) -> ApiError {
    ApiError::not_found(format_args!("thing {name}"))
}

pub(super) fn check_attributes(attributes: &BTreeMap<String, String>, most: usize) -> Result<(), ApiError> {
    if attributes.len() > most {
        return Err(ApiError::invalid(format!(
            "{} attributes, and at most {most} are allowed",
            attributes.len()
        )));
    }
    let fits = |text: &str, longest: usize, punctuation: &str| {
        text.len() <= longest && text.chars().all(|c| c.is_ascii_alphanumeric() || punctuation.contains(c))
    };
    for (name, value) in attributes {
        if name.is_empty() || !fits(name, 128, "_.,@/:#-") || !fits(value, 800, "_.,@/:#=[]-") {
            return Err(ApiError::invalid(format!(
                "attribute {name:?} has a name or value that is not allowed"
            )));
        }
    }
    Ok(())
}

/// A random UUID (version 4), as AWS gives things, executions of commands and ownership tokens.
pub(super) fn random_uuid() -> Result<String, ApiError> {
    let mut random = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| ApiError::new(ApiErrorKind::InternalFailure, "no random numbers"))?;
    let number = (u128::from_be_bytes(random) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let mut uuid = String::with_capacity(36);
    for (position, digit) in hex.chars().enumerate() {
        if matches!(position, 8 | 12 | 16 | 20) {
            uuid.push('-');
        }
        uuid.push(digit);
    }
    Ok(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_is_of_version_4() {
        let uuid = random_uuid().unwrap();
        assert_eq!(uuid.len(), 36, "{uuid}");
        assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
        assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
    }
}
