use serde::{Deserialize, Serialize};

use crate::input_error::InputError;

/// Where ARNs live: partition, region and account.
///
/// Taken from an ARN that AWS itself returned, so that the partition (`aws`, `aws-cn`, `aws-us-gov`) is right
/// without a table of regions here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArnScope {
    partition: String,
    region: String,
    account: String,
}

impl ArnScope {
    /// The scope of an account in a region, for work without a call to AWS. `partition` is `aws`, but `aws-cn` in China
    /// and `aws-us-gov` in GovCloud.
    pub fn new(partition: &str, region: &str, account: &str) -> Self {
        Self { partition: partition.to_owned(), region: region.to_owned(), account: account.to_owned() }
    }

    /// The scope of an AWS IoT ARN, such as the one that CreateThing returns.
    ///
    /// # Errors
    /// The text is not of the form `arn:PARTITION:iot:REGION:ACCOUNT:RESOURCE`.
    pub fn of(arn: &str) -> Result<Self, InputError> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        match parts.as_slice() {
            ["arn", partition, "iot", region, account, resource]
                if [partition, region, account, resource].iter().all(|part| !part.is_empty()) =>
            {
                Ok(Self {
                    partition: (*partition).to_owned(),
                    region: (*region).to_owned(),
                    account: (*account).to_owned(),
                })
            }
            _ => Err(InputError::Arn { arn: arn.to_owned() }),
        }
    }

    /// The account's number.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The region's name.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The ARN of a resource in this scope: `topic/a/b` gives `arn:aws:iot:REGION:ACCOUNT:topic/a/b`.
    pub fn arn(&self, resource: &str) -> String {
        format!("arn:{}:iot:{}:{}:{resource}", self.partition, self.region, self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_region_and_account_are_carried_over() {
        for (name, arn, topic) in [
            (
                "commercial",
                "arn:aws:iot:eu-west-1:123456789012:thing/a",
                "arn:aws:iot:eu-west-1:123456789012:topic/t",
            ),
            ("China", "arn:aws-cn:iot:cn-north-1:1:thing/a", "arn:aws-cn:iot:cn-north-1:1:topic/t"),
            ("colon in the thing's name", "arn:aws:iot:r:1:thing/a:b", "arn:aws:iot:r:1:topic/t"),
        ] {
            assert_eq!(ArnScope::of(arn).unwrap().arn("topic/t"), topic, "{name}");
        }
    }

    #[test]
    fn what_is_no_iot_arn_is_refused() {
        for arn in ["", "dev1", "arn:aws:s3:r:1:bucket", "arn:aws:iot:r:1:", "arn:aws:iot::1:thing/a"] {
            assert!(ArnScope::of(arn).is_err(), "{arn}");
        }
    }
}
