//! Names and ids, by AWS's rules for them.

use std::fmt;
use std::str::FromStr;

use device_identity::DeviceCertificate;
use serde::{Deserialize, Serialize};

use crate::error::InputError;

/// A name by AWS's rules for it: letters, digits and some punctuation.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $of:literal, $punctuation:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InputError;

            fn from_str(text: &str) -> Result<Self, InputError> {
                let fits = (1..=$max).contains(&text.chars().count());
                if fits && text.chars().all(|c| c.is_ascii_alphanumeric() || $punctuation.contains(c)) {
                    return Ok(Self(text.to_owned()));
                }
                let (of, punctuation, max) = ($of, $punctuation, $max);
                Err(InputError::Name { of, name: text.to_owned(), punctuation, max })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InputError;

            fn try_from(text: String) -> Result<Self, InputError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a thing: 1 to 128 of `a-z A-Z 0-9 : _ -` (AWS IoT API reference, CreateThing).
    ThingName, "thing", ":_-", 128
}

name! {
    /// The name of a policy: 1 to 128 of `a-z A-Z 0-9 _ + = , . @ -` (AWS IoT API reference, CreatePolicy).
    PolicyName, "policy", "_+=,.@-", 128
}

name! {
    /// The name of a provisioning template: 1 to 36 of `a-z A-Z 0-9 _ -` (AWS IoT API reference, CreateProvisioningTemplate).
    TemplateName, "provisioning template", "_-", 36
}

name! {
    /// The name of a role alias: 1 to 128 of `a-z A-Z 0-9 _ = , @ -` (AWS IoT API reference, CreateRoleAlias).
    RoleAlias, "role alias", "_=,@-", 128
}

/// The id under which AWS IoT keeps a certificate: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CertificateId(String);

impl CertificateId {
    /// The id that AWS will give to this certificate: the SHA-256 of the DER.
    ///
    /// Good for looking before writing. Once AWS has named an id, that one counts.
    pub fn of(certificate: &DeviceCertificate) -> Self {
        Self(certificate.fingerprint())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn named_by_aws(id: &str) -> Self {
        Self(id.to_owned())
    }

    /// The id in a principal's ARN, if the principal is a certificate.
    pub(crate) fn in_arn(arn: &str) -> Option<Self> {
        arn.rsplit_once(":cert/").map(|(_, id)| Self(id.to_owned()))
    }
}

impl FromStr for CertificateId {
    type Err = InputError;

    /// 64 hexadecimal digits (AWS IoT API reference, `certificateId`); colons between them, as openssl prints a fingerprint,
    /// are left out.
    fn from_str(text: &str) -> Result<Self, InputError> {
        let id = text.replace(':', "").to_ascii_lowercase();
        if id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(id));
        }
        Err(InputError::CertificateId { id: text.to_owned() })
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_things() {
        let longest = "x".repeat(128);
        let too_long = "x".repeat(129);
        for (name, fits) in [
            ("dev1", true),
            ("gw:line_3-a", true),
            (longest.as_str(), true),
            ("", false),
            (too_long.as_str(), false),
            ("bad name", false),
            ("dev/1", false),
            ("dev.1", false),
            ("デバイス", false),
            ("dev1\n", false),
        ] {
            assert_eq!(name.parse::<ThingName>().is_ok(), fits, "{name:?}");
        }
    }

    #[test]
    fn names_of_policies() {
        for (name, fits) in
            [("iot_policy", true), ("a+b=c,d.e@f-g", true), ("a:b", false), ("a b", false), ("", false)]
        {
            assert_eq!(name.parse::<PolicyName>().is_ok(), fits, "{name:?}");
        }
    }

    #[test]
    fn a_refused_name_is_shown_with_what_is_allowed() {
        let text = "bad name!".parse::<ThingName>().unwrap_err().to_string();
        assert!(text.contains("\"bad name!\"") && text.contains(":_-"), "{text}");
    }
}
