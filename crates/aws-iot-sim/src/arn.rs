//! Amazon resource names of the one simulated account.

use std::fmt;

/// The account id that AWS's documentation uses in its examples.
pub(crate) const ACCOUNT: &str = "123456789012";

/// The region when a request's signature names none.
pub(crate) const DEFAULT_REGION: &str = "us-east-1";

/// An AWS region, as the credential scope of a signature names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Region(String);

impl Region {
    /// Takes the region out of an `Authorization` header: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
    pub(crate) fn of_authorization(header: &str) -> Self {
        let scope = header.split("Credential=").nth(1).unwrap_or_default();
        match scope.split('/').nth(2) {
            Some(region) if is_region(region) => Self(region.to_owned()),
            _ => Self::default(),
        }
    }

    /// The name of a resource of the simulated account: `thing/NAME`, `client/ID`, `topic/TOPIC` and so on.
    pub(crate) fn arn(&self, resource: impl fmt::Display) -> String {
        format!("arn:aws:iot:{}:{ACCOUNT}:{resource}", self.0)
    }
}

impl Default for Region {
    fn default() -> Self {
        Self(DEFAULT_REGION.to_owned())
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
    fn region_comes_from_the_credential_scope() {
        let cases = [
            (
                "AWS4-HMAC-SHA256 Credential=AK/20261122/ap-northeast-1/iot/aws4_request, SignedHeaders=host",
                "ap-northeast-1",
            ),
            ("AWS4-HMAC-SHA256 Credential=AK", DEFAULT_REGION),
            ("Bearer x", DEFAULT_REGION),
            ("AWS4-HMAC-SHA256 Credential=AK/20261122/A:B/iot/aws4_request", DEFAULT_REGION),
        ];
        for (header, region) in cases {
            assert_eq!(Region::of_authorization(header), Region(region.to_owned()), "{header}");
        }
    }
}
