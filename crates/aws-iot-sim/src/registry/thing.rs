//! Things.

use std::collections::BTreeMap;

use ring::rand::{SecureRandom, SystemRandom};

use super::{Fault, FaultKind, Registry, ThingName};
use crate::arn::Region;
use crate::limits::THING_ATTRIBUTES;

/// A thing.
#[derive(Debug, Clone)]
pub(crate) struct Thing {
    pub(crate) name: ThingName,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) version: u64,
}

/// What CreateThing asks for.
#[derive(Debug, Clone)]
pub(crate) struct NewThing {
    pub(crate) name: ThingName,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Thing types and billing groups are not simulated: naming one is naming one that does not exist.
    pub(crate) thing_type: Option<String>,
    pub(crate) billing_group: Option<String>,
}

impl Registry {
    /// Creates a thing, or returns the one that exists with the same configuration.
    pub(crate) fn create_thing(&self, new: NewThing, region: &Region) -> Result<Thing, Fault> {
        if let Some(missing) = &new.thing_type {
            return Err(Fault::not_found(format_args!("thing type {missing}")));
        }
        if let Some(missing) = &new.billing_group {
            return Err(Fault::not_found(format_args!("billing group {missing}")));
        }
        check_attributes(&new.attributes)?;
        let mut state = self.state();
        if let Some(existing) = state.things.get(&new.name) {
            if existing.attributes == new.attributes {
                return Ok(existing.clone());
            }
            let message =
                format!("Thing {} already exists in account with different properties", existing.name);
            return Err(Fault::already_exists(message, &existing.id, &existing.arn));
        }
        let thing = Thing {
            id: random_uuid()?,
            arn: region.arn(format_args!("thing/{}", new.name)),
            name: new.name.clone(),
            attributes: new.attributes,
            version: 1,
        };
        state.things.insert(new.name, thing.clone());
        Ok(thing)
    }

    /// Sets a thing's attributes: all of them, or with `merge` only these, of which an empty value removes one.
    pub(crate) fn update_thing(
        &self,
        name: &ThingName,
        attributes: BTreeMap<String, String>,
        merge: bool,
    ) -> Result<(), Fault> {
        let mut state = self.state();
        let missing = || Fault::not_found(format_args!("thing {name}"));
        let thing = state.things.get_mut(name).ok_or_else(missing)?;
        let mut updated = if merge { thing.attributes.clone() } else { BTreeMap::new() };
        updated.extend(attributes);
        updated.retain(|_, value| !value.is_empty());
        check_attributes(&updated)?;
        thing.attributes = updated;
        thing.version += 1;
        Ok(())
    }

    /// All things.
    pub(crate) fn things(&self) -> Vec<Thing> {
        self.state().things.values().cloned().collect()
    }

    /// The thing of that name.
    pub(crate) fn thing(&self, name: &ThingName) -> Result<Thing, Fault> {
        self.state().things.get(name).cloned().ok_or_else(|| Fault::not_found(format_args!("thing {name}")))
    }

    /// Deletes a thing. One that does not exist is success (AWS IoT API reference, DeleteThing).
    pub(crate) fn delete_thing(&self, name: &ThingName, expected_version: Option<u64>) -> Result<(), Fault> {
        let mut state = self.state();
        let Some(thing) = state.things.get(name) else { return Ok(()) };
        if expected_version.is_some_and(|expected| expected != thing.version) {
            let message = format!("thing {name} has version {}", thing.version);
            return Err(Fault::new(FaultKind::VersionConflict, message));
        }
        if state.certificates.values().any(|certificate| certificate.things.contains_key(name)) {
            let message = format!("Cannot delete. Thing {name} is still attached to one or more principals");
            return Err(Fault::invalid(message));
        }
        state.things.remove(name);
        Ok(())
    }
}

fn check_attributes(attributes: &BTreeMap<String, String>) -> Result<(), Fault> {
    if attributes.len() > THING_ATTRIBUTES {
        let message = format!("a thing without a thing type has at most {THING_ATTRIBUTES} attributes");
        return Err(Fault::invalid(message));
    }
    let fits = |text: &str, longest: usize, punctuation: &str| {
        text.len() <= longest && text.chars().all(|c| c.is_ascii_alphanumeric() || punctuation.contains(c))
    };
    for (name, value) in attributes {
        if name.is_empty() || !fits(name, 128, "_.,@/:#-") || !fits(value, 800, "_.,@/:#=[]-") {
            return Err(Fault::invalid(format!(
                "attribute {name:?} has a name or value that is not allowed"
            )));
        }
    }
    Ok(())
}

/// A random UUID (version 4), as AWS gives each thing.
fn random_uuid() -> Result<String, Fault> {
    let mut random = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Fault::invalid("the simulator got no random numbers from the system"))?;
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
