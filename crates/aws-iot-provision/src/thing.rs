//! What the account has of a thing, and whether it has what a thing is to be in. Plans, `status` and removal read it here.

use std::collections::BTreeMap;

use crate::account::ArnScope;
use crate::call::{NOT_FOUND, on, on_thing, part, unless_missing};
use crate::certificate::{CertificateState, PAGE};
use crate::error::Error;
use crate::name::{CertificateId, ThingName};
use crate::provisioner::Provisioner;

/// A thing with all that hangs on it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ThingState {
    /// Its name.
    pub name: ThingName,
    /// Its type, if it has one.
    pub thing_type: Option<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// The groups that it is in, with the policies that it has through each.
    pub groups: Vec<(String, Vec<String>)>,
    /// Its certificates.
    pub certificates: Vec<CertificateState>,
}

impl ThingState {
    /// Whether a device can get in: with a certificate that is ACTIVE, and a policy on it or on a group.
    pub fn lets_in(&self) -> bool {
        let by_group = self.groups.iter().any(|(_, policies)| !policies.is_empty());
        self.certificates.iter().any(|each| each.is_active() && (by_group || !each.policies.is_empty()))
    }
}

impl Provisioner {
    /// What AWS has of a thing, or `None` if there is none of that name.
    ///
    /// # Errors
    /// Every call may fail.
    pub async fn status(&self, thing: &ThingName) -> Result<Option<ThingState>, Error> {
        let Some(mut state) = self.describe_thing(thing).await? else { return Ok(None) };
        state.groups = self.groups_of(thing).await?;
        state.certificates = self.certificates_of(thing).await?;
        Ok(Some(state))
    }

    /// The thing alone, without asking for its groups and certificates.
    pub(crate) async fn describe_thing(&self, thing: &ThingName) -> Result<Option<ThingState>, Error> {
        const ACTION: &str = "iot:DescribeThing";
        let sent = self.client.describe_thing().thing_name(thing.as_str()).send();
        let Some(answer) = unless_missing(self.call(on_thing(ACTION, thing), sent).await)? else {
            return Ok(None);
        };
        self.check_account(&part(ACTION, "thingArn", answer.thing_arn)?).await?;
        Ok(Some(ThingState {
            name: thing.clone(),
            thing_type: answer.thing_type_name,
            attributes: answer.attributes.unwrap_or_default().into_iter().collect(),
            groups: Vec::new(),
            certificates: Vec::new(),
        }))
    }

    /// The ARN has to be in the account and region that AWS STS named: an endpoint URL for one service alone could mix two.
    pub(crate) async fn check_account(&self, arn: &str) -> Result<(), Error> {
        let (found, scope) = (ArnScope::of(arn).map_err(Error::Arn)?, self.scope().await?);
        if found == *scope {
            return Ok(());
        }
        Err(Error::OtherAccount { found: found.to_string(), wanted: scope.to_string() })
    }

    /// The groups to which a thing was added, with the policies that it has through each.
    ///
    /// # Errors
    /// Every call may fail.
    pub async fn groups_of(&self, thing: &ThingName) -> Result<Vec<(String, Vec<String>)>, Error> {
        let call = on_thing("iot:ListThingGroupsForThing", thing);
        let pages = self.client.list_thing_groups_for_thing().thing_name(thing.as_str()).max_results(PAGE);
        let sent = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
        let mut groups = Vec::new();
        let found = unless_missing(self.call(call, sent).await)?.unwrap_or_default();
        for name in found.into_iter().filter_map(|group| group.group_name) {
            let policies = self.policies_of_group(&name).await?;
            groups.push((name, policies));
        }
        Ok(groups)
    }

    /// The certificates that are attached to the thing.
    pub(crate) async fn certificates_of(&self, thing: &ThingName) -> Result<Vec<CertificateState>, Error> {
        let mut certificates = Vec::new();
        for id in self.certificate_ids_of(thing).await? {
            let found = Box::pin(self.certificate(&id)).await?;
            certificates.push(found.unwrap_or_else(|| CertificateState::unknown(id)));
        }
        Ok(certificates)
    }

    /// Their ids. Other principals (Amazon Cognito) are left out.
    pub(crate) async fn certificate_ids_of(&self, thing: &ThingName) -> Result<Vec<CertificateId>, Error> {
        let call = on_thing("iot:ListThingPrincipals", thing);
        let pages = self.client.list_thing_principals().thing_name(thing.as_str()).max_results(PAGE);
        let sent = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
        let principals = unless_missing(self.call(call, sent).await)?.unwrap_or_default();
        Ok(principals.iter().filter_map(|arn| CertificateId::in_arn(arn)).collect())
    }

    /// Refuses a group that does not exist, or whose members AWS itself chooses.
    pub(crate) async fn check_group(&self, group: &str) -> Result<(), Error> {
        let ask = async {
            let resource = format!("thinggroup/{group}");
            let call = on("iot:DescribeThingGroup", format_args!("thing group {group}"), resource);
            let sent = self.client.describe_thing_group().thing_group_name(group).send();
            Ok(self.call(call, sent).await?.query_string.is_none())
        };
        let reason = "is a dynamic group, to which nothing can be added; name a static one";
        self.check_usable("group", group, ask, reason).await
    }

    /// Refuses a thing type that does not exist, or is deprecated.
    pub(crate) async fn check_thing_type(&self, name: &str) -> Result<(), Error> {
        let ask = async {
            let resource = format!("thingtype/{name}");
            let call = on("iot:DescribeThingType", format_args!("thing type {name}"), resource);
            let sent = self.client.describe_thing_type().thing_type_name(name).send();
            let metadata = self.call(call, sent).await?.thing_type_metadata;
            Ok(!metadata.is_some_and(|metadata| metadata.deprecated))
        };
        let reason = "is deprecated, and AWS makes no new things of it; name another";
        self.check_usable("type", name, ask, reason).await
    }

    /// `ask` tells whether it can be used; `reason`, why not.
    async fn check_usable(
        &self,
        kind: &str,
        name: &str,
        ask: impl Future<Output = Result<bool, Error>>,
        reason: &str,
    ) -> Result<(), Error> {
        let what = format!("thing {kind} {name}");
        let checked = async {
            let reason = match ask.await {
                Ok(true) => return Ok(Some(())),
                Ok(false) => reason.to_owned(),
                Err(error) if error.is(NOT_FOUND) => format!(
                    "does not exist; make it first: `aws iot create-thing-{kind} --thing-{kind}-name {name}{}`",
                    self.command_options
                ),
                Err(error) => return Err(error),
            };
            Err(Error::Unusable { what: what.clone(), reason })
        };
        self.usable.get(&what, checked).await.map(drop)
    }
}
