use aws_sdk_iot::operation::create_policy::CreatePolicyError;
use aws_sdk_iot::operation::create_policy_version::CreatePolicyVersionError;

use super::pages::Page;
use super::{ControlPlane, DELETE_CONFLICT, NOT_FOUND, PAGE, is, on_policy, part};
use crate::error::Error;
use crate::name::PolicyName;
use crate::policy::PolicyDocument;

/// A policy as AWS has it.
#[derive(Debug, Clone)]
pub(crate) struct FoundPolicy {
    pub(crate) arn: String,
    /// The document of the default version, which is the one in force.
    pub(crate) document: String,
}

impl ControlPlane {
    /// Whether the policy was created: `false` if there is one of that name.
    pub(crate) async fn create_policy(
        &self,
        policy: &PolicyName,
        document: &PolicyDocument,
    ) -> Result<bool, Error> {
        let call = on_policy("iot:CreatePolicy", policy);
        let request =
            self.client.create_policy().policy_name(policy.as_str()).policy_document(document.as_str());
        match self.send(&call, || request.clone().send()).await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(CreatePolicyError::ResourceAlreadyExistsException(_))
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The policy, or `None` if there is none of that name.
    pub(crate) async fn get_policy(&self, policy: &PolicyName) -> Result<Option<FoundPolicy>, Error> {
        let call = on_policy("iot:GetPolicy", policy);
        let request = self.client.get_policy().policy_name(policy.as_str());
        match self.send(&call, || request.clone().send()).await {
            Ok(answer) => Ok(Some(FoundPolicy {
                arn: part(&call, "policyArn", answer.policy_arn)?,
                document: part(&call, "policyDocument", answer.policy_document)?,
            })),
            Err(error) if is(&error, NOT_FOUND) => Ok(None),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// Makes a new version, which is in force at once. `false` if the policy has as many versions as AWS keeps.
    pub(crate) async fn create_policy_version(
        &self,
        policy: &PolicyName,
        document: &PolicyDocument,
    ) -> Result<bool, Error> {
        let call = on_policy("iot:CreatePolicyVersion", policy);
        let request = self
            .client
            .create_policy_version()
            .policy_name(policy.as_str())
            .policy_document(document.as_str())
            .set_as_default(true);
        match self.send(&call, || request.clone().send()).await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(CreatePolicyVersionError::VersionsLimitExceededException(_))
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The versions that are not in force, oldest first. AWS numbers versions upwards and never reuses a number. They are
    /// five at most, and the one list of AWS IoT that has no pages.
    pub(crate) async fn old_policy_versions(&self, policy: &PolicyName) -> Result<Vec<String>, Error> {
        let call = on_policy("iot:ListPolicyVersions", policy);
        let request = self.client.list_policy_versions().policy_name(policy.as_str());
        let answer = match self.send(&call, || request.clone().send()).await {
            Ok(answer) => answer,
            Err(error) => return Err(call.failed(&self.place, error)),
        };
        let versions = answer.policy_versions.unwrap_or_default().into_iter();
        let old = versions.filter(|version| !version.is_default_version);
        let mut ids: Vec<String> = old.filter_map(|version| version.version_id).collect();
        ids.sort_by_key(|id| id.parse::<u64>().unwrap_or(u64::MAX));
        Ok(ids)
    }

    pub(crate) async fn delete_policy_version(
        &self,
        policy: &PolicyName,
        version: &str,
    ) -> Result<(), Error> {
        let call = on_policy("iot:DeletePolicyVersion", policy);
        let request =
            self.client.delete_policy_version().policy_name(policy.as_str()).policy_version_id(version);
        match self.send(&call, || request.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if is(&error, NOT_FOUND) => Ok(()),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// Whether the policy is gone: `false` if it is in use again.
    pub(crate) async fn delete_policy(&self, policy: &PolicyName) -> Result<bool, Error> {
        let call = on_policy("iot:DeletePolicy", policy);
        let request = self.client.delete_policy().policy_name(policy.as_str());
        match self.send(&call, || request.clone().send()).await {
            Ok(_) => Ok(true),
            Err(error) if is(&error, NOT_FOUND) => Ok(true),
            Err(error) if is(&error, DELETE_CONFLICT) => Ok(false),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// What has the policy: ARNs of certificates and thing groups.
    pub(crate) async fn targets_of(&self, policy: &PolicyName) -> Result<Vec<String>, Error> {
        let call = on_policy("iot:ListTargetsForPolicy", policy);
        let request = self.client.list_targets_for_policy().policy_name(policy.as_str()).page_size(PAGE);
        let page = |marker| {
            let request = request.clone().set_marker(marker);
            async move {
                let answer = request.send().await?;
                Ok(Page { items: answer.targets, next: answer.next_marker })
            }
        };
        match self.all_pages(&call, page).await {
            Ok(targets) => Ok(targets),
            Err(error) if is(&error, NOT_FOUND) => Ok(Vec::new()),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }
}
