//! The simulated account, and the Amazon resource names of its resources.

use std::fmt;

/// The region when a request's signature names none.
pub(crate) const DEFAULT_REGION: &str = "us-east-1";

/// The id of an AWS account: twelve digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account(String);

/// The account and the region that a request works in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    account: Account,
    region: String,
}

impl Account {
    /// Reads an account id.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_account.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// This account in the region that an `Authorization` header names:
    /// `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
    pub(crate) fn scope_of_authorization(&self, header: &str) -> Scope {
        let credential = header.split("Credential=").nth(1).unwrap_or_default();
        let region = credential.split('/').nth(2).filter(|region| is_region(region));
        self.scope(region.unwrap_or(DEFAULT_REGION))
    }

    pub(crate) fn scope(&self, region: &str) -> Scope {
        Scope { account: self.clone(), region: region.to_owned() }
    }
}

impl Default for Account {
    /// The account id that AWS's documentation uses in its examples.
    fn default() -> Self {
        Self("123456789012".to_owned())
    }
}

impl Scope {
    /// The name of a resource: `thing/NAME`, `client/ID`, `topic/TOPIC` and so on.
    pub(crate) fn arn(&self, resource: impl fmt::Display) -> String {
        format!("arn:{}:iot:{}:{}:{resource}", self.partition(), self.region, self.account)
    }

    /// The name of the IAM user that signs every request.
    pub(crate) fn caller_arn(&self) -> String {
        format!("arn:{}:iam::{}:user/operator", self.partition(), self.account)
    }

    /// The partition of the region (AWS whitepaper "AWS Fault Isolation Boundaries", "Partitions").
    fn partition(&self) -> &'static str {
        match &self.region {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_and_partition_come_from_the_credential_scope() {
        let cases = [
            (
                "Credential=AK/20261122/ap-northeast-1/iot/aws4_request, SignedHeaders=host",
                "aws:iot:ap-northeast-1",
            ),
            ("Credential=AK/20261122/cn-north-1/iot/aws4_request", "aws-cn:iot:cn-north-1"),
            ("Credential=AK/20261122/us-gov-west-1/iot/aws4_request", "aws-us-gov:iot:us-gov-west-1"),
            ("Credential=AK", "aws:iot:us-east-1"),
            ("Bearer x", "aws:iot:us-east-1"),
            ("Credential=AK/20261122/A:B/iot/aws4_request", "aws:iot:us-east-1"),
        ];
        let account = Account::parse("111122223333").unwrap();
        for (header, prefix) in cases {
            let arn = account.scope_of_authorization(&format!("AWS4-HMAC-SHA256 {header}")).arn("thing/t");
            assert_eq!(arn, format!("arn:{prefix}:111122223333:thing/t"), "{header}");
        }
    }

    #[test]
    fn an_account_id_is_twelve_digits() {
        for wrong in ["", "1234", "12345678901x", "1234-5678-9012", "1234567890123"] {
            assert_eq!(Account::parse(wrong), None, "{wrong}");
        }
    }
}
