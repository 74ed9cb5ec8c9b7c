//! Whole registrations against a local AWS IoT Core; the end state is read back by calls of the tests' own.

use aws_iot_provision::{
    Attachment, CertificateId, Device, Error, PolicyDocument, Provisioned, Provisioner, Removal, Rights,
    Settings, Subject,
};
use aws_iot_sim::AwsIotSim;
use aws_sdk_iot::Client;
use aws_sdk_iot::types::CertificateStatus;

use crate::support::{
    FULL_ACCESS, block_on, certificate, chain, client, config, device, outcomes, provision,
};

/// What is registered, as far as a device needs it.
#[derive(Debug, PartialEq, Eq)]
struct State {
    thing_id: String,
    document: String,
    policy_version: String,
    status: String,
    policies: Vec<String>,
    principals: Vec<String>,
}

async fn read_back(aws: &Client, provisioned: &Provisioned) -> State {
    let thing = aws.describe_thing().thing_name(provisioned.thing.as_str()).send().await.unwrap();
    let policy = aws.get_policy().policy_name(provisioned.policy.as_str()).send().await.unwrap();
    let id = provisioned.certificate_id.as_str();
    let certificate = aws.describe_certificate().certificate_id(id).send().await.unwrap();
    let policies = aws.list_attached_policies().target(&provisioned.certificate_arn).send().await.unwrap();
    let principals = aws.list_thing_principals().thing_name(provisioned.thing.as_str()).send().await.unwrap();
    State {
        thing_id: thing.thing_id.unwrap(),
        document: policy.policy_document.unwrap(),
        policy_version: policy.default_version_id.unwrap(),
        status: certificate.certificate_description.unwrap().status.unwrap().as_str().to_owned(),
        policies: policies.policies.unwrap().into_iter().filter_map(|policy| policy.policy_name).collect(),
        principals: principals.principals.unwrap(),
    }
}

fn with_document(thing: &str, text: &str) -> Device {
    let mut settings = Settings::new("devices".parse().unwrap());
    settings.rights = Rights::Document(PolicyDocument::from_json(text).unwrap());
    settings.attachment = Attachment::Shared;
    Device::with_settings(thing.parse().unwrap(), certificate(), settings)
}

#[test]
fn a_new_device_is_registered_whole() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let device = device("dev1");
        let mut told = Vec::new();
        let provisioner = Provisioner::new(&config(sim.control_plane_url()).await).unwrap();
        let provisioned = provisioner.apply_with(&device, |change| told.push(change.clone())).await.unwrap();

        assert_eq!(provisioned.endpoint, sim.endpoint());
        assert_eq!(provisioned.thing_arn, "arn:aws:iot:us-east-1:123456789012:thing/dev1");
        assert_eq!(outcomes(&provisioned), [["created"; 5].as_slice(), &["unchanged"]].concat());
        assert_eq!(told, provisioned.changes);
        assert_eq!(told[2].subject, Subject::Certificate(provisioned.certificate_id.clone()));

        let state = read_back(&client(&sim).await, &provisioned).await;
        assert_eq!(state.status, "ACTIVE");
        assert_eq!(state.policies, ["devices"]);
        assert_eq!(state.principals, [provisioned.certificate_arn.as_str()]);
        assert!(
            state
                .document
                .contains("arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}")
        );
    });
}

#[test]
fn a_second_run_changes_nothing_and_says_so() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let (aws, device) = (client(&sim).await, device("dev1"));
        let first = provision(&sim, &device).await.unwrap();
        let before = read_back(&aws, &first).await;
        let second = provision(&sim, &device).await.unwrap();
        assert_eq!(read_back(&aws, &second).await, before);
        assert_eq!(second.certificate_arn, first.certificate_arn);
        assert_eq!(outcomes(&second), ["unchanged"; 6]);
    });
}

#[test]
fn a_run_that_was_interrupted_is_completed() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let (aws, certificate) = (client(&sim).await, certificate());
        aws.create_thing().thing_name("dev1").send().await.unwrap();
        aws.register_certificate_without_ca()
            .certificate_pem(certificate.to_pem())
            .status(CertificateStatus::Active)
            .send()
            .await
            .unwrap();
        let id = CertificateId::of(&certificate);
        let device = Device::new("dev1".parse().unwrap(), certificate, "devices".parse().unwrap());
        let provisioned = provision(&sim, &device).await.unwrap();
        assert_eq!(provisioned.certificate_id, id);
        let state = read_back(&aws, &provisioned).await;
        assert_eq!((state.policies.len(), state.principals.len()), (1, 1), "{state:?}");
    });
}

#[test]
fn devices_share_one_policy() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        provision(&sim, &device("dev1")).await.unwrap();
        let second = provision(&sim, &device("dev2")).await.unwrap();
        assert_eq!(second.changes[1].action.kind(), "unchanged");
        assert_eq!(read_back(&client(&sim).await, &second).await.policies, ["devices"]);
    });
}

#[test]
fn a_document_of_ones_own_is_taken_as_it_is() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let provisioned = provision(&sim, &with_document("dev1", FULL_ACCESS)).await.unwrap();
        assert_eq!(read_back(&client(&sim).await, &provisioned).await.document, FULL_ACCESS);
    });
}

#[test]
fn another_document_is_a_new_version_and_at_the_limit_the_oldest_goes() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let first = provision(&sim, &device("dev1")).await.unwrap();
        for number in 2..=7_u32 {
            let topic = format!("arn:aws:iot:us-east-1:123456789012:topic/{number}");
            let text = FULL_ACCESS.replace("iot:*", "iot:Publish").replace("\"*\"", &format!("\"{topic}\""));
            let changed = provision(&sim, &with_document("dev2", &text)).await.unwrap();
            assert_eq!(changed.changes[1].action.kind(), "updated", "{number}");
            let state = read_back(&client(&sim).await, &first).await;
            assert_eq!((state.policy_version, state.document), (number.to_string(), text));
        }
        let versions = client(&sim).await.list_policy_versions().policy_name("devices").send().await.unwrap();
        let mut ids: Vec<_> =
            versions.policy_versions.unwrap().into_iter().filter_map(|version| version.version_id).collect();
        ids.sort();
        assert_eq!(ids, ["3", "4", "5", "6", "7"]);
    });
}

#[test]
fn the_same_provisioner_takes_another_document_for_the_same_policy() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let provisioner = Provisioner::new(&config(sim.control_plane_url()).await).unwrap();
        let mut documents = Vec::new();
        for device in [device("dev1"), with_document("dev2", FULL_ACCESS), device("dev3")] {
            let provisioned = provisioner.apply(&device).await.unwrap();
            documents.push(read_back(&client(&sim).await, &provisioned).await.document);
        }
        assert_eq!((documents[0] == documents[2], &*documents[1]), (true, FULL_ACCESS));
        assert_ne!(documents[0], documents[1]);
    });
}

#[test]
fn what_was_made_is_taken_back_and_what_was_not_is_left() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let aws = client(&sim).await;
        let provisioner = || async { Provisioner::new(&config(sim.control_plane_url()).await).unwrap() };
        let removal = |thing: &str, force| Removal {
            thing: thing.parse().unwrap(),
            policy: "devices".parse().unwrap(),
            keep_policy: false,
            force,
        };
        let first = provision(&sim, &device("dev1")).await.unwrap();
        provision(&sim, &device("dev2")).await.unwrap();
        aws.create_thing().thing_name("foreign").send().await.unwrap();
        let error = provisioner().await.plan_removal(removal("foreign", false)).await.unwrap_err();
        assert!(matches!(error, Error::NotMadeHere { .. }), "{error:?}");

        // Interrupted where it hurts most: the certificate is no longer on the thing, but not deleted yet.
        let (id, arn) = (first.certificate_id.as_str(), first.certificate_arn.as_str());
        aws.update_certificate()
            .certificate_id(id)
            .new_status(CertificateStatus::Inactive)
            .send()
            .await
            .unwrap();
        aws.detach_thing_principal().thing_name("dev1").principal(arn).send().await.unwrap();
        let plan = provisioner().await.plan_removal(removal("dev1", false)).await.unwrap();
        provisioner().await.remove(&plan, |_| {}).await.unwrap();
        assert!(aws.describe_thing().thing_name("dev1").send().await.is_err());
        assert!(aws.describe_certificate().certificate_id(id).send().await.is_err());
        assert!(aws.get_policy().policy_name("devices").send().await.is_ok(), "dev2 has it");

        let plan = provisioner().await.plan_removal(removal("dev2", false)).await.unwrap();
        provisioner().await.remove(&plan, |_| {}).await.unwrap();
        assert!(aws.get_policy().policy_name("devices").send().await.is_err());
        assert!(aws.list_certificates().send().await.unwrap().certificates.unwrap().is_empty());
        assert!(aws.describe_thing().thing_name("foreign").send().await.is_ok());
    });
}

#[test]
fn an_inactive_certificate_is_not_activated_silently() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let (aws, device) = (client(&sim).await, device("dev1"));
        let first = provision(&sim, &device).await.unwrap();
        let id = first.certificate_id.as_str();
        let inactive = CertificateStatus::Inactive;
        aws.update_certificate().certificate_id(id).new_status(inactive).send().await.unwrap();

        let error = provision(&sim, &device).await.unwrap_err();
        let text = chain(&error);
        assert!(matches!(error, Error::CertificateStatus { .. }), "{text}");
        assert!(text.contains("INACTIVE") && text.contains("update-certificate"), "{text}");
        assert_eq!(read_back(&aws, &first).await.status, "INACTIVE");
    });
}

#[test]
fn a_certificate_that_belongs_to_another_thing_is_refused() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let certificate = certificate();
        let of = |thing: &str| {
            Device::new(thing.parse().unwrap(), certificate.clone(), "devices".parse().unwrap())
        };
        let first = provision(&sim, &of("dev1")).await.unwrap();
        let error = provision(&sim, &of("dev2")).await.unwrap_err();
        let text = chain(&error);
        assert!(matches!(error, Error::CertificateElsewhere { .. }), "{text}");
        assert!(text.contains("the thing dev1"), "{text}");
        let aws = client(&sim).await;
        assert!(aws.describe_thing().thing_name("dev2").send().await.is_err(), "nothing is half-done");
        let things = aws.list_thing_principals().thing_name("dev1").send().await.unwrap().principals.unwrap();
        assert_eq!(things, [first.certificate_arn]);
    });
}
