//! The values of policy variables and condition keys for one connection.

use std::collections::BTreeMap;

/// The connection on whose behalf policies are evaluated.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The MQTT client id.
    pub client_id: String,
    /// The thing that this connection stands for, where the certificate is attached to one.
    pub thing: Option<CallerThing>,
    /// The variables of the certificate, by their names in lower case.
    pub certificate: BTreeMap<String, String>,
    /// What CONNECT asks for; empty for other actions.
    pub connect_attributes: Vec<ConnectAttribute>,
    /// The address that the client connects from.
    pub source_ip: Option<String>,
}

/// The thing behind a connection.
#[derive(Debug, Clone, Default)]
pub struct CallerThing {
    /// Its name.
    pub name: String,
    /// The name of its thing type.
    pub type_name: Option<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
}

/// A feature of CONNECT that a policy may require or deny, in the condition key `iot:ConnectAttributes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectAttribute {
    /// The session is kept, or an earlier one is wanted.
    PersistentConnect,
    /// There is a will message.
    LastWill,
}

impl Caller {
    /// The values of a condition key. A key that is absent has none.
    pub(crate) fn values(&self, key: &str) -> Vec<String> {
        if key.eq_ignore_ascii_case("iot:ConnectAttributes") {
            return self.connect_attributes.iter().map(|attribute| format!("{attribute:?}")).collect();
        }
        self.value(key).into_iter().collect()
    }

    /// The value of a policy variable, or `None` where it does not resolve.
    pub(crate) fn value(&self, key: &str) -> Option<String> {
        // Keys are compared without regard to case, as in IAM (IAM user guide, "Condition").
        let lower = key.to_ascii_lowercase();
        match lower.as_str() {
            "iot:clientid" => Some(self.client_id.clone()),
            "aws:sourceip" => self.source_ip.clone(),
            "iot:connection.thing.thingname" => self.thing.as_ref().map(|thing| thing.name.clone()),
            "iot:connection.thing.isattached" => Some(self.thing.is_some().to_string()),
            "iot:connection.thing.thingtypename" => self.thing.as_ref()?.type_name.clone(),
            _ => self.certificate.get(&lower).cloned().or_else(|| self.attribute(key, &lower)),
        }
    }

    fn attribute(&self, key: &str, lower: &str) -> Option<String> {
        const PREFIX: &str = "iot:connection.thing.attributes[";
        let inner = lower.strip_prefix(PREFIX)?.strip_suffix(']')?;
        // The attribute's own name keeps its case. ASCII lower-casing leaves all positions where they were.
        let name = key.get(PREFIX.len()..PREFIX.len() + inner.len())?;
        self.thing.as_ref()?.attributes.get(name).cloned()
    }
}
