//! The policies of a device: its own, the others on its certificate, and those that reach it through its groups.

use crate::device::{Device, Rights};
use crate::error::Error;
use crate::name::{CertificateId, PolicyName};
use crate::plan::Plan;
use crate::policy::PolicyDocument;
use crate::provisioner::Provisioner;
use crate::step::{Kind, Step};

impl Provisioner {
    /// A policy is made where there is none of that name, and never changed: others may have it.
    pub(crate) async fn plan_policy(&self, device: &Device, plan: &mut Plan) -> Result<(), Error> {
        let policy = &device.settings.policy;
        let wanted = device.settings.rights.document(&plan.scope)?;
        let Some(found) = self.get_shared_policy(policy).await? else {
            let document = wanted.as_str().to_owned();
            plan.warnings.extend(wide(policy.as_str(), &document));
            plan.steps.push(Step::CreatePolicy { policy: policy.clone(), document });
            return Ok(());
        };
        plan.warnings.extend(wide(policy.as_str(), &found));
        let mut note = "";
        if !wanted.is_same_as(&found) {
            note = "though it says something else than is asked for";
            plan.warnings.push(format!(
                "policy {policy} exists and says something else than is asked for; it is used as it is, since other devices may \
                 have it. `{}` shows the difference and changes it, another --policy-name makes a new one",
                apply_command(policy, &device.settings.rights, &self.command_options)
            ));
        }
        plan.steps.push(Step::keep(Kind::Policy, policy, note));
        Ok(())
    }

    /// The device's policy on its certificate; and the others on it, which are in force as well.
    pub(crate) async fn plan_policies_on(
        &self,
        device: &Device,
        id: &CertificateId,
        policies: &[String],
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let own = device.settings.policy.as_str();
        if policies.iter().any(|policy| policy == own) {
            plan.steps.push(Step::keep(Kind::PolicyAttachment, own, ""));
        } else {
            plan.steps.push(Step::AttachPolicy { policy: own.to_owned(), certificate: id.clone() });
        }
        for other in policies.iter().filter(|policy| *policy != own) {
            if device.settings.detach_other_policies {
                plan.steps.push(Step::DetachPolicy { policy: other.clone(), certificate: id.clone() });
                continue;
            }
            plan.steps.push(Step::keep(Kind::PolicyAttachment, other, "in force beside the device's own"));
            plan.warnings.push(format!(
                "policy {other} is on the certificate of {} too: what it allows is allowed whatever {own} says; \
                 --detach-other-policies takes it off",
                device.thing
            ));
            self.warn_of_wide(other, plan).await?;
        }
        Ok(())
    }

    /// Policies that a device has through its groups (AWS IoT developer guide, "Attaching a policy to a thing group"). They are
    /// others' too, so that they are only told.
    pub(crate) async fn plan_group_policies(
        &self,
        device: &Device,
        groups: Vec<(String, Vec<String>)>,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let own = device.settings.policy.as_str();
        for (group, policy) in groups.iter().flat_map(|(group, all)| all.iter().map(move |one| (group, one)))
        {
            let note = format!("in force through the thing group {group}");
            plan.steps.push(Step::keep(Kind::GroupPolicy, policy, note));
            if policy != own {
                plan.warnings.push(format!(
                    "policy {policy} is on the thing group {group}: for the things in it, what it allows is allowed whatever {own} \
                     says; `aws iot detach-policy --policy-name {policy} --target {}{}` takes it off the whole group",
                    plan.scope.arn(&format!("thinggroup/{group}")),
                    self.command_options
                ));
                self.warn_of_wide(policy, plan).await?;
            }
        }
        Ok(())
    }

    async fn warn_of_wide(&self, policy: &str, plan: &mut Plan) -> Result<(), Error> {
        let Ok(name) = policy.parse() else { return Ok(()) };
        if let Some(found) = self.get_shared_policy(&name).await? {
            plan.warnings.extend(wide(policy, &found));
        }
        Ok(())
    }
}

/// The command that gives the policy these rights.
fn apply_command(policy: &PolicyName, rights: &Rights, options: &str) -> String {
    let rights = match rights {
        Rights::Least(grants) => grants.options(),
        Rights::Document(_) => " --policy-file FILE".to_owned(),
    };
    format!("se050-iot policy apply --policy-name {policy}{rights}{options}")
}

/// `Resource: "*"` is what keeps devices apart least.
fn wide(policy: &str, document: &str) -> Option<String> {
    let document = PolicyDocument::from_json(document).ok()?;
    let what = if document.allows_everything() {
        "iot:* on *: whoever holds this device can connect as any device, read and write every topic and shadow, and take part \
         in every job"
    } else if document.allows_any_resource() {
        "actions on any resource (\"Resource\": \"*\"): its devices are not kept apart"
    } else {
        return None;
    };
    Some(format!("policy {policy} allows {what}"))
}
