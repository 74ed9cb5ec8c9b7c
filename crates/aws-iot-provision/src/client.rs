use std::time::Duration;

use aws_config::imds::region::ImdsRegionProvider;
use aws_config::profile::{Profile, ProfileFileCredentialsProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_iot::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_types::os_shim_internal::{Env, Fs};

use crate::error::Error;

/// Ours: long enough for a bad mobile line, short enough for a person who waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Ours: for one attempt at one call. AWS IoT's control plane answers well within a second.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// The profile that counts when none is named.
const DEFAULT_PROFILE: &str = "default";

/// What the operator may say about the AWS account. What is not said is found as the AWS CLI finds it: environment,
/// profile files, SSO, container, instance.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// The region, such as `ap-northeast-1`.
    pub region: Option<String>,
    /// The profile of `~/.aws/config`. Its credentials are used, and those of the environment are not.
    pub profile: Option<String>,
    /// The control plane's URL, for a local one in development and tests.
    pub endpoint_url: Option<String>,
    /// How long one attempt at one call may take; 30 seconds otherwise.
    pub attempt_timeout: Option<Duration>,
}

/// The AWS configuration of this machine, or an option of the command, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what its variant is, and names its fields")]
pub enum ConfigurationError {
    #[error(
        "AWS client: {asked_by} names the profile {profile:?}, and no such profile is in ~/.aws/config or ~/.aws/credentials \
         (AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE); {known}; correct the name, or run `aws configure --profile NAME`"
    )]
    UnknownProfile { asked_by: &'static str, profile: String, known: String },
    #[error(
        "AWS client: the profile {profile:?} asks for an MFA code (mfa_serial), and this program cannot ask for one; get temporary \
         credentials with the AWS CLI (version 2), and run this without --profile: \
         `eval \"$(aws configure export-credentials --profile {profile} --format env)\"`"
    )]
    ProfileNeedsMfa { profile: String },
    #[error("AWS client: cannot read the profiles in ~/.aws/config and ~/.aws/credentials; correct the file")]
    Profiles(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(
        "AWS client: the region {region:?} from {source_name} is not usable; give one such as ap-northeast-1"
    )]
    Region { source_name: String, region: String },
}

/// Why credentials that were found are not sent. The credentials themselves are not in the text.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {part} has {count} character(s) that none can have, such as a line end or a space; write it again, \
     without what stands around it (a file with Windows line ends adds a carriage return)"
)]
struct UnusableCredentials {
    part: &'static str,
    count: usize,
}

/// A configuration of the AWS SDK: the standard credential chain, HTTPS by rustls and ring, proxies as the environment
/// names them. Credentials are asked for by the first call; nothing is stored and nothing is logged.
///
/// Which credentials and which region count is as in the AWS CLI: a profile that is named in `options` beats keys in the
/// environment, keys in the environment beat `AWS_PROFILE`, and a region in the environment beats the profile's.
///
/// # Errors
/// [`Error::Configuration`]: a profile that does not exist, one that needs an MFA code, a region that is none.
/// [`Error::NoRegion`].
pub async fn aws_client_config(options: &ClientOptions) -> Result<SdkConfig, Error> {
    let profiles = Profiles::load(options.profile.as_deref()).await?;
    let http = https_client();
    let provider = ProviderConfig::without_region().with_http_client(http.clone());
    let region = match configured_region(options, &profiles)? {
        Some(region) => region,
        None => {
            // Without an HTTP client of its own it would panic.
            let instance = ImdsRegionProvider::builder().configure(&provider).build();
            instance.region().await.ok_or(Error::NoRegion)?
        }
    };
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(options.attempt_timeout.unwrap_or(ATTEMPT_TIMEOUT))
        .build();
    // Pinned, so that an update of the SDK changes retries and timeouts only when this line is changed.
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .timeout_config(timeouts)
        .region(region.clone())
        .profile_name(&profiles.name);
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if options.profile.is_some() {
        // The SDK's chain would look into the environment first, and find another account's keys there.
        let provider = provider.with_region(Some(region));
        let credentials =
            ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(&profiles.name);
        loader = loader.credentials_provider(credentials.build());
    }
    let config = loader.load().await;
    let Some(credentials) = config.credentials_provider() else { return Ok(config) };
    let checked = SharedCredentialsProvider::new(CheckedCredentials(credentials));
    Ok(config.into_builder().credentials_provider(checked).build())
}

/// The profile files, and which profile of them counts.
struct Profiles {
    set: ProfileSet,
    name: String,
}

impl Profiles {
    async fn load(asked: Option<&str>) -> Result<Self, ConfigurationError> {
        let set = aws_config::profile::load(&Fs::real(), &Env::real(), &Default::default(), None)
            .await
            .map_err(|error| ConfigurationError::Profiles(error.into()))?;
        let (asked_by, name) = match (asked, set.selected_profile()) {
            (Some(name), _) => ("--profile", name.to_owned()),
            (None, "") => ("AWS_PROFILE", DEFAULT_PROFILE.to_owned()),
            (None, name) => ("AWS_PROFILE", name.to_owned()),
        };
        // Nobody needs to have a default profile, unless it is asked for by name.
        if set.get_profile(&name).is_none() && (asked.is_some() || name != DEFAULT_PROFILE) {
            let known = match set.profiles().collect::<Vec<_>>() {
                none if none.is_empty() => "they hold no profile".to_owned(),
                mut names => {
                    names.sort_unstable();
                    format!("they hold {}", names.join(", "))
                }
            };
            return Err(ConfigurationError::UnknownProfile { asked_by, profile: name, known });
        }
        let profiles = Self { set, name };
        // Keys in the environment beat AWS_PROFILE, so its profile need not be able to give any.
        let counts = asked.is_some() || environment("AWS_ACCESS_KEY_ID").is_none();
        if counts && profiles.profile().is_some_and(|profile| profile.get("mfa_serial").is_some()) {
            return Err(ConfigurationError::ProfileNeedsMfa { profile: profiles.name });
        }
        Ok(profiles)
    }

    fn profile(&self) -> Option<&Profile> {
        self.set.get_profile(&self.name)
    }
}

/// From the option, the environment or the profile. An empty variable counts as one that is not set.
fn configured_region(
    options: &ClientOptions,
    profiles: &Profiles,
) -> Result<Option<Region>, ConfigurationError> {
    let variable = |name: &str| Some((name.to_owned(), environment(name)?));
    let of_profile = || {
        let region = profiles.profile()?.get("region")?;
        Some((format!("the profile {}", profiles.name), region.to_owned()))
    };
    let given = options.region.clone().map(|region| ("--region".to_owned(), region));
    let found = given
        .or_else(|| variable("AWS_REGION"))
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .or_else(of_profile);
    match found {
        Some((_, region)) if is_host_label(&region) => Ok(Some(Region::new(region))),
        Some((source_name, region)) => Err(ConfigurationError::Region { source_name, region }),
        None => Ok(None),
    }
}

/// A region becomes a part of a host name. Local control planes take any.
fn is_host_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Credentials that can stand in a header. The SDK panics over others (aws-runtime 1.10, `InvalidHeaderValue`).
#[derive(Debug)]
struct CheckedCredentials(SharedCredentialsProvider);

impl ProvideCredentials for CheckedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { checked(self.0.provide_credentials().await?) })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.fallback_on_interrupt()
    }
}

fn checked(credentials: Credentials) -> Result<Credentials, CredentialsError> {
    let parts = [
        ("access key id", credentials.access_key_id()),
        ("secret access key", credentials.secret_access_key()),
        ("session token", credentials.session_token().unwrap_or("-")),
    ];
    for (part, text) in parts {
        let count = text.chars().filter(|c| !c.is_ascii_graphic()).count();
        if count > 0 {
            return Err(CredentialsError::invalid_configuration(UnusableCredentials { part, count }));
        }
    }
    Ok(credentials)
}

/// The SDK's default client comes with aws-lc; this is the same one over ring, the project's one crypto provider.
fn https_client() -> SharedHttpClient {
    // The SDK's connector asserts, in debug builds, that the system has roots. Without any it shall fail at the
    // handshake, and a local control plane over plain HTTP shall work.
    let system_has_roots = !rustls_native_certs::load_native_certs().certs.is_empty();
    let trust = TrustStore::empty().with_native_roots(system_has_roots);
    let tls = TlsContext::builder().with_trust_store(trust).build().unwrap_or_default();
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}
