//! Whole registrations against a local AWS IoT Core; the end state is read back by calls of the tests' own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use aws_iot_provision::{
    Attachment, Device, Error, Outcome, PolicyDocument, Provisioned, Provisioner, Subject,
};
use aws_iot_sim::AwsIotSim;
use aws_sdk_iot::Client;
use aws_sdk_iot::types::CertificateStatus;
use support::{block_on, certificate, chain, config, device};

const FULL_ACCESS: &str = "{ \"Version\": \"2012-10-17\",\n \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"iot:*\", \"Resource\": \"*\" }]}";

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

async fn provision(sim: &AwsIotSim, device: &Device) -> Result<Provisioned, Error> {
    Provisioner::new(&config(sim.control_plane_url()).await).unwrap().provision(device).await
}

async fn client(sim: &AwsIotSim) -> Client {
    Client::new(&config(sim.control_plane_url()).await)
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

fn outcomes(provisioned: &Provisioned) -> Vec<Outcome> {
    provisioned.steps.iter().map(|step| step.outcome).collect()
}

#[test]
fn a_new_device_is_registered_whole() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let device = device("dev1");
        let mut told = Vec::new();
        let provisioner = Provisioner::new(&config(sim.control_plane_url()).await).unwrap();
        let provisioned = provisioner.provision_with(&device, |step| told.push(step.clone())).await.unwrap();

        assert_eq!(provisioned.endpoint, sim.endpoint());
        assert_eq!(provisioned.thing_arn, "arn:aws:iot:us-east-1:123456789012:thing/dev1");
        use Outcome::{Created, Found, InPlace};
        assert_eq!(outcomes(&provisioned), [InPlace, Created, Created, InPlace, InPlace, Found]);
        assert_eq!(told, provisioned.steps);
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
        use Outcome::{AlreadyThere, Found, InPlace};
        assert_eq!(outcomes(&second), [InPlace, AlreadyThere, AlreadyThere, InPlace, InPlace, Found]);
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
        let id = certificate.id();
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
        assert_eq!(second.steps[1].outcome, Outcome::AlreadyThere);
        assert_eq!(read_back(&client(&sim).await, &second).await.policies, ["devices"]);
    });
}

#[test]
fn a_document_of_ones_own_is_taken_as_it_is() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let document = PolicyDocument::from_json(FULL_ACCESS).unwrap();
        let device = device("dev1").with_policy_document(document).with_attachment(Attachment::Shared);
        let provisioned = provision(&sim, &device).await.unwrap();
        assert_eq!(read_back(&client(&sim).await, &provisioned).await.document, FULL_ACCESS);
    });
}

#[test]
fn a_policy_with_another_document_is_never_overwritten() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let first = provision(&sim, &device("dev1")).await.unwrap();
        let other = device("dev2").with_policy_document(PolicyDocument::from_json(FULL_ACCESS).unwrap());
        let error = provision(&sim, &other).await.unwrap_err();
        assert!(
            matches!(&error, Error::PolicyDiffers { policy } if policy.as_str() == "devices"),
            "{error:?}"
        );
        assert!(error.to_string().contains("another policy name"), "{error}");
        assert!(!read_back(&client(&sim).await, &first).await.document.contains("iot:*"));
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
        assert!(matches!(error, Error::CertificateNotActive { .. }), "{text}");
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
        assert!(matches!(error, Error::Refused(_)), "{text}");
        assert!(text.contains("iot:AttachThingPrincipal") && text.contains("on thing dev2"), "{text}");
        let aws = client(&sim).await;
        let things = aws.list_thing_principals().thing_name("dev1").send().await.unwrap().principals.unwrap();
        assert_eq!(things, [first.certificate_arn]);
    });
}
