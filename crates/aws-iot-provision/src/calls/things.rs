use std::collections::BTreeMap;

use super::{NOT_FOUND, PAGE, Provisioner, on, on_thing, part, unless_missing};
use crate::arn::ArnScope;
use crate::error::Error;
use crate::name::ThingName;

/// A thing as AWS has it.
#[derive(Debug, Clone)]
pub(crate) struct FoundThing {
    pub(crate) thing_type: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Provisioner {
    /// The thing, or `None` if there is none of that name.
    pub(crate) async fn describe_thing(&self, thing: &ThingName) -> Result<Option<FoundThing>, Error> {
        let call = on_thing("iot:DescribeThing", thing);
        let sent = self.client.describe_thing().thing_name(thing.as_str()).send();
        let Some(answer) = unless_missing(self.call(call, sent).await)? else { return Ok(None) };
        self.check_account(&part("iot:DescribeThing", "thingArn", answer.thing_arn)?).await?;
        Ok(Some(FoundThing {
            thing_type: answer.thing_type_name,
            attributes: answer.attributes.unwrap_or_default().into_iter().collect(),
        }))
    }

    /// The ARN has to be in the account and region that AWS STS named: an endpoint URL for one service alone could mix two.
    pub(crate) async fn check_account(&self, arn: &str) -> Result<(), Error> {
        let (found, scope) = (ArnScope::of(arn).map_err(Error::Arn)?, self.scope().await?);
        if found == *scope {
            return Ok(());
        }
        Err(Error::OtherAccount { found: scope_of(&found), wanted: scope_of(scope) })
    }

    /// The groups to which the thing was added.
    pub(crate) async fn groups_of(&self, thing: &ThingName) -> Result<Vec<String>, Error> {
        let call = on_thing("iot:ListThingGroupsForThing", thing);
        let pages = self.client.list_thing_groups_for_thing().thing_name(thing.as_str()).max_results(PAGE);
        let sent = pages.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
        let groups = unless_missing(self.call(call, sent).await)?.unwrap_or_default();
        Ok(groups.into_iter().filter_map(|group| group.group_name).collect())
    }

    /// Refuses a group that does not exist, or whose members AWS itself chooses.
    pub(crate) async fn check_group(&self, group: &str) -> Result<(), Error> {
        let mut shared = self.shared.lock().await;
        if shared.groups.iter().any(|known| known == group) {
            return Ok(());
        }
        let call = on(
            "iot:DescribeThingGroup",
            format_args!("thing group {group}"),
            format_args!("thinggroup/{group}"),
        );
        let sent = self.client.describe_thing_group().thing_group_name(group).send();
        let reason = match self.call(call, sent).await {
            Ok(answer) if answer.query_string.is_none() => {
                shared.groups.push(group.to_owned());
                return Ok(());
            }
            Ok(_) => "is a dynamic group, to which nothing can be added; name a static one".to_owned(),
            Err(error) if error.is(NOT_FOUND) => {
                format!(
                    "does not exist; make it first: `aws iot create-thing-group --thing-group-name {group}{}`",
                    self.command_options
                )
            }
            Err(error) => return Err(error),
        };
        Err(Error::Unusable { what: format!("thing group {group}"), reason })
    }

    /// Refuses a thing type that does not exist, or is deprecated.
    pub(crate) async fn check_thing_type(&self, name: &str) -> Result<(), Error> {
        let mut shared = self.shared.lock().await;
        if shared.types.iter().any(|known| known == name) {
            return Ok(());
        }
        let call =
            on("iot:DescribeThingType", format_args!("thing type {name}"), format_args!("thingtype/{name}"));
        let sent = self.client.describe_thing_type().thing_type_name(name).send();
        let reason = match self.call(call, sent).await {
            Ok(answer)
                if !answer.thing_type_metadata.as_ref().is_some_and(|metadata| metadata.deprecated) =>
            {
                shared.types.push(name.to_owned());
                return Ok(());
            }
            Ok(_) => "is deprecated, and AWS makes no new things of it; name another".to_owned(),
            Err(error) if error.is(NOT_FOUND) => {
                format!(
                    "does not exist; make it first: `aws iot create-thing-type --thing-type-name {name}{}`",
                    self.command_options
                )
            }
            Err(error) => return Err(error),
        };
        Err(Error::Unusable { what: format!("thing type {name}"), reason })
    }
}

fn scope_of(scope: &ArnScope) -> String {
    format!("account {}, region {}", scope.account(), scope.region())
}
