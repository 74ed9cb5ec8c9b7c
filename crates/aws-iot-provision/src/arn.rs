use serde::{Deserialize, Serialize};

use crate::input_error::InputError;

/// The partition by the region's first part (AWS SDK's partition metadata, `regionRegex`). All others are in `aws`.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("us-iso-", "aws-iso"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
];

/// Where ARNs live: partition, region and account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArnScope {
    partition: String,
    region: String,
    account: String,
}

impl ArnScope {
    /// Every account and region. For IAM policies only: an ARN of a resource names them.
    pub fn everywhere() -> Self {
        let any = "*".to_owned();
        Self { partition: any.clone(), region: any.clone(), account: any }
    }

    /// An account in a region, for work without a call to AWS. The account is 12 digits, or the same with two dashes, as
    /// the AWS console shows it. The partition follows from the region.
    ///
    /// # Errors
    /// The account is not 12 digits, or the region is no region's name.
    pub fn for_account(region: &str, account: &str) -> Result<Self, InputError> {
        if !is_region(region) {
            return Err(InputError::Region { region: region.to_owned() });
        }
        let partition = PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix));
        let partition = partition.map_or("aws", |(_, partition)| partition);
        let account =
            account_digits(account).ok_or_else(|| InputError::Account { account: account.to_owned() })?;
        Ok(Self { partition: partition.to_owned(), region: region.to_owned(), account })
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

    /// The partition: `aws`, `aws-cn` in China, `aws-us-gov` in GovCloud.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The region, such as `ap-northeast-1`.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The account's 12 digits.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The ARN of a resource in this scope: `topic/a/b` gives `arn:aws:iot:REGION:ACCOUNT:topic/a/b`.
    pub fn arn(&self, resource: &str) -> String {
        format!("arn:{}:iot:{}:{}:{resource}", self.partition, self.region, self.account)
    }
}

/// Whether it has the form of a region's name: `eu-west-1`, `us-gov-east-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let mut parts: Vec<&str> = text.split('-').collect();
    let number = parts.pop().unwrap_or_default();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    parts.len() >= 2
        && parts.iter().all(is_word)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The digits of an account id in one of its two forms.
fn account_digits(text: &str) -> Option<String> {
    let digits: String = match text.split('-').collect::<Vec<_>>().as_slice() {
        [whole] => (*whole).to_owned(),
        [a, b, c] if [a, b, c].iter().all(|part| part.len() == 4) => [*a, *b, *c].concat(),
        _ => return None,
    };
    (digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
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

    #[test]
    fn the_partition_follows_from_the_region() {
        for (region, partition) in [
            ("ap-northeast-1", "aws"),
            ("us-east-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("cn-northwest-1", "aws-cn"),
            ("us-gov-east-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(
                ArnScope::for_account(region, "123456789012").unwrap().partition(),
                partition,
                "{region}"
            );
        }
    }

    #[test]
    fn an_account_is_twelve_digits_in_one_of_two_forms() {
        for account in ["123456789012", "1234-5678-9012"] {
            let scope = ArnScope::for_account("eu-west-1", account).unwrap();
            assert_eq!(scope.arn("topic/t"), "arn:aws:iot:eu-west-1:123456789012:topic/t");
        }
        for wrong in
            ["", "1", "1234567890123", "12345678901x", "123-4567-89012", "１２３４５６７８９０１２", "-"]
        {
            assert!(ArnScope::for_account("eu-west-1", wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "Tokyo", "eu-west", "eu-west-1\r", "EU-WEST-1", "eu-west-1a", "*"] {
            assert!(ArnScope::for_account(wrong, "123456789012").is_err(), "{wrong:?}");
        }
    }
}
