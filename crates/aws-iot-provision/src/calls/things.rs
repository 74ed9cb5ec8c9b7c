use std::collections::BTreeMap;

use aws_sdk_iot::types::AttributePayload;

use super::pages::Page;
use super::{ControlPlane, NOT_FOUND, PAGE, is, on, on_thing, part};
use crate::error::Error;
use crate::name::ThingName;

/// A thing as AWS has it.
#[derive(Debug, Clone)]
pub(crate) struct FoundThing {
    pub(crate) arn: String,
    pub(crate) thing_type: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl ControlPlane {
    /// The thing, or `None` if there is none of that name.
    pub(crate) async fn describe_thing(&self, thing: &ThingName) -> Result<Option<FoundThing>, Error> {
        let call = on_thing("iot:DescribeThing", thing);
        let request = self.client.describe_thing().thing_name(thing.as_str());
        match self.send(&call, || request.clone().send()).await {
            Ok(answer) => Ok(Some(FoundThing {
                arn: part(&call, "thingArn", answer.thing_arn)?,
                thing_type: answer.thing_type_name,
                attributes: answer.attributes.unwrap_or_default().into_iter().collect(),
            })),
            Err(error) if is(&error, NOT_FOUND) => Ok(None),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The new thing's ARN. One that exists with the same configuration is as good as a new one.
    pub(crate) async fn create_thing(
        &self,
        thing: &ThingName,
        thing_type: Option<&str>,
        attributes: &BTreeMap<String, String>,
    ) -> Result<String, Error> {
        let call = on_thing("iot:CreateThing", thing);
        let request = self
            .client
            .create_thing()
            .thing_name(thing.as_str())
            .set_thing_type_name(thing_type.map(str::to_owned))
            .attribute_payload(payload(attributes, false));
        match self.send(&call, || request.clone().send()).await {
            Ok(answer) => part(&call, "thingArn", answer.thing_arn),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// Sets these attributes, and leaves the others as they are.
    pub(crate) async fn set_attributes(
        &self,
        thing: &ThingName,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let call = on_thing("iot:UpdateThing", thing);
        let request = self
            .client
            .update_thing()
            .thing_name(thing.as_str())
            .attribute_payload(payload(attributes, true));
        let result = self.send(&call, || request.clone().send()).await;
        result.map(drop).map_err(|error| call.failed(&self.place, error))
    }

    /// Done where there is no such thing.
    pub(crate) async fn delete_thing(&self, thing: &ThingName) -> Result<(), Error> {
        let call = on_thing("iot:DeleteThing", thing);
        let request = self.client.delete_thing().thing_name(thing.as_str());
        // "Thing … is still attached to one or more principals".
        let attached = "InvalidRequestException";
        match self.send_when_settled(&call, attached, || request.clone().send()).await {
            Ok(_) => Ok(()),
            Err(error) if is(&error, NOT_FOUND) => Ok(()),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// The groups to which the thing was added.
    pub(crate) async fn groups_of(&self, thing: &ThingName) -> Result<Vec<String>, Error> {
        let call = on_thing("iot:ListThingGroupsForThing", thing);
        let request = self.client.list_thing_groups_for_thing().thing_name(thing.as_str()).max_results(PAGE);
        let page = |token| {
            let request = request.clone().set_next_token(token);
            async move {
                let answer = request.send().await?;
                Ok(Page { items: answer.thing_groups, next: answer.next_token })
            }
        };
        match self.all_pages(&call, page).await {
            Ok(groups) => Ok(groups.into_iter().filter_map(|group| group.group_name).collect()),
            Err(error) => Err(call.failed(&self.place, error)),
        }
    }

    /// Does nothing where the thing is in the group already.
    pub(crate) async fn add_to_group(&self, thing: &ThingName, group: &str) -> Result<(), Error> {
        let subject = format_args!("thing {thing} and thing group {group}").to_string();
        let call = on("iot:AddThingToThingGroup", subject, format_args!("thinggroup/{group}"));
        let request =
            self.client.add_thing_to_thing_group().thing_name(thing.as_str()).thing_group_name(group);
        let result = self.send(&call, || request.clone().send()).await;
        result.map(drop).map_err(|error| call.failed(&self.place, error))
    }
}

fn payload(attributes: &BTreeMap<String, String>, merge: bool) -> AttributePayload {
    let attributes = attributes.clone().into_iter().collect();
    AttributePayload::builder().set_attributes(Some(attributes)).merge(merge).build()
}
