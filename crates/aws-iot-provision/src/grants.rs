use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::arn::ArnScope;
use crate::input_error::InputError;
use crate::policy::PolicyDocument;

/// The name of the thing that is connecting. By this variable one policy serves every thing.
/// AWS resolves it for certificates that are attached to a thing ("AWS IoT Core policy variables").
const CONNECTED_THING: &str = "${iot:Connection.Thing.ThingName}";

/// Stands for the thing's name in a prefix of topics.
const THING: &str = "{thing}";

/// What a device may do beyond connecting under its thing's name: the topics below its own prefix, and on request its
/// shadow and its jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Grants {
    /// The thing's shadows, the unnamed one and named ones.
    pub shadow: bool,
    /// The thing's jobs.
    pub jobs: bool,
    prefix: String,
}

impl Default for Grants {
    fn default() -> Self {
        Self { shadow: false, jobs: false, prefix: THING.to_owned() }
    }
}

impl Grants {
    /// Topics below this prefix instead of `{thing}`, which stands for the thing's name.
    ///
    /// # Errors
    /// A prefix without `{thing}`, by which devices would share topics, or with characters that mean something else.
    pub fn with_topic_prefix(mut self, prefix: &str) -> Result<Self, InputError> {
        let prefix = prefix.trim_end_matches('/');
        let around = prefix.replacen(THING, "", 1);
        let own = prefix.split('/').any(|level| level == THING);
        if !own || prefix.starts_with('/') || around.contains(['{', '}', '$', '*', '?', '+', '#', '"', '\\'])
        {
            return Err(InputError::TopicPrefix { prefix: prefix.to_owned() });
        }
        prefix.clone_into(&mut self.prefix);
        Ok(self)
    }

    /// What the topics of this thing begin with, without a slash at the end.
    pub fn topic_prefix_of(&self, thing: &str) -> String {
        self.prefix.replacen(THING, thing, 1)
    }

    /// The policy that grants exactly this.
    ///
    /// The ARNs carry partition, region and account of the thing: a policy counts nowhere else, so nothing would be
    /// gained by wildcards, and wildcards in place of the partition would be wrong in China and GovCloud.
    pub fn document(&self, scope: &ArnScope) -> PolicyDocument {
        let allow = |action: &Value, resources: Value| json!({"Effect": "Allow", "Action": action, "Resource": resources});
        let client = json!(scope.arn(&format!("client/{CONNECTED_THING}")));
        let mut below = vec![self.topic_prefix_of(CONNECTED_THING)];
        if self.shadow {
            below.push(format!("$aws/things/{CONNECTED_THING}/shadow"));
        }
        if self.jobs {
            below.push(format!("$aws/things/{CONNECTED_THING}/jobs"));
        }
        let resources = |kind: &str| match below.as_slice() {
            [only] => json!(scope.arn(&format!("{kind}/{only}/*"))),
            several => several.iter().map(|prefix| scope.arn(&format!("{kind}/{prefix}/*"))).collect(),
        };
        PolicyDocument::of(json!({
            "Version": "2012-10-17",
            "Statement": [
                allow(&json!("iot:Connect"), client),
                allow(&json!(["iot:Publish", "iot:Receive"]), resources("topic")),
                allow(&json!("iot:Subscribe"), resources("topicfilter")),
            ],
        }))
    }

    pub(crate) fn describe(&self) -> String {
        let asked = [("shadow", self.shadow), ("jobs", self.jobs)];
        let asked = asked.iter().filter(|(_, asked)| *asked).map(|(name, _)| format!(", {name}"));
        format!("topics below {}{}", self.prefix, asked.collect::<String>())
    }

    /// Whether the document is one that this program makes with the default prefix.
    pub(crate) fn made(document: &str, scope: &ArnScope) -> bool {
        [(false, false), (true, false), (false, true), (true, true)].iter().any(|&(shadow, jobs)| {
            Self { shadow, jobs, ..Self::default() }.document(scope).is_same_as(document)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_names_the_thing_by_variable_and_the_account_by_arn() {
        let scope = ArnScope::of("arn:aws-cn:iot:cn-north-1:123456789012:thing/dev1").unwrap();
        let document = Grants::default().document(&scope);
        let expected = r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iot:Connect",
             "Resource": "arn:aws-cn:iot:cn-north-1:123456789012:client/${iot:Connection.Thing.ThingName}"},
            {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"],
             "Resource": "arn:aws-cn:iot:cn-north-1:123456789012:topic/${iot:Connection.Thing.ThingName}/*"},
            {"Effect": "Allow", "Action": "iot:Subscribe",
             "Resource": "arn:aws-cn:iot:cn-north-1:123456789012:topicfilter/${iot:Connection.Thing.ThingName}/*"}]}"#;
        assert!(document.is_same_as(expected), "{}", document.as_str());
        assert!(!document.allows_everything());
        assert_eq!(PolicyDocument::from_json(document.as_str()).unwrap(), document);
        assert!(Grants::made(expected, &scope) && !Grants::made("{}", &scope));
    }

    #[test]
    fn shadow_and_jobs_only_on_request_and_never_those_of_others() {
        let scope = ArnScope::of("arn:aws:iot:eu-west-1:123456789012:thing/dev1").unwrap();
        let all = Grants { shadow: true, jobs: true, ..Grants::default() }.document(&scope);
        for part in ["topic/$aws/things/${iot:Connection.Thing.ThingName}/shadow/*", "ThingName}/jobs/*"] {
            assert!(all.as_str().contains(part), "{}", all.as_str());
            assert!(!Grants::default().document(&scope).as_str().contains(part));
        }
        assert!(all.as_str().chars().filter(|c| !c.is_whitespace()).count() < 2048);
    }

    #[test]
    fn a_prefix_keeps_devices_apart() {
        let grants = |prefix| Grants::default().with_topic_prefix(prefix);
        assert_eq!(grants("plant/{thing}/").unwrap().topic_prefix_of("dev1"), "plant/dev1");
        for wrong in
            ["plant", "", "*/{thing}", "/{thing}", "{thing}{thing}", "a{thing}", "$aws/{thing}", "{thing}/#"]
        {
            assert!(grants(wrong).is_err(), "{wrong:?}");
        }
    }
}
