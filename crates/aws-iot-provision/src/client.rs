use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iot::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};

/// Ours: long enough for a bad mobile line, short enough for a person who waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Ours: for one attempt at one call. AWS IoT's control plane answers well within a second.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the operator may say about the AWS account. What is not said is found as the AWS CLI finds it: environment,
/// profile files, SSO, container, instance.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// The region, such as `ap-northeast-1`.
    pub region: Option<String>,
    /// The profile of `~/.aws/config`.
    pub profile: Option<String>,
    /// The control plane's URL, for a local one in development and tests.
    pub endpoint_url: Option<String>,
    /// How long one attempt at one call may take; 30 seconds otherwise.
    pub attempt_timeout: Option<Duration>,
}

/// A configuration of the AWS SDK: the standard credential chain, HTTPS by rustls and ring, proxies as the environment
/// names them. Credentials are asked for by the first call; nothing is stored and nothing is logged.
pub async fn aws_client_config(options: &ClientOptions) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(options.attempt_timeout.unwrap_or(ATTEMPT_TIMEOUT))
        .build();
    // Pinned, so that an update of the SDK changes retries and timeouts only when this line is changed.
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(https_client())
        .timeout_config(timeouts);
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
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
