//! The input of AWS's own engine for lists beyond what one machine should push through the API.

use serde_json::{Value, json};

use crate::device::{Device, Settings};
use crate::marker::{ATTRIBUTE, Marker};
use crate::name::PolicyName;

/// What StartThingRegistrationTask needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkFiles {
    /// The provisioning template.
    pub template: String,
    /// The parameters: a JSON line for each device.
    pub parameters: String,
    /// The commands that start it, with what has to be there before.
    pub commands: String,
}

/// The input of StartThingRegistrationTask for these devices ("Bulk registration" and "Provisioning templates" in AWS's
/// developer guide). The policy is named and has to exist.
pub fn bulk_files<'a>(settings: &Settings, devices: impl IntoIterator<Item = &'a Device>) -> BulkFiles {
    let parameters: String = devices
        .into_iter()
        .map(|device| {
            let marker = Marker::default().with(&device.certificate).value();
            let line = json!({
                "ThingName": device.thing.as_str(),
                "CertificatePem": device.certificate.to_pem(),
                "Made": marker,
            });
            format!("{line}\n")
        })
        .collect();
    BulkFiles { template: template(settings), parameters, commands: commands(&settings.policy) }
}

fn template(settings: &Settings) -> String {
    let mut attributes: serde_json::Map<String, Value> =
        settings.attributes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    attributes.insert(ATTRIBUTE.to_owned(), json!({"Ref": "Made"}));
    let mut thing = json!({"ThingName": {"Ref": "ThingName"}, "AttributePayload": attributes});
    if let Some(members) = thing.as_object_mut() {
        if let Some(thing_type) = &settings.thing_type {
            members.insert("ThingTypeName".to_owned(), json!(thing_type));
        }
        if !settings.groups.is_empty() {
            members.insert("ThingGroups".to_owned(), json!(settings.groups));
        }
    }
    let parameter = json!({"Type": "String"});
    let template = json!({
        "Parameters": {"ThingName": parameter, "CertificatePem": parameter, "Made": parameter},
        "Resources": {
            "thing": {"Type": "AWS::IoT::Thing", "Properties": thing},
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificatePem": {"Ref": "CertificatePem"}, "Status": settings.status.as_str()},
            },
            "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": settings.policy.as_str()}},
        },
    });
    format!("{template:#}\n")
}

fn commands(policy: &PolicyName) -> String {
    format!(
        "#!/bin/sh
# Starts AWS IoT's bulk registration of the devices in parameters.jsonl. Read it before you run it.
#
# AWS's engine takes a certificate only below a CA that is registered in the account, so the CA that issued these
# certificates has to be registered first. Registered as here, without automatic registration, it lets in the listed
# devices and no other; never switch on automatic registration for a chip maker's CA: every chip of that maker could
# register itself.
#
# The engine attaches certificates in AWS's default way, not exclusively. `se050-iot provision --fleet`, run afterwards with
# the same list, makes them exclusive; its plan shows that before.
#
# ISSUER_CA_FILE: the CA's certificate. BUCKET: an S3 bucket of yours in the same region.
# ROLE_ARN: a role that AWS IoT may assume, which may read the bucket and has AWSIoTThingsRegistration.
set -eu
: \"${{ISSUER_CA_FILE:?}}\" \"${{BUCKET:?}}\" \"${{ROLE_ARN:?}}\"
cd \"$(dirname \"$0\")\"

aws iot get-policy --policy-name '{policy}' >/dev/null  # se050-iot provision makes it with the first device
aws iot register-ca-certificate --certificate-mode SNI_ONLY --set-as-active --no-allow-auto-registration \\
    --ca-certificate \"file://$ISSUER_CA_FILE\"
aws s3 cp parameters.jsonl \"s3://$BUCKET/parameters.jsonl\"
aws iot start-thing-registration-task --template-body file://template.json \\
    --input-file-bucket \"$BUCKET\" --input-file-key parameters.jsonl --role-arn \"$ROLE_ARN\"
# then: aws iot describe-thing-registration-task --task-id ID
#       aws iot list-thing-registration-task-reports --task-id ID --report-type ERRORS
"
    )
}
