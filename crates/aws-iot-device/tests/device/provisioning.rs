//! A certificate of the device's own: CreateCertificateFromCsr with the simulated AWS IoT Core, RegisterThing with ministack and a
//! token that AWS's device SDK has got there, since ministack takes no signing request over MQTT.

use aws_iot_device::{Error, FleetProvisioning, IssuedCertificate};
use aws_iot_mqtt::{QoS, SubscribeOptions};
use serde_json::{Value, json};
use test_peers::{aws_cli, output_of};

use crate::support::cloud::Cloud;
use crate::support::ministack::{Account, awsiotsdk};
use crate::support::{block_on, soon};

/// What `se050-iot policy device --provisioning TEMPLATE` grants, and a template that makes a thing of the serial number.
const CLAIM_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":"iot:Connect","Resource":"*"},
{"Effect":"Allow","Action":["iot:Publish","iot:Receive"],"Resource":[
"arn:aws:iot:*:*:topic/$aws/certificates/create*","arn:aws:iot:*:*:topic/$aws/provisioning-templates/gateways/provision/*"]},
{"Effect":"Allow","Action":"iot:Subscribe","Resource":[
"arn:aws:iot:*:*:topicfilter/$aws/certificates/create*","arn:aws:iot:*:*:topicfilter/$aws/provisioning-templates/gateways/provision/*"]}]}"#;

fn template() -> String {
    let certificate = json!({"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"});
    json!({
        "Parameters": {"SerialNumber": {"Type": "String"}},
        "Resources": {
            "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Fn::Join": ["", ["gw-", {"Ref": "SerialNumber"}]]}}},
            "certificate": {"Type": "AWS::IoT::Certificate", "Properties": certificate},
            "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "gateways"}},
        },
    })
    .to_string()
}

/// A key of the device's own, and its signing request.
fn csr() -> (rcgen::KeyPair, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    (key, request.pem().unwrap())
}

#[test]
fn a_device_registers_itself_with_a_claim() {
    let cloud = Cloud::with_policy(CLAIM_POLICY);
    if !create_template(&cloud) {
        return;
    }
    block_on(async {
        // `device-1` stands for the claim, which any number of devices share.
        let claim = cloud.client().connect().await.unwrap();
        let mut provisioning = FleetProvisioning::new(&claim, "gateways").unwrap();
        let (key, request) = csr();
        let issued = provisioning.create_certificate_from_csr(&request).await.unwrap();
        assert!(!format!("{issued:?}").contains("token"), "the ownership token is a secret");
        // It is of no use before it is registered.
        let device = test_peers::Issued {
            certificate_pem: issued.certificate_pem.clone(),
            key_pem: key.serialize_pem(),
        };
        let tls = || crate::support::tls(&device, cloud.sim.ca_pem());
        let connect = || {
            crate::support::client(cloud.sim.port(), "gw-00C0A1", tls())
                .reconnect(aws_iot_mqtt::Reconnect::never())
        };
        assert!(connect().connect().await.is_err());
        let registration = provisioning.register_thing(&issued, [("SerialNumber", "00C0A1")]).await.unwrap();
        assert_eq!(registration.thing_name.as_deref(), Some("gw-00C0A1"));
        claim.disconnect(Default::default()).await.unwrap();
        connect().connect().await.unwrap();

        // AWS's SDK gets the same with the claim.
        let (key, request) = csr();
        let claim = (cloud.sim.port(), cloud.sim.ca_file());
        if let Some(theirs) = awsiotsdk(claim, "claim-1", &cloud.device, REGISTER, &[&request, "00C0A1"]) {
            let device = test_peers::Issued {
                certificate_pem: theirs["certificatePem"].as_str().unwrap().to_owned(),
                key_pem: key.serialize_pem(),
            };
            assert_eq!(theirs["thingName"], json!(registration.thing_name));
            let tls = crate::support::tls(&device, cloud.sim.ca_pem());
            let theirs = crate::support::client(cloud.sim.port(), "of the SDK", tls).connect().await.unwrap();
            theirs.disconnect(Default::default()).await.unwrap();
        }
    });
}

/// Registers a device with a claim, as AWS's SDK does it.
const REGISTER: &str = r#"
identity = iotidentity.IotIdentityClientV2(client, options)
created = identity.create_certificate_from_csr(
    iotidentity.CreateCertificateFromCsrRequest(certificate_signing_request=arguments[0])
).result(PATIENCE)
registered = identity.register_thing(iotidentity.RegisterThingRequest(
    template_name="gateways", certificate_ownership_token=created.certificate_ownership_token,
    parameters={"SerialNumber": arguments[1]}
)).result(PATIENCE)
end({"certificatePem": created.certificate_pem, "thingName": registered.thing_name})
"#;

#[test]
fn an_application_renews_its_certificate_over_its_own_connection() {
    let cloud = Cloud::new();
    if !create_template(&cloud) {
        return;
    }
    block_on(async {
        let (key, request) = csr();
        let device = |certificate: &IssuedCertificate| {
            let certificate_pem = certificate.certificate_pem.clone();
            let issued = test_peers::Issued { certificate_pem, key_pem: key.serialize_pem() };
            let tls = crate::support::tls(&issued, cloud.sim.ca_pem());
            let client = crate::support::client(cloud.sim.port(), "gw-7", tls);
            client.persistent_session(std::time::Duration::from_secs(3600))
        };
        let claim = cloud.client().connect().await.unwrap();
        let mut provisioning = FleetProvisioning::new(&claim, "gateways").unwrap();
        let issued = provisioning.create_certificate_from_csr(&request).await.unwrap();
        provisioning.register_thing(&issued, [("SerialNumber", "7")]).await.unwrap();
        let client = device(&issued).connect().await.unwrap();
        let mut orders = client.subscribe("orders", QoS::AtLeastOnce).await.unwrap();

        let mut provisioning = FleetProvisioning::new(&client, "gateways").unwrap();
        let again = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        let renewed = provisioning.create_certificate_from_csr(&again).await.unwrap();
        assert_ne!(renewed.certificate_id, issued.certificate_id);
        let registration = provisioning.register_thing(&renewed, [("SerialNumber", "7")]).await.unwrap();
        assert_eq!(registration.thing_name.as_deref(), Some("gw-7"));
        // The connection is the same one, with all that it is subscribed to.
        assert_eq!(client.statistics().connects, 1);
        cloud.sim.publish("orders", "1").unwrap();
        assert_eq!(soon(orders.next()).await.unwrap().payload, "1");

        // A token is good for one registration; what is no request is refused with AWS's code.
        let error = provisioning.register_thing(&renewed, [("SerialNumber", "2")]).await.unwrap_err();
        assert!(
            matches!(&error, Error::ProvisioningRejected { code, .. } if code == "InvalidCertificateOwnershipToken"),
            "{error}"
        );
        assert!(error.to_string().contains("an hour"), "{error}");
        let error = provisioning.create_certificate_from_csr("nonsense").await.unwrap_err();
        assert!(
            matches!(&error, Error::ProvisioningRejected { code, status: 400, .. } if code == "InvalidCsr"),
            "{error}"
        );

        // The next start has the new certificate, and the session of before.
        client.disconnect(Default::default()).await.unwrap();
        drop(orders);
        cloud.sim.publish("orders", "2").unwrap();
        let filter = SubscribeOptions::new("orders", QoS::AtLeastOnce).unwrap();
        let client = device(&renewed).subscribe(filter).connect().await.unwrap();
        assert_eq!(soon(client.messages().unwrap().next()).await.unwrap().payload, "2");
    });
}

/// Makes the template and the devices' policy; `false` where the AWS CLI is missing.
fn create_template(cloud: &Cloud) -> bool {
    let Some(cli) = aws_cli(cloud.sim.environment()) else { return false };
    let aws = |arguments: &[&str]| output_of(&mut cli.command(["iot"].iter().chain(arguments)));
    let role = "arn:aws:iam::123456789012:role/provisioning";
    let body = template();
    let arguments = ["create-provisioning-template", "--template-name", "gateways", "--enabled"];
    aws(&[&arguments[..], &["--template-body", &body, "--provisioning-role-arn", role]].concat());
    let policy = ["--policy-name", "gateways", "--policy-document", crate::support::cloud::ALLOW_ALL];
    aws(&[&["create-policy"], &policy[..]].concat());
    true
}

const CREATE_KEYS: &str = r#"
identity = iotidentity.IotIdentityClientV2(client, options)
created = identity.create_keys_and_certificate(iotidentity.CreateKeysAndCertificateRequest()).result(PATIENCE)
end({"certificateId": created.certificate_id, "certificatePem": created.certificate_pem,
     "certificateOwnershipToken": created.certificate_ownership_token})
"#;

#[test]
fn register_thing_with_ministack_and_a_token_that_aws_s_sdk_has_got() {
    let Some(account) = Account::with_policy(CLAIM_POLICY) else { return };
    let claim = account.device("claim-1");
    let Some(issued) = account.awsiotsdk("claim-1", &claim, CREATE_KEYS, &[]) else { return };
    let issued: IssuedCertificate = serde_json::from_value(issued).unwrap();
    let body = template();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                       "Principal": {"Service": "iot.amazonaws.com"}}]});
    let created = ["--role-name", "provisioning", "--assume-role-policy-document", &trust.to_string()];
    let created = account.aws(&[&["iam", "create-role"], &created[..]].concat());
    let role = created["Role"]["Arn"].as_str().unwrap();
    let policy = "arn:aws:iam::aws:policy/service-role/AWSIoTThingsRegistration";
    account.aws(&["iam", "attach-role-policy", "--role-name", "provisioning", "--policy-arn", policy]);
    let arguments = ["iot", "create-provisioning-template", "--template-name", "gateways", "--enabled"];
    account.aws(&[&arguments[..], &["--template-body", &body, "--provisioning-role-arn", role]].concat());
    account.aws(&[
        "iot",
        "create-policy",
        "--policy-name",
        "gateways",
        "--policy-document",
        crate::support::cloud::ALLOW_ALL,
    ]);
    block_on(async {
        let client = account.client("claim-1", &claim).connect().await.unwrap();
        let mut provisioning = FleetProvisioning::new(&client, "gateways").unwrap();
        let error = provisioning.register_thing(&issued, [("Wrong", "x")]).await.unwrap_err();
        assert!(
            matches!(&error, Error::ProvisioningRejected { code, .. } if code == "InvalidParameters"),
            "{error}"
        );
        let registration = provisioning.register_thing(&issued, [("SerialNumber", "7")]).await.unwrap();
        assert_eq!(registration.thing_name.as_deref(), Some("gw-7"));
        let things: Value = account.aws(&["iot", "list-thing-principals", "--thing-name", "gw-7"]);
        assert!(things["principals"][0].as_str().unwrap().ends_with(&issued.certificate_id), "{things}");
        let mut other = FleetProvisioning::new(&client, "other").unwrap();
        let error = other.register_thing(&issued, [("SerialNumber", "7")]).await.unwrap_err();
        assert!(matches!(error, Error::Mqtt { .. } | Error::ProvisioningRejected { .. }), "{error}");
    });
}

#[test]
fn a_request_for_a_certificate_is_not_sent_a_second_time() {
    let cloud = Cloud::new();
    let line = crate::support::line::Line::to(cloud.sim.port());
    block_on(async {
        let client = crate::support::client(line.port(), "device-1", cloud.tls()).connect().await.unwrap();
        let mut provisioning =
            FleetProvisioning::new(&client, "gateways").unwrap().timeout(std::time::Duration::from_secs(4));
        cloud.sim.inject(aws_iot_sim::Fault::Withhold(aws_iot_sim::Answer::Puback));
        let (_, request) = csr();
        let cut = async {
            cloud.request("$aws/certificates/create-from-csr/json", 0).await;
            cloud.sim.clear_faults();
        };
        let (issued, ()) = tokio::join!(provisioning.create_certificate_from_csr(&request), cut);
        // The answer came before the PUBACK, or in its place.
        assert!(issued.is_ok(), "{issued:?}");
        assert_eq!(cloud.requests("$aws/certificates/create-from-csr/json"), 1);
    });
}
