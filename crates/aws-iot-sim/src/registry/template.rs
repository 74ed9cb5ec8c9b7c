//! Fleet provisioning: a certificate for a device's own key, registered as a template says (AWS IoT developer guide, "Device
//! provisioning MQTT API" and "Provisioning templates").

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::thing::random_uuid;
use super::{
    ApiError, ApiErrorKind, CertificateId, Exclusivity, NewThing, PolicyName, PolicyTarget, Registry, Status,
    ThingName, now,
};

/// How long an ownership token is valid ("Device provisioning MQTT API": one hour).
const TOKEN: Duration = Duration::from_secs(3600);

/// A provisioning template.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) body: Value,
    pub(crate) enabled: bool,
}

/// Why a device's request is refused: HTTP's status, AWS's code, and a message.
pub(crate) type Rejected = (u16, &'static str, String);

impl Registry {
    /// Creates a template.
    pub(crate) fn create_template(&self, name: &str, template: Template) -> Result<(), ApiError> {
        let mut state = self.state();
        if state.templates.contains_key(name) {
            let message = format!("template {name} exists already");
            return Err(ApiError::new(ApiErrorKind::ResourceAlreadyExists, message));
        }
        state.templates.insert(name.to_owned(), template);
        Ok(())
    }

    /// Keeps a new certificate INACTIVE until it is registered; returns its id and its ownership token.
    pub(crate) fn issued(&self, certificate_pem: &str) -> Result<(CertificateId, String), Rejected> {
        let failed = |error: ApiError| (500, "InternalFailure", error.message);
        let scope = self.default_scope();
        let certificate =
            self.register_certificate(certificate_pem, Status::Inactive, &scope).map_err(failed)?;
        let token = random_uuid().map_err(failed)?;
        self.state().tokens.insert(token.clone(), (certificate.id.clone(), now() + TOKEN.as_secs_f64()));
        Ok((certificate.id, token))
    }

    /// RegisterThing: makes the resources of the template; returns the thing's name, where there is one. Of a template's functions,
    /// `Ref` and `Fn::Join` are known.
    pub(crate) fn register_thing(
        &self,
        template: &str,
        token: &str,
        parameters: &Map<String, Value>,
    ) -> Result<Option<String>, Rejected> {
        let invalid = |code, message: String| (400, code, message);
        let found = self.state().templates.get(template).cloned().filter(|template| template.enabled);
        let Some(Template { body, .. }) = found else {
            return Err(invalid("InvalidTemplate", format!("there is no enabled template {template}")));
        };
        let owned = self.state().tokens.get(token).filter(|(_, until)| now() < *until).cloned();
        let Some((certificate, _)) = owned else {
            let message = "Certificate ownership token is invalid.".to_owned();
            return Err(invalid("InvalidCertificateOwnershipToken", message));
        };
        let values = |name: &str| match name {
            "AWS::IoT::Certificate::Id" => Some(certificate.to_string()),
            _ => parameters.get(name).and_then(Value::as_str).map(ToOwned::to_owned),
        };
        let resolve = |value: &Value| {
            resolve(value, &values).ok_or_else(|| {
                invalid("InvalidParameters", format!("Cannot resolve reference value: {value}"))
            })
        };
        let failed = |error: ApiError| invalid("ProvisioningFailed", error.message);
        let mut thing = None;
        let resources = body.get("Resources").and_then(Value::as_object).cloned().unwrap_or_default();
        for (_, resource) in resources {
            let properties = resource.get("Properties").cloned().unwrap_or_default();
            let property = |name: &str| properties.get(name).map(&resolve).transpose();
            match resource.get("Type").and_then(Value::as_str) {
                Some("AWS::IoT::Thing") => {
                    let name =
                        ThingName::parse(&property("ThingName")?.unwrap_or_default()).map_err(failed)?;
                    let (attributes, thing_type, billing_group) = (BTreeMap::new(), None, None);
                    let new = NewThing { name: name.clone(), attributes, thing_type, billing_group };
                    match self.create_thing(new, &self.default_scope()) {
                        // The rotation of a certificate finds its thing.
                        Err(error) if error.kind == ApiErrorKind::ResourceAlreadyExists => {}
                        created => drop(created.map_err(failed)?),
                    }
                    self.attach_thing_principal(&name, &certificate, Exclusivity::NonExclusive)
                        .map_err(failed)?;
                    thing = Some(name.to_string());
                }
                Some("AWS::IoT::Policy") => {
                    let name =
                        PolicyName::parse(&property("PolicyName")?.unwrap_or_default()).map_err(failed)?;
                    let target = PolicyTarget::Certificate(certificate.clone());
                    self.attach_policy(&name, &target).map_err(failed)?;
                }
                Some("AWS::IoT::Certificate") => {
                    let active =
                        property("Status")?.is_none_or(|status| status.eq_ignore_ascii_case("active"));
                    let status = if active { Status::Active } else { Status::Inactive };
                    self.update_certificate(&certificate, status).map_err(failed)?;
                }
                other => {
                    return Err(invalid(
                        "InvalidTemplate",
                        format!("resource type {other:?} is not simulated"),
                    ));
                }
            }
        }
        self.state().tokens.remove(token);
        Ok(thing)
    }
}

fn resolve(value: &Value, values: &impl Fn(&str) -> Option<String>) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    if let Some(name) = value.get("Ref").and_then(Value::as_str) {
        return values(name);
    }
    let [separator, parts] = value.get("Fn::Join")?.as_array()?.as_slice() else { return None };
    let parts: Option<Vec<String>> = parts.as_array()?.iter().map(|part| resolve(part, values)).collect();
    Some(parts?.join(separator.as_str()?))
}
