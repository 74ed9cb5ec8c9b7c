//! Names that become a level of a topic: a wrong one would address something else.

use crate::Error;

/// Which characters a name may have beside letters and digits, and how many in all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameRule {
    kind: &'static str,
    punctuation: &'static str,
    longest: usize,
}

/// CreateThing, `thingName`: `[a-zA-Z0-9:_-]+`, 1 to 128 characters.
pub(crate) const THING: NameRule = NameRule { kind: "thing name", punctuation: ":_-", longest: 128 };
/// GetThingShadow, `shadowName`: `[$a-zA-Z0-9:_-]+`, 1 to 64 characters.
pub(crate) const SHADOW: NameRule = NameRule { kind: "shadow name", punctuation: "$:_-", longest: 64 };
/// CreateJob, `jobId`: `[a-zA-Z0-9_-]+`, 1 to 64 characters.
pub(crate) const JOB: NameRule = NameRule { kind: "job id", punctuation: "_-", longest: 64 };
/// CreateProvisioningTemplate, `templateName`: `[0-9A-Za-z_-]+`, 1 to 36 characters.
pub(crate) const TEMPLATE: NameRule =
    NameRule { kind: "provisioning template's name", punctuation: "_-", longest: 36 };
/// CreateRoleAlias, `roleAlias`: `[\w=,@-]+`, 1 to 128 characters.
pub(crate) const ROLE_ALIAS: NameRule = NameRule { kind: "role alias", punctuation: "_=,@-", longest: 128 };

/// The name, if it is one.
pub(crate) fn checked(rule: NameRule, name: &str) -> Result<String, Error> {
    let NameRule { kind, punctuation, longest } = rule;
    let allowed = |c: char| c.is_ascii_alphanumeric() || punctuation.contains(c);
    if (1..=longest).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    Err(Error::Name { kind, name: name.to_owned(), punctuation, longest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_level_of_a_topic() {
        for good in ["gw-1", "a:b_C", &"x".repeat(128)] {
            assert_eq!(checked(THING, good).unwrap(), good);
        }
        for bad in ["", "a/b", "+", "#", "a b", "\u{e9}", &"x".repeat(129), "$next"] {
            let error = checked(THING, bad).unwrap_err().to_string();
            assert!(error.contains("thing name"), "{bad}: {error}");
        }
        assert!(checked(SHADOW, "$package").is_ok());
    }
}
