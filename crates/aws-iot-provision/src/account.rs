//! Which AWS account the credentials belong to. Asked of AWS and never taken from a file or a variable: those may be old.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use crate::arn::ArnScope;
use crate::error::Error;
use crate::failed_call::Call;

/// The account and region of this configuration. `GetCallerIdentity` needs no permission (AWS STS API reference), and its
/// ARN also tells the partition.
pub(crate) async fn ask(config: &SdkConfig) -> Result<ArnScope, Error> {
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
        action: "sts:GetCallerIdentity",
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
    let missing = |missing| Error::Incomplete { action: "sts:GetCallerIdentity", missing };
    let account = answer.account.ok_or(missing("Account"))?;
    let arn = answer.arn.ok_or(missing("Arn"))?;
    let partition = arn.split(':').nth(1).ok_or(missing("Arn"))?;
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
