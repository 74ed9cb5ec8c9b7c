//! The command-line arguments that the device's programs share: the flags of the AWS device SDK's samples, each also with
//! underscores, as the samples write them.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command, ValueEnum};
use rustls_se050::TlsVersions;
use se050_key::Selector;

use crate::{Device, DeviceOptions, TokenArgs};

/// Where to connect, and with which key. For `#[command(flatten)]`.
#[derive(Debug, Clone, Args)]
pub struct DeviceArgs {
    /// The device configuration that `se050-iot provision --device-config` has written; other flags come before it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data endpoint of your AWS account, as `se050-iot provision` shows it
    #[arg(long, value_name = "HOST", required_unless_present = "config")]
    pub endpoint: Option<String>,
    /// The endpoint's port [default: 8883]
    #[arg(long)]
    pub port: Option<u16>,
    /// The MQTT client id: the thing's name, as a rule; without it, one made from the certificate
    #[arg(long, alias = "client_id", value_name = "ID")]
    pub client_id: Option<String>,
    /// The private key: sss:100100F0 or 0xF0000110 (cloud connection key 0), a label, or a PKCS#11 URI
    #[arg(long, alias = "key_label", value_name = "LABEL", required_unless_present = "config")]
    pub key_label: Option<Selector>,
    /// The certificate in the token, where it is not the one that belongs to the key
    #[arg(long, alias = "cert_label", value_name = "LABEL", conflicts_with = "cert")]
    pub cert_label: Option<Selector>,
    /// The device's certificate in a file, PEM or DER, with its issuers' behind it where the server wants them; without it, it is
    /// read from the token
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// The CA certificates to trust, in PEM or DER; without it, Amazon's, which are built in
    #[arg(long, alias = "ca_file", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Which TLS version to speak
    #[arg(long, alias = "tls_version", value_enum, default_value_t = TlsVersion::Auto)]
    pub tls_version: TlsVersion,
    /// Module, token and PIN.
    #[command(flatten)]
    pub token: TokenArgs,
    /// Only the empty PIN is taken here, since the command line is no secret; others: --pin-file, or SE050_PIN
    #[arg(long, value_name = "\"\"", value_parser = EmptyPin)]
    pin: Option<()>,
}

impl DeviceArgs {
    /// Opens the token, and prepares the connection.
    ///
    /// # Errors
    /// As [`DeviceOptions::open`].
    pub fn open(&self) -> anyhow::Result<Device> {
        let args = self.clone();
        let options = DeviceOptions {
            config: args.config,
            endpoint: args.endpoint,
            port: args.port,
            client_id: args.client_id,
            key: args.key_label,
            certificate: args.cert_label,
            certificate_file: args.cert,
            ca_file: args.ca_file,
            token: args.token,
            tls_versions: args.tls_version.into(),
        };
        options.open()
    }
}

/// The TLS versions by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TlsVersion {
    /// TLS 1.3 and 1.2, but 1.2 alone where 1.3 would wear the chip.
    Auto,
    /// TLS 1.2 alone.
    #[value(name = "1.2")]
    V1_2,
    /// TLS 1.3 alone.
    #[value(name = "1.3")]
    V1_3,
}

impl From<TlsVersion> for TlsVersions {
    fn from(version: TlsVersion) -> Self {
        match version {
            TlsVersion::Auto => Self::Auto,
            TlsVersion::V1_2 => Self::Tls12,
            TlsVersion::V1_3 => Self::Tls13,
        }
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
