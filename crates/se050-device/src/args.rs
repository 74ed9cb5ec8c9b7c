//! The command-line arguments that the device's programs share: the flags of the AWS device SDK's samples, each also with
//! underscores, as the samples write them. mosquitto's names are aliases.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use aws_iot_mqtt::Proxy;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Args, Command};
use device_identity::DeviceConfig;
use rustls_se050::TlsVersions;
use se050_key::Selector;

use crate::options::{TLS_VERSIONS, proxy, tls_versions};
use crate::{Device, DeviceOptions, TokenArgs};

/// The heading of the options that say where to connect.
const CONNECTION: &str = "Connection (first the option, then the environment, then --config)";
/// The heading of the options that say with which key.
pub(crate) const KEY: &str = "Key and certificate (in the same order)";

/// Where to connect, and with which key. For `#[command(flatten)]`. What is not given comes from the environment and from the device
/// configuration; what is needed all the same is missed by [`DeviceOptions::open`].
#[derive(Debug, Clone, Args)]
pub struct DeviceArgs {
    /// The device configuration that `se050-iot provision --device-config` has written [env: SE050_CONFIG]
    #[arg(long, value_name = "FILE", help_heading = CONNECTION)]
    pub config: Option<PathBuf>,
    /// The data endpoint of your AWS account, as `se050-iot provision` shows it [env: SE050_ENDPOINT]
    #[arg(long, alias = "host", value_name = "HOST", help_heading = CONNECTION)]
    pub endpoint: Option<String>,
    /// The endpoint's port: 8883, or 443 for networks that let nothing else out [env: SE050_PORT] [default: 8883]
    #[arg(long, short = 'p', help_heading = CONNECTION)]
    pub port: Option<u16>,
    /// The MQTT client id: the thing's name, as a rule; without it, one made from the certificate [env: SE050_CLIENT_ID]
    #[arg(long, short = 'i', aliases = ["client_id", "id"], value_name = "ID", help_heading = CONNECTION)]
    pub client_id: Option<String>,
    /// The CA certificates to trust, in PEM or DER; without it, Amazon's, which are built in [env: SE050_CA_FILE]
    #[arg(long, aliases = ["ca_file", "cafile"], value_name = "FILE", help_heading = CONNECTION)]
    pub ca_file: Option<PathBuf>,
    /// The TLS version to speak; auto is 1.3 and 1.2, but 1.2 alone where 1.3 would wear the chip [env: SE050_TLS_VERSION]
    /// [default: auto]
    #[arg(long, aliases = ["tls_version", "tls-versions"], value_name = "VERSION", value_parser = tls_version(), help_heading = CONNECTION)]
    pub tls_version: Option<TlsVersions>,
    /// The HTTP proxy to go through, http://HOST:PORT. Its name and password are taken from the environment only
    /// [env: HTTPS_PROXY, NO_PROXY]
    #[arg(long, value_name = "URL", value_parser = ProxyUrl, help_heading = CONNECTION)]
    pub proxy: Option<Proxy>,
    /// How long the connection may be silent before the server is asked whether it is still there [env: SE050_KEEP_ALIVE]
    /// [default: 60]
    #[arg(long, short = 'k', aliases = ["keep_alive", "keepalive"], value_name = "SECONDS", help_heading = CONNECTION)]
    pub keep_alive: Option<u64>,
    /// The private key: sss:100100F0 or 0xF0000110 (cloud connection key 0), a label, or a PKCS#11 URI [env: SE050_KEY_LABEL]
    #[arg(long, alias = "key_label", value_name = "LABEL", help_heading = KEY)]
    pub key_label: Option<Selector>,
    /// The certificate in the token, where it is not the one that belongs to the key [env: SE050_CERT_LABEL]
    #[arg(long, alias = "cert_label", value_name = "LABEL", conflicts_with = "cert", help_heading = KEY)]
    pub cert_label: Option<Selector>,
    /// The device's certificate in a file, PEM or DER, with its issuers' behind it where the server wants them; without it, it is
    /// read from the token [env: SE050_CERT]
    #[arg(long, value_name = "FILE", help_heading = KEY)]
    pub cert: Option<PathBuf>,
    /// Module, token and PIN.
    #[command(flatten)]
    pub token: TokenArgs,
    /// Only the empty PIN is taken here, since the command line is no secret; others: --pin-file, or SE050_PIN
    #[arg(long, value_name = "\"\"", value_parser = EmptyPin, help_heading = KEY)]
    pin: Option<()>,
}

impl DeviceArgs {
    /// Opens the token, and prepares the connection.
    ///
    /// # Errors
    /// As [`DeviceOptions::open`].
    pub fn open(&self) -> anyhow::Result<Device> {
        self.options().open()
    }

    /// Puts into a device configuration how the connection was said to be made: TLS version, keep-alive and proxy.
    pub fn put_connection_into(&self, config: &mut DeviceConfig) {
        if let Some(given) = self.tls_version {
            let name =
                TLS_VERSIONS.into_iter().find(|(_, versions)| *versions == given).map(|(name, _)| name);
            config.tls_version = name.map(str::to_owned);
        }
        if let Some(seconds) = self.keep_alive {
            config.keep_alive = Some(seconds);
        }
        if let Some(proxy) = &self.proxy {
            config.proxy = Some(format!("http://{proxy}"));
        }
    }

    /// The arguments as options.
    pub fn options(&self) -> DeviceOptions {
        let args = self.clone();
        DeviceOptions {
            config: args.config,
            endpoint: args.endpoint,
            port: args.port,
            client_id: args.client_id,
            key: args.key_label,
            certificate: args.cert_label,
            certificate_file: args.cert,
            ca_file: args.ca_file,
            token: args.token,
            tls_versions: args.tls_version,
            proxy: args.proxy,
            keep_alive: args.keep_alive.map(Duration::from_secs),
        }
    }
}

/// Takes a TLS version by its number.
fn tls_version() -> impl TypedValueParser<Value = TlsVersions> {
    PossibleValuesParser::new(TLS_VERSIONS.map(|(name, _)| name)).try_map(|text| tls_versions(&text))
}

/// Takes the address of a proxy. Its error is its own, since clap's would repeat the value, which may hold a password.
#[derive(Debug, Clone, Copy)]
struct ProxyUrl;

impl TypedValueParser for ProxyUrl {
    type Value = Proxy;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Proxy, clap::Error> {
        let parsed = value.to_str().map_or_else(|| bail!("it is not UTF-8"), proxy);
        parsed.map_err(|error| {
            let text = format!("--proxy: {error:#}\n");
            clap::Error::raw(ErrorKind::InvalidValue, text).with_cmd(command)
        })
    }
}

/// Takes the empty PIN. Its error is its own, since clap's would repeat the value.
#[derive(Debug, Clone, Copy)]
struct EmptyPin;

impl TypedValueParser for EmptyPin {
    type Value = ();

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<(), clap::Error> {
        if value.is_empty() {
            return Ok(());
        }
        let advice = "--pin takes only the empty PIN, since every process of the machine can read the command line: put the PIN \
                      into a file of mode 600 (--pin-file FILE), or into the environment variable SE050_PIN\n";
        Err(clap::Error::raw(ErrorKind::InvalidValue, advice).with_cmd(command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_says_which_variable_of_the_environment_it_comes_from() {
        let command = DeviceArgs::augment_args(Command::new("program"));
        for arg in command.get_arguments().filter(|arg| arg.get_id() != "pin") {
            let help = arg.get_help().unwrap().to_string();
            let name = arg.get_id().as_str().to_uppercase();
            let variable = if name == "PROXY" { "HTTPS_PROXY".to_owned() } else { format!("SE050_{name}") };
            assert!(help.contains(&format!("[env: {variable}")), "{help}");
            let readme = include_str!("../README.md");
            assert!(readme.contains(&format!("`{variable}`")), "README.md does not name {variable}");
            let source = [include_str!("options.rs"), include_str!("token.rs")].concat();
            assert!(
                name == "PROXY" || source.contains(&format!("\"{variable}\"")),
                "nobody reads {variable}"
            );
        }
    }
}
