//! How certificates are attached to things, and lists that have several pages.

use aws_iot_provision::{
    Applied, Attachment, Device, DeviceCertificate, Error, OtherCertificates, Purpose, Removal, Settings,
};
use aws_iot_sim::AwsIotSim;
use aws_sdk_iot::types::ThingPrincipalType;

use crate::support::{
    FULL_ACCESS, block_on, certificate, chain, client, outcomes, plan, provision, provisioner, settings,
};

fn attached(thing: &str, certificate: &DeviceCertificate, attachment: Attachment) -> Device {
    let settings = Settings { attachment, ..settings() };
    Device::new(thing.parse().unwrap(), certificate.clone(), settings)
}

#[test]
fn an_attachment_becomes_exclusive_or_shared_by_asking_for_it() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let (aws, certificate) = (client(&sim).await, certificate());
        let first = provision(&sim, &attached("dev1", &certificate, Attachment::Shared)).await.unwrap();
        for (wanted, kind, how) in [
            (Attachment::Exclusive, ThingPrincipalType::ExclusiveThing, "exclusive instead of shared"),
            (Attachment::Shared, ThingPrincipalType::NonExclusiveThing, "shared instead of exclusive"),
        ] {
            let device = attached("dev1", &certificate, wanted);
            let planned = plan(&sim, &device).await.unwrap().to_string();
            assert!(planned.contains(&format!("~ certificate on the thing dev1: {how}\n")), "{planned}");
            assert_eq!(outcomes(&provision(&sim, &device).await.unwrap())[4], "updated");
            let things = aws.list_principal_things_v2().principal(arn(&first)).send().await.unwrap();
            let things = things.principal_thing_objects.unwrap();
            assert_eq!((things.len(), things[0].thing_principal_type.clone()), (1, Some(kind)));
            assert_eq!(outcomes(&provision(&sim, &device).await.unwrap()), ["unchanged"; 6]);
        }
    });
}

#[test]
fn a_certificate_is_shared_only_where_no_other_thing_has_it_alone() {
    let sim = AwsIotSim::start().unwrap();
    block_on(async {
        let certificate = certificate();
        let of = |thing: &str, attachment| attached(thing, &certificate, attachment);
        provision(&sim, &of("dev1", Attachment::Exclusive)).await.unwrap();
        let error = provision(&sim, &of("dev2", Attachment::Shared)).await.unwrap_err();
        assert!(matches!(error, Error::CertificateElsewhere { .. }), "{error:?}");
        let aws = client(&sim).await;
        assert!(aws.describe_thing().thing_name("dev2").send().await.is_err(), "nothing is half-done");

        provision(&sim, &of("dev1", Attachment::Shared)).await.unwrap();
        provision(&sim, &of("dev2", Attachment::Shared)).await.unwrap();
        let error = provision(&sim, &of("dev1", Attachment::Exclusive)).await.unwrap_err();
        assert!(chain(&error).contains("the thing dev2"), "{}", chain(&error));
    });
}

/// Pages of two entries each: what stands on the second page counts as well.
#[test]
fn lists_are_followed_to_their_last_page() {
    let sim = AwsIotSim::builder().most_per_page(2).start().unwrap();
    block_on(async {
        let (aws, certificate) = (client(&sim).await, certificate());
        let shared = |thing: &str| attached(thing, &certificate, Attachment::Shared);
        let first = provision(&sim, &shared("dev1")).await.unwrap();
        for other in ["dev2", "dev3"] {
            provision(&sim, &shared(other)).await.unwrap();
        }
        // Things of the certificate: dev3 is on the second page.
        let provisioned = provision(&sim, &shared("dev3")).await.unwrap();
        assert_eq!(outcomes(&provisioned), ["unchanged"; 6]);
        let error =
            provision(&sim, &attached("dev1", &certificate, Attachment::Exclusive)).await.unwrap_err();
        assert!(chain(&error).contains("dev2, dev3"), "{}", chain(&error));

        // Policies of the certificate: `devices` is on the second page.
        for name in ["a", "b"] {
            aws.create_policy().policy_name(name).policy_document(FULL_ACCESS).send().await.unwrap();
            let arn = arn(&first);
            aws.attach_policy().policy_name(name).target(arn).send().await.unwrap();
        }
        assert_eq!(outcomes(&provision(&sim, &shared("dev1")).await.unwrap()), ["unchanged"; 8]);

        // Principals of the thing: a removal would leave the third behind otherwise. Targets of the policy: those on the
        // second page have it.
        let several = Settings { other_certificates: OtherCertificates::Keep, ..settings() };
        for _ in 0..3 {
            let device = Device::new("e".parse().unwrap(), crate::support::certificate(), several.clone());
            provision(&sim, &device).await.unwrap();
        }
        let removal = Removal {
            thing: Some("e".parse().unwrap()),
            policy: Some("devices".parse().unwrap()),
            force: false,
        };
        let provisioner = provisioner(&sim).await;
        let removed = provisioner.run(Purpose::Remove(removal), |_| {}).await.unwrap();
        assert!(
            removed.plan.warnings[0].contains("thing e has 3 certificates"),
            "{:?}",
            removed.plan.warnings
        );
        assert!(aws.describe_thing().thing_name("e").send().await.is_err());
        assert_eq!(aws.list_certificates().send().await.unwrap().certificates.unwrap().len(), 1);
        assert!(aws.get_policy().policy_name("devices").send().await.is_ok(), "the first one has it");
    });
}

fn arn(applied: &Applied) -> String {
    format!("arn:aws:iot:us-east-1:123456789012:cert/{}", applied.certificate_id.as_ref().unwrap())
}
