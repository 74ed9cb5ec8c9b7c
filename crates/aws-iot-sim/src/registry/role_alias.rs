//! Role aliases: which AWS role a device may have temporary credentials of.

use super::{ApiError, CertificateId, Registry, ThingName};
use crate::arn::Scope;
use crate::policy::{Action, Decision};

/// A role alias.
#[derive(Debug, Clone)]
pub(crate) struct RoleAlias {
    pub(crate) arn: String,
    pub(crate) role_arn: String,
    /// How long credentials are valid, in seconds.
    pub(crate) duration: u64,
}

/// Why the credential provider refuses: HTTP's status, and what it says.
pub(crate) type CredentialsRefused = (u16, String);

impl Registry {
    /// Creates a role alias. Credentials are valid for 1 hour, or for 15 minutes to 12 hours (AWS IoT API reference,
    /// CreateRoleAlias).
    pub(crate) fn create_role_alias(
        &self,
        name: &str,
        role_arn: &str,
        duration: Option<u64>,
        scope: &Scope,
    ) -> Result<RoleAlias, ApiError> {
        let duration = duration.unwrap_or(3600);
        if !(900..=43_200).contains(&duration) {
            return Err(ApiError::invalid(format!(
                "credentialDurationSeconds {duration} must be 900 to 43200"
            )));
        }
        let arn = scope.arn(format_args!("rolealias/{name}"));
        let alias = RoleAlias { arn: arn.clone(), role_arn: role_arn.to_owned(), duration };
        let mut state = self.state();
        if state.role_aliases.contains_key(name) {
            return Err(ApiError::already_exists(format!("role alias {name} exists already"), name, &arn));
        }
        state.role_aliases.insert(name.to_owned(), alias.clone());
        Ok(alias)
    }

    /// The role alias of that name.
    pub(crate) fn role_alias(&self, name: &str) -> Result<RoleAlias, ApiError> {
        let alias = self.state().role_aliases.get(name).cloned();
        alias.ok_or_else(|| ApiError::not_found(format_args!("role alias {name}")))
    }

    /// Whether a certificate may have credentials of the role alias: its policies have to allow iot:AssumeRoleWithCertificate on it,
    /// and the thing, where the request names one, has to be attached to it (AWS IoT developer guide, "Authorizing direct calls to
    /// AWS services").
    pub(crate) fn assume_role(
        &self,
        certificate: &CertificateId,
        alias: &str,
        thing: Option<&str>,
    ) -> Result<RoleAlias, CredentialsRefused> {
        let found = self.role_alias(alias).map_err(|_| (404, "Role alias does not exist".to_owned()))?;
        if let Some(thing) = thing {
            let attached = self.certificate(certificate).is_ok_and(|certificate| {
                ThingName::parse(thing).is_ok_and(|thing| certificate.things.contains_key(&thing))
            });
            if !attached {
                return Err((403, "Access Denied".to_owned()));
            }
        }
        let action = Action::AssumeRoleWithCertificate;
        match self.authorize(certificate, thing.unwrap_or_default(), action, alias) {
            Decision::Allowed => Ok(found),
            _ => Err((403, "Access Denied".to_owned())),
        }
    }
}
