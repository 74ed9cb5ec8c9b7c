//! Whole registrations against a local AWS IoT Core; the end state is read back by calls of the tests' own.

use aws_iot_provision::{
    Applied, CertificateId, Device, Error, Kind, OtherCertificates, Plan, PolicyChange, PolicyDocument,
    Progress, Purpose, Removal, Rights, Settings, Status, StatusChange, Step,
};
use aws_iot_sim::{ApiRefusal, AwsIotSim, Fault};
use aws_sdk_iot::Client;
use aws_sdk_iot::types::CertificateStatus;

use crate::support::{
    FULL_ACCESS, block_on, certificate, chain, client, device, outcomes, plan, provision, provisioner,
    register, settings,
};

/// What is registered, as far as a device needs it.
#[derive(Debug, PartialEq, Eq)]
struct State {
    attributes: Vec<(String, String)>,
    document: String,
    policy_version: String,
    status: String,
    policies: Vec<String>,
    principals: Vec<String>,
}

fn arn(id: &CertificateId) -> String {
    format!("arn:aws:iot:us-east-1:123456789012:cert/{id}")
}

fn id(applied: &Applied) -> CertificateId {
    applied.certificate_id.clone().unwrap()
}

async fn read_back(aws: &Client, thing: &str, id: &CertificateId) -> State {
    let described = aws.describe_thing().thing_name(thing).send().await.unwrap();
    let policy = aws.get_policy().policy_name("devices").send().await.unwrap();
    let policies = aws.list_attached_policies().target(arn(id)).send().await.unwrap();
    let principals = aws.list_thing_principals().thing_name(thing).send().await.unwrap();
    let mut attributes: Vec<_> = described.attributes.unwrap().into_iter().collect();
    attributes.sort();
    State {
        attributes,
        document: policy.policy_document.unwrap(),
        policy_version: policy.default_version_id.unwrap(),
        status: status(aws, id).await,
        policies: policies.policies.unwrap().into_iter().filter_map(|policy| policy.policy_name).collect(),
        principals: principals.principals.unwrap(),
    }
}

async fn status(aws: &Client, id: &CertificateId) -> String {
    let certificate = aws.describe_certificate().certificate_id(id.as_str()).send().await.unwrap();
    certificate.certificate_description.unwrap().status.unwrap().as_str().to_owned()
}

async fn set_status(aws: &Client, id: &CertificateId, status: CertificateStatus) {
    aws.update_certificate().certificate_id(id.as_str()).new_status(status).send().await.unwrap();
}

async fn thing_exists(aws: &Client, thing: &str) -> bool {
    aws.describe_thing().thing_name(thing).send().await.is_ok()
}

#[test]
fn a_new_device_is_registered_whole_and_as_planned() {
    let sim = AwsIotSim::builder().account("111122223333").start().unwrap();
    block_on(async {
        let device = Device { serial: Some("00C0A1".to_owned()), ..device("dev1") };
        let planned = plan(&sim, &device).await.unwrap();
        assert_eq!((planned.scope.account(), planned.scope.region()), ("111122223333", "us-east-1"));
        let mut told = Vec::new();
        let provisioner = provisioner(&sim).await;
        let applied = provisioner.run(register(&device), |progress| {
            if let Progress::Done(step) = progress {
                told.push(step.clone());
            }
        });
        let applied = applied.await.unwrap();
        assert_eq!(applied.plan.endpoint.as_deref(), Some(sim.endpoint()));
        assert_eq!(told, applied.steps);
        assert_eq!(told, planned.steps, "what was shown is what was done");
        let expected = ["created", "created", "created", "created", "created", "updated", "unchanged"];
        assert_eq!(outcomes(&applied), expected);

        let aws = client(&sim).await;
        let thing = aws.describe_thing().thing_name("dev1").send().await.unwrap();
        assert_eq!(thing.attributes.unwrap()["serial"], "00C0A1");
        let policy = aws.get_policy().policy_name("devices").send().await.unwrap();
        let client = "arn:aws:iot:us-east-1:111122223333:client/${iot:Connection.Thing.ThingName}";
        assert!(policy.policy_document.unwrap().contains(client));
        assert_eq!(status(&aws, &id(&applied)).await, "ACTIVE");
    });
}

#[test]
fn a_second_run_changes_nothing_and_says_so() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let (aws, device) = (client(&sim).await, device("dev1"));
        let first = provision(&sim, &device).await.unwrap();
        let before = read_back(&aws, "dev1", &id(&first)).await;
        assert_eq!((before.status.as_str(), &before.policies), ("ACTIVE", &vec!["devices".to_owned()]));
        assert_eq!(before.principals, [arn(&id(&first))]);
        let second = provision(&sim, &device).await.unwrap();
        assert_eq!(read_back(&aws, "dev1", &id(&second)).await, before);
        assert_eq!(outcomes(&second), ["unchanged"; 6]);
    });
}

/// Fault: a second certificate silently joined a thing that had one.
#[test]
fn another_certificate_is_refused_and_replaced_or_added_on_request() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let aws = client(&sim).await;
        let old = provision(&sim, &device("dev1")).await.unwrap();
        let error = provision(&sim, &device("dev1")).await.unwrap_err();
        let text = chain(&error);
        assert!(matches!(error, Error::OtherCertificates { .. }), "{text}");
        for part in [id(&old).as_str(), "ACTIVE", "--replace", "--add"] {
            assert!(text.contains(part), "{part:?} not in {text}");
        }
        let of = |other_certificates| {
            let settings = Settings { other_certificates, ..settings() };
            Device::new("dev1".parse().unwrap(), certificate(), settings)
        };
        let replaced = provision(&sim, &of(OtherCertificates::Replace)).await.unwrap();
        assert_eq!(status(&aws, &id(&old)).await, "INACTIVE");
        assert_eq!(read_back(&aws, "dev1", &id(&replaced)).await.principals, [arn(&id(&replaced))]);
        let last = replaced.steps.iter().rfind(|step| step.is_change()).unwrap();
        let new = Step::UpdateCertificate { certificate: id(&replaced), status: Status::Active };
        assert_eq!(*last, new, "the new one is ACTIVE last");

        let added = provision(&sim, &of(OtherCertificates::Keep)).await.unwrap();
        let mut wanted = [arn(&id(&replaced)), arn(&id(&added))];
        wanted.sort();
        let mut found = read_back(&aws, "dev1", &id(&added)).await.principals;
        found.sort();
        assert_eq!(found, wanted);
        assert_eq!(status(&aws, &id(&replaced)).await, "ACTIVE");
    });
}

/// Fault: one device's rights were given to, or taken from, the whole fleet.
#[test]
fn a_policy_that_is_there_is_used_and_never_changed() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let aws = client(&sim).await;
        aws.create_policy().policy_name("devices").policy_document(FULL_ACCESS).send().await.unwrap();
        let applied = provision(&sim, &device("dev1")).await.unwrap();
        let state = read_back(&aws, "dev1", &id(&applied)).await;
        assert_eq!((state.policy_version.as_str(), state.document.as_str()), ("1", FULL_ACCESS));
        assert_eq!(state.policies, ["devices"]);
        let warnings = applied.plan.warnings.join("\n");
        for part in ["allows iot:* on *", "says something else than is asked for", "policy apply"] {
            assert!(warnings.contains(part), "{part:?} not in {warnings}");
        }
    });
}

#[test]
fn other_policies_on_the_certificate_are_told_and_taken_off_on_request() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let (aws, first) = (client(&sim).await, device("dev1"));
        let applied = provision(&sim, &first).await.unwrap();
        aws.create_policy().policy_name("iot_policy").policy_document(FULL_ACCESS).send().await.unwrap();
        let arn = arn(&id(&applied));
        aws.attach_policy().policy_name("iot_policy").target(&arn).send().await.unwrap();
        let warnings = plan(&sim, &first).await.unwrap().warnings;
        assert!(
            warnings.iter().any(|text| text.contains("policy iot_policy is on the certificate of dev1 too"))
        );
        let detach_other_policies = true;
        let settings = Settings { detach_other_policies, ..(*first.settings).clone() };
        let strict = Device { settings: settings.into(), ..first };
        let applied = provision(&sim, &strict).await.unwrap();
        assert_eq!(read_back(&aws, "dev1", &id(&applied)).await.policies, ["devices"]);
    });
}

#[test]
fn a_policy_is_changed_by_its_own_command_which_counts_whom_it_reaches() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let provisioner = provisioner(&sim).await;
        for thing in ["dev1", "dev2", "dev3"] {
            provision(&sim, &device(thing)).await.unwrap();
        }
        let change = |number: u32, delete_oldest_version| {
            let text = FULL_ACCESS
                .replace("iot:*", "iot:Publish")
                .replace("\"*\"", &format!("\"arn:aws:iot:us-east-1:123456789012:topic/{number}\""));
            let rights = Rights::Document(PolicyDocument::from_json(&text).unwrap());
            let policy = "devices".parse().unwrap();
            Purpose::ChangePolicy(PolicyChange { policy, rights, delete_oldest_version })
        };
        let planned = provisioner.plan(change(2, false)).await.unwrap().to_string();
        assert!(
            planned.contains("in force at once for 3 certificates and thing groups that have it"),
            "{planned}"
        );
        for number in 2..=5 {
            provisioner.run(change(number, false), |_| {}).await.unwrap();
        }
        let error = provisioner.plan(change(6, false)).await.unwrap_err();
        assert!(matches!(&error, Error::PolicyVersions { oldest, .. } if oldest == "1"), "{error:?}");
        provisioner.run(change(6, true), |_| {}).await.unwrap();
        let again = provisioner.run(change(6, true), |_| {}).await.unwrap();
        assert_eq!(outcomes(&again), ["unchanged"]);
        let versions = client(&sim).await.list_policy_versions().policy_name("devices").send().await.unwrap();
        let versions = versions.policy_versions.unwrap();
        let mut ids: Vec<_> = versions.into_iter().filter_map(|version| version.version_id).collect();
        ids.sort();
        assert_eq!(ids, ["2", "3", "4", "5", "6"]);
    });
}

/// Fault: things were made and left behind, permissions were found to be missing after the device was ACTIVE.
#[test]
fn what_cannot_be_had_is_told_before_anything_is_written() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let aws = client(&sim).await;
        let group = Device { groups: vec!["nosuch".to_owned()], ..device("dev1") };
        let of_type = Device { thing_type: Some("nosuch".to_owned()), ..device("dev1") };
        let attribute = |name: &str, value: &str| Device {
            attributes: [(name.to_owned(), value.to_owned())].into(),
            ..device("dev1")
        };
        let four = Device {
            attributes: ["a", "b", "c"].map(|name| (name.to_owned(), "1".to_owned())).into(),
            ..device("dev1")
        };
        for (device, says) in [
            (group, "thing group nosuch does not exist"),
            (of_type, "thing type nosuch does not exist"),
            (attribute("line", "three rooms"), "\"three rooms\" is not allowed"),
            (four, "AWS allows 3 for a thing without a type"),
        ] {
            let text = chain(&provision(&sim, &device).await.unwrap_err());
            assert!(text.contains(says), "{says:?} not in {text}");
        }
        // A permission that a read tells.
        let operation = "DescribeEndpoint".to_owned();
        sim.inject(Fault::Refuse { operation, refusal: ApiRefusal::ExplicitDeny });
        let error = provision(&sim, &device("dev1")).await.unwrap_err();
        assert!(matches!(error, Error::AccessDenied(_)), "{error:?}");
        sim.clear_faults();
        assert!(!thing_exists(&aws, "dev1").await);
        assert!(aws.list_certificates().send().await.unwrap().certificates.unwrap().is_empty());
        assert!(aws.get_policy().policy_name("devices").send().await.is_err());
    });
}

/// A registration that ends anywhere leaves no certificate that is ACTIVE without its policy and thing, and is completed.
#[test]
fn a_missing_permission_leaves_nothing_active_and_a_repeated_run_completes_it() {
    for operation in [
        "CreatePolicy",
        "RegisterCertificateWithoutCA",
        "AttachPolicy",
        "AttachThingPrincipal",
        "UpdateCertificate",
    ] {
        let sim = AwsIotSim::start().unwrap();
        block_on(async {
            let (aws, device) = (client(&sim).await, device("dev1"));
            sim.inject(Fault::Refuse { operation: operation.to_owned(), refusal: ApiRefusal::MissingAllow });
            let error = provision(&sim, &device).await.unwrap_err();
            assert!(matches!(error, Error::AccessDenied(_)), "{operation}: {error:?}");
            let certificates = aws.list_certificates().send().await.unwrap().certificates.unwrap();
            assert!(
                certificates.iter().all(|each| each.status != Some(CertificateStatus::Active)),
                "{operation}"
            );
            sim.clear_faults();
            let applied = provision(&sim, &device).await.unwrap();
            assert_eq!(status(&aws, &id(&applied)).await, "ACTIVE", "{operation}");
        });
    }
}

/// Fault: right after its creation, AWS may not find a certificate, a policy or a thing.
#[test]
fn what_is_not_found_right_after_its_creation_is_found_a_moment_later() {
    let sim = AwsIotSim::start().unwrap();
    sim.inject(Fault::EventualConsistency { times: 2 });
    block_on(async {
        let applied = provision(&sim, &device("dev1")).await.unwrap();
        assert_eq!(read_back(&client(&sim).await, "dev1", &id(&applied)).await.policies, ["devices"]);
    });
}

/// Fault: two operators with different attributes raced in CreateThing, and one of them failed.
#[test]
fn a_thing_that_another_operator_makes_in_between_is_taken_as_it_is() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let aws = client(&sim).await;
        let device = Device { attributes: [("line".to_owned(), "3".to_owned())].into(), ..device("dev1") };
        let planned = plan(&sim, &device).await.unwrap();
        let payload = aws_sdk_iot::types::AttributePayload::builder().attributes("room", "7").build();
        aws.create_thing().thing_name("dev1").attribute_payload(payload).send().await.unwrap();
        // The plan that was shown is no longer right: it is not silently exchanged for another one.
        let error = provisioner(&sim).await.apply(&planned, |_| {}).await.unwrap_err();
        assert!(matches!(error, Error::Stale { .. }), "{error:?}");
        let applied = provision(&sim, &device).await.unwrap();
        let expected =
            [("line", "3"), ("room", "7")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read_back(&aws, "dev1", &id(&applied)).await.attributes, expected);
    });
}

#[test]
fn a_plan_from_a_file_is_applied_as_it_is_and_in_its_own_account_only() {
    let (sim, other) =
        (AwsIotSim::start().unwrap(), AwsIotSim::builder().account("999900001111").start().unwrap());
    block_on(async {
        let device = device("dev1");
        let written = serde_json::to_string(&plan(&sim, &device).await.unwrap()).unwrap();
        let kept = serde_json::from_str::<Plan>(&written).unwrap();
        let error = provisioner(&other).await.apply(&kept, |_| {}).await.unwrap_err();
        let text = chain(&error);
        assert!(text.contains("999900001111") && text.contains("123456789012"), "{text}");
        assert!(!thing_exists(&client(&other).await, "dev1").await);

        let applied = provisioner(&sim).await.apply(&kept, |_| {}).await.unwrap();
        assert_eq!(applied.steps, kept.steps);
        // Again, as after an interruption: nothing is left to do.
        assert_eq!(outcomes(&provisioner(&sim).await.apply(&kept, |_| {}).await.unwrap()), ["unchanged"; 6]);
    });
}

#[test]
fn what_was_made_is_taken_back_and_what_was_not_is_left() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let (aws, provisioner) = (client(&sim).await, provisioner(&sim).await);
        let removal = |thing: &str| {
            let (thing, policy) = (thing.parse().ok(), "devices".parse().ok());
            Purpose::Remove(Removal { thing, policy, force: false })
        };
        let first = provision(&sim, &device("dev1")).await.unwrap();
        provision(&sim, &device("dev2")).await.unwrap();
        aws.create_thing().thing_name("foreign").send().await.unwrap();
        let error = provisioner.plan(removal("foreign")).await.unwrap_err();
        assert!(matches!(error, Error::NotMadeHere { .. }), "{error:?}");

        // Interrupted where it hurts most: the certificate is no longer on the thing, but not deleted yet.
        let id = id(&first);
        set_status(&aws, &id, CertificateStatus::Inactive).await;
        aws.detach_thing_principal().thing_name("dev1").principal(arn(&id)).send().await.unwrap();
        provisioner.run(removal("dev1"), |_| {}).await.unwrap();
        assert!(!thing_exists(&aws, "dev1").await);
        assert!(aws.describe_certificate().certificate_id(id.as_str()).send().await.is_err());
        assert!(aws.get_policy().policy_name("devices").send().await.is_ok(), "dev2 has it");

        let applied = provisioner.run(removal("dev2"), |_| {}).await.unwrap();
        assert_eq!(applied.steps.last().unwrap().describe().kind, Kind::Policy);
        assert!(aws.get_policy().policy_name("devices").send().await.is_err());
        assert!(aws.list_certificates().send().await.unwrap().certificates.unwrap().is_empty());
        assert!(thing_exists(&aws, "foreign").await);
    });
}

/// The rest of an interrupted registration is INACTIVE and never modified; what somebody deactivated was.
#[test]
fn a_certificate_that_somebody_deactivated_is_not_activated_silently() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let (aws, device) = (client(&sim).await, device("dev1"));
        let first = provision(&sim, &device).await.unwrap();
        set_status(&aws, &id(&first), CertificateStatus::Inactive).await;
        let error = provision(&sim, &device).await.unwrap_err();
        let text = chain(&error);
        assert!(matches!(error, Error::CertificateStatus { .. }), "{text}");
        assert!(text.contains("INACTIVE") && text.contains("se050-iot activate --thing-name dev1"), "{text}");
        assert_eq!(status(&aws, &id(&first)).await, "INACTIVE");
    });
}

/// Fault: a certificate that was registered with --inactive and never changed became ACTIVE with a later run.
#[test]
fn a_certificate_registered_to_stay_inactive_is_not_activated_silently() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let aws = client(&sim).await;
        // One thing is made here, the other one was there before.
        aws.create_thing().thing_name("foreign").send().await.unwrap();
        for thing in ["dev1", "foreign"] {
            let inactive = Device::new(
                thing.parse().unwrap(),
                certificate(),
                Settings { status: Status::Inactive, ..settings() },
            );
            let active = Device { settings: settings().into(), ..inactive.clone() };
            let first = provision(&sim, &inactive).await.unwrap();
            let text = chain(&plan(&sim, &active).await.unwrap_err());
            for part in ["registered with --inactive", "se050-iot activate --thing-name"] {
                assert!(text.contains(part), "{thing}: {part:?} not in {text}");
            }
            assert_eq!(outcomes(&provision(&sim, &inactive).await.unwrap()), ["unchanged"; 6], "{thing}");
            assert_eq!(status(&aws, &id(&first)).await, "INACTIVE", "{thing}");

            let change =
                StatusChange { thing: thing.parse().ok(), certificate: None, status: Status::Active };
            provisioner(&sim).await.run(Purpose::ChangeStatus(change), |_| {}).await.unwrap();
            assert_eq!(outcomes(&provision(&sim, &active).await.unwrap()), ["unchanged"; 6], "{thing}");
        }
        // A thing that others made gets the marker for this only.
        provision(&sim, &device("dev2")).await.unwrap();
        let removal = Removal { thing: "foreign".parse().ok(), policy: None, force: false };
        let error = provisioner(&sim).await.plan(Purpose::Remove(removal)).await.unwrap_err();
        assert!(matches!(error, Error::NotMadeHere { .. }), "{error:?}");
    });
}

/// Fault: least privilege was claimed while a policy on a thing group allowed everything.
#[test]
fn policies_that_a_device_has_through_its_groups_are_told() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let aws = client(&sim).await;
        aws.create_thing_group().thing_group_name("plant").send().await.unwrap();
        let line = aws.create_thing_group().thing_group_name("line3").parent_group_name("plant");
        line.send().await.unwrap();
        aws.create_policy().policy_name("everything").policy_document(FULL_ACCESS).send().await.unwrap();
        let plant = "arn:aws:iot:us-east-1:123456789012:thinggroup/plant";
        aws.attach_policy().policy_name("everything").target(plant).send().await.unwrap();

        let device = Device { groups: vec!["line3".to_owned()], ..device("dev1") };
        // Before the device is in the group, and again when it is.
        for planned in [plan(&sim, &device).await.unwrap(), provision(&sim, &device).await.unwrap().plan] {
            let warnings = planned.warnings.join("\n");
            for part in
                ["policy everything is on the thing group line3", "policy everything allows iot:* on *"]
            {
                assert!(warnings.contains(part), "{part:?} not in {warnings}");
            }
            let line = "  policy everything: unchanged, in force through the thing group line3\n";
            assert!(planned.to_string().contains(line), "{planned}");
        }
        let state = provisioner(&sim).await.status(&device.thing).await.unwrap().unwrap();
        assert_eq!(state.groups, [("line3".to_owned(), vec!["everything".to_owned()])]);
        // The policy of the certificate goes, and the device still gets in.
        let policies = state.certificates[0].policies.clone();
        assert_eq!(policies, ["devices"]);
        let arn = arn(&state.certificates[0].id);
        aws.detach_policy().policy_name("devices").target(arn).send().await.unwrap();
        assert!(provisioner(&sim).await.status(&device.thing).await.unwrap().unwrap().lets_in());
    });
}

#[test]
fn a_certificate_that_belongs_to_another_thing_is_refused() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let certificate = certificate();
        let of = |thing: &str| Device::new(thing.parse().unwrap(), certificate.clone(), settings());
        let first = provision(&sim, &of("dev1")).await.unwrap();
        let error = provision(&sim, &of("dev2")).await.unwrap_err();
        let text = chain(&error);
        assert!(matches!(error, Error::CertificateElsewhere { .. }), "{text}");
        assert!(text.contains("the thing dev1"), "{text}");
        let aws = client(&sim).await;
        assert!(!thing_exists(&aws, "dev2").await, "nothing is half-done");
        assert_eq!(read_back(&aws, "dev1", &id(&first)).await.principals, [arn(&id(&first))]);
    });
}
