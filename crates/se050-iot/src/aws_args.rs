use std::time::Duration;

use aws_iot_provision::ClientOptions;
use clap::Args;

use crate::shell::quoted;

/// Longest time-out in seconds that makes sense for one attempt at one call: an hour.
const LONGEST_TIMEOUT: u64 = 3600;

/// The AWS account.
#[derive(Args)]
#[command(next_help_heading = "AWS account")]
pub(crate) struct AwsArgs {
    /// AWS region; without it, the one of the environment or the profile
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Profile in ~/.aws/config; its credentials are used, and those in the environment are not
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Do nothing unless the credentials belong to this account (12 digits)
    #[arg(long, value_name = "ID", value_parser = account)]
    pub(crate) account: Option<String>,
    /// Control plane's URL, for a local AWS IoT Core
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// How long one attempt at one call may take, 1 to 3600 s; 30 s without it
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=LONGEST_TIMEOUT))]
    call_timeout: Option<u64>,
}

impl AwsArgs {
    pub(crate) fn options(&self) -> ClientOptions {
        ClientOptions {
            region: self.region.clone(),
            profile: self.profile.clone(),
            endpoint_url: self.endpoint_url.clone(),
            attempt_timeout: self.call_timeout.map(Duration::from_secs),
        }
    }

    /// What says which account is meant, for commands that are printed: each option behind a space, as the AWS CLI has them, too.
    pub(crate) fn words(&self) -> String {
        words(&[("region", self.region.as_deref())]) + &self.words_without_region()
    }

    /// For commands that name the region themselves, or have none.
    pub(crate) fn words_without_region(&self) -> String {
        words(&[("profile", self.profile.as_deref()), ("endpoint-url", self.endpoint_url.as_deref())])
    }

    /// [`Self::words`], and the guard, for commands of this program.
    pub(crate) fn guarded_words(&self) -> String {
        let account = self.account.as_ref().map(|account| format!(" --account {account}"));
        self.words() + &account.unwrap_or_default()
    }

    pub(crate) fn is_local(&self) -> bool {
        self.endpoint_url.is_some()
    }
}

/// The options that were given, each behind a space.
pub(crate) fn words(options: &[(&str, Option<&str>)]) -> String {
    let given = options.iter().filter_map(|(name, text)| Some((name, (*text)?)));
    given.map(|(name, text)| format!(" --{name} {}", quoted(text))).collect()
}

/// As AWS writes account numbers, or with the dashes of its console.
fn account(text: &str) -> Result<String, String> {
    let digits = text.replace('-', "");
    let fits = digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits { Ok(digits) } else { Err("an account number has 12 digits".to_owned()) }
}
