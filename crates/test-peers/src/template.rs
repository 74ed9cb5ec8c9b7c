/// A fleet provisioning template: the parameter `ThingName` names the thing, the certificate becomes ACTIVE and gets the policy
/// `devices`.
pub const PROVISIONING_TEMPLATE: &str = r#"{
    "Parameters": {"ThingName": {"Type": "String"}},
    "Resources": {
        "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "ThingName"}}},
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"}
        },
        "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "devices"}}
    }
}"#;
