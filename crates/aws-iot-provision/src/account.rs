//! Which AWS account and region: said by the user, or asked of AWS. Never taken from a file or a variable: those may be old.

use std::fmt;

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use serde::{Deserialize, Serialize};

use crate::call::{Call, part};
use crate::error::{Error, InputError};

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

/// As errors name it.
impl fmt::Display for ArnScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {}, region {}", self.account, self.region)
    }
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

/// The account and region of this configuration. `GetCallerIdentity` needs no permission (AWS STS API reference), and its
/// ARN also tells the partition.
pub(crate) async fn ask(config: &SdkConfig) -> Result<ArnScope, Error> {
    const ACTION: &str = "sts:GetCallerIdentity";
    let region = config.region().ok_or(Error::NoRegion)?;
    let mut sts = aws_sdk_sts::config::Builder::from(config);
    let own = endpoint_of(config, "STS");
    // Who replaces AWS IoT alone by a local one means that one's account.
    let url = own.or_else(|| endpoint_of(config, "IoT"));
    sts.set_endpoint_url(url.clone());
    let is_local = url.is_some();
    let place = match url {
        Some(url) => format!("AWS STS at {url}"),
        None => format!("AWS STS in {region}"),
    };
    let call = Call {
        action: ACTION,
        subject: "the account of the credentials".to_owned(),
        resource: "*".to_owned(),
    };
    let sent = aws_sdk_sts::Client::from_conf(sts.build()).get_caller_identity().send().await;
    let answer = match sent.map_err(|error| call.failed(&place, error)) {
        Ok(answer) => answer,
        // It answered, but not as STS: a local AWS IoT may come without it.
        Err(error) if is_local && !matches!(error, Error::Credentials(_) | Error::Unreachable(_)) => {
            return of_things(config).await.ok_or(error);
        }
        Err(error) => return Err(error),
    };
    let account = part(ACTION, "Account", answer.account)?;
    let arn = part(ACTION, "Arn", answer.arn)?;
    let partition = part(ACTION, "Arn", arn.split(':').nth(1))?;
    ArnScope::of(&format!("arn:{partition}:iot:{region}:{account}:*")).map_err(Error::Arn)
}

/// The account that a local AWS IoT's things are in.
async fn of_things(config: &SdkConfig) -> Option<ArnScope> {
    let answer = aws_sdk_iot::Client::new(config).list_things().max_results(1).send().await.ok()?;
    ArnScope::of(answer.things().first()?.thing_arn()?).ok()
}

/// The URL that is configured in the place of that service's own, as the SDK's clients look it up.
pub(crate) fn endpoint_of(config: &SdkConfig, service: &str) -> Option<String> {
    let general = || config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return general();
    }
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let own = config.service_config().zip(key.build().ok()).and_then(|(all, key)| all.load_config(key));
    own.or_else(general)
}

/// Whether it has the form of a region's name: `eu-west-1`, `us-gov-east-1`.
fn is_region(text: &str) -> bool {
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
