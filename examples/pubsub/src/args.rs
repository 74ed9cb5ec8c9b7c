//! The command line: the flags of the AWS device SDK's sample, each also with underscores, as the sample writes them.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, ValueEnum};
use rustls_se050::TlsVersions;
use se050_key::Selector;
use tracing_subscriber::filter::LevelFilter;

/// Connects to AWS IoT Core with the key in the SE050, subscribes, publishes, receives, disconnects.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Args {
    /// The device configuration that `se050-iot provision --device-config` has written; other flags come before it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data endpoint of your AWS account, as `se050-iot provision` shows it
    #[arg(long, value_name = "HOST", required_unless_present = "config")]
    pub(crate) endpoint: Option<String>,
    /// The endpoint's port [default: 8883]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// The CA certificates to trust, in PEM; without it, Amazon's, which are built in
    #[arg(long, alias = "ca_file", value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The device's certificate, in PEM or DER; without it, it is read from the chip
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// The PKCS#11 module [default: /usr/lib/plug-and-trust/libsss_pkcs11.so]
    #[arg(long, alias = "pkcs11_lib", value_name = "FILE")]
    pub(crate) pkcs11_lib: Option<PathBuf>,
    /// The token, where the module has several
    #[arg(long, alias = "token_label", value_name = "LABEL")]
    pub(crate) token_label: Option<String>,
    /// The private key, e.g. sss:100100F0 (object 0xF0000110, cloud connection key 0)
    #[arg(long, alias = "key_label", value_name = "LABEL", required_unless_present = "config")]
    pub(crate) key_label: Option<Selector>,
    /// Only the empty PIN is taken here, since the command line is no secret; others: --pin-file, or SE050_PIN
    #[arg(long, value_name = "\"\"")]
    pin: Option<String>,
    /// Which TLS version to speak; auto spares the chip (see rustls-se050)
    #[arg(long, alias = "tls_version", value_enum, default_value_t = TlsVersion::Auto)]
    pub(crate) tls_version: TlsVersion,
    /// A file that holds the PIN (mode 600), for a token that asks for one; else SE050_PIN in the environment
    #[arg(long, alias = "pin_file", value_name = "FILE")]
    pub(crate) pin_file: Option<PathBuf>,
    /// The MQTT client id: the thing's name, as a rule; without it, one made from the certificate
    #[arg(long, alias = "client_id", value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// The topic to publish to and to subscribe to; without it, CLIENT-ID/pubsub
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// The message's text
    #[arg(long, default_value = "Hello from the SE050!")]
    pub(crate) message: String,
    /// How many messages to send
    #[arg(long, default_value_t = 10)]
    pub(crate) count: u32,
    /// How much to log, to standard error
    #[arg(long, value_enum, ignore_case = true, default_value_t = Verbosity::Warn)]
    pub(crate) verbosity: Verbosity,
}

impl Args {
    /// The command line's arguments; ends the process with usage help where they are wrong.
    pub(crate) fn from_command_line() -> Self {
        let args = Self::parse();
        // Not a value parser's work: its error would repeat the PIN.
        if args.pin.as_deref().is_some_and(|pin| !pin.is_empty()) {
            let advice = "--pin takes only the empty PIN, since every process of the machine can read the command line: put the \
                          PIN into a file of mode 600 (--pin-file FILE), or into the environment variable SE050_PIN";
            Self::command().error(ErrorKind::InvalidValue, advice).exit();
        }
        args
    }
}

/// The TLS versions by their numbers.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum TlsVersion {
    Auto,
    #[value(name = "1.2")]
    V1_2,
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

/// The log levels by the sample's names.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum Verbosity {
    NoLogs,
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Verbosity {
    pub(crate) fn level(self) -> LevelFilter {
        match self {
            Self::NoLogs => LevelFilter::OFF,
            Self::Fatal | Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}
